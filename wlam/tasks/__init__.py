"""What is predicted from what: every task wlam knows, by name."""

from wlam.tasks.csi import CsiAntenna, CsiFrequency, CsiIrregular, CsiTime
from wlam.tasks.estimate import CsiEstimate
from wlam.tasks.pilots import CsiPilots4, CsiPilots8
from wlam.tasks.precode import Precode
from wlam.tasks.series import BeamTask, SeriesTask, TrafficTask
from wlam.tasks.sparse_sweep import SparseSweep4, SparseSweep8
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
        SparseSweep4(),
        SparseSweep8(),
        TrafficTask(),
        SeriesTask(),
        Precode(),
    )
}
