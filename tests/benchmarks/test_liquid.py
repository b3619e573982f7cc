"""Programs of docs/liquid.md: what they judge, and that pictures are of its tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from wlam.config import read_config
from wlam.evaluation.precode import Precode
from wlam.evaluation.table import predictor_table
from wlam.models.beamformer.network import BeamformerConfig
from wlam.models.beamformer.online import OnlineConfig
from wlam.simulate.downlink import RayleighConfig

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def read():
    """Reads a file of configs/."""
    return lambda name: read_config(str(CONFIGS / name))


def test_more_and_more_measurements_are_lost(read):
    given = read("irregular.py:cfc").evaluation
    cases = read("lost.py").evaluation
    assert given.items() <= cases.items()
    new = {name: case for name, case in cases.items() if name not in given}
    lost = [case.source.missing for case in new.values()]
    assert lost == sorted(lost)
    assert new["irregular_20dB_regular"].source.jitter == 0
    base = given["irregular_20dB"]
    for case in new.values():
        same = {"jitter": base.source.jitter, "missing": base.source.missing}
        assert replace(case, source=replace(case.source, **same)) == base


def test_files_of_one_experiment_are_refused(benchmark, tmp_path):
    file = tmp_path / "one.py"
    file.write_text("config = None\n")
    with pytest.raises(ValueError, match="needed one that defines `configs`"):
        benchmark("compare")["configs_of"](str(file))


def test_loops_and_tuned_networks_are_models(benchmark):
    """Every row forms beams for every sample, as the evaluator asks for them."""
    program = benchmark("beamforming")
    network = BeamformerConfig(antennas=8).build(nnx.Rngs(0))
    small = {"antennas": 8, "users": 2}
    case = Precode(
        RayleighConfig(num_times=110, **small),
        error_ratio_db=(10.0,),
        drops=2,
        first=60,
        every=10,
        iterations=(5,),
        validation=0,
    )
    models = [
        network.model(),
        program["tuned"](network),
        program["filtered"]("filter and RZF", network, "rzf"),
        program["without_manifold"](network),
        program["online"]("loop", program["steadied"](OnlineConfig(**small))),
    ]
    (result,) = program["judged"]({"white": case}, models)
    (metric,) = result.metrics
    for model in models:
        assert 0 < result.statistics[model.card.name][metric].value < 100
    table = predictor_table([result], against="loop")
    assert [row[0] for row in table.rows][-4:] == [m.card.name for m in models[:-1]]


@pytest.mark.parametrize("name", ["tracking", "beamforming"])
def test_pictures_are_of_rows_that_there_are(benchmark, name):
    program = benchmark("pictures/liquid")
    page = program["PAGE"].read_text()
    figure = program[name](page)
    assert figure is not None
    for axis in figure.axes:
        for line in axis.lines:
            assert np.isfinite(line.get_ydata()).all()
    assert program[name]("") is None  # a page without tables
