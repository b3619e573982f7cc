"""What is predicted from what: every task wlam knows, by name."""

from wlam.tasks.csi import CsiAntenna, CsiFrequency, CsiIrregular, CsiTime
from wlam.tasks.estimate import CsiEstimate
from wlam.tasks.pilots import CsiPilots4, CsiPilots8
from wlam.tasks.real import BeamTask, SeriesTask, TrafficTask
from wlam.tasks.scan import BeamScan4, BeamScan8
from wlam.tasks.task import Task
from wlam.tasks.tracking import BeamIrregular

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        CsiTime(),
        CsiIrregular(),
        CsiFrequency(),
        CsiAntenna(),
        CsiPilots4(),
        CsiPilots8(),
        CsiEstimate(),
        BeamTask(),
        BeamIrregular(),
        BeamScan4(),
        BeamScan8(),
        TrafficTask(),
        SeriesTask(),
    )
}
