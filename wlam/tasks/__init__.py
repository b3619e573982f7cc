"""What is predicted from what: every task wlam knows, by name."""

from wlam.data.files import Layout
from wlam.tasks.csi import CsiAntenna, CsiFrequency, CsiIrregular, CsiTime
from wlam.tasks.estimate import CsiEstimate
from wlam.tasks.pilots import CsiPilots4, CsiPilots8
from wlam.tasks.precode import Precode
from wlam.tasks.series import BeamTask, SeriesTask, TrafficTask
from wlam.tasks.sparse_sweep import SparseSweep4, SparseSweep8
from wlam.tasks.task import Task
from wlam.tasks.tracking import BeamIrregular
from wlam.types import DataError

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


def task_of(task: str | Task) -> Task:
    """A task by its name in TASKS; one of your own as it is.

    Raises:
        DataError: there is none of that name.
    """
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise DataError(f"task: found {task!r}; needed one of {', '.join(TASKS)}")
    return TASKS[task]


def layout_of(task: str | Task) -> Layout:
    """What a task reads from a user's file.

    Raises:
        DataError: there is no such task, or it reads no files.
    """
    found = task_of(task)
    if found.layout is None:
        raise DataError(f"task: found {found.name}, which reads no files; needed one")
    return found.layout
