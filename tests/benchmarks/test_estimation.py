"""Cases and rows of docs/estimation.md, and pictures of its tables."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from wlam.config import read_config
from wlam.evaluation.estimate import GENIE, Estimate
from wlam.models.base import Card, Model
from wlam.phy.channels.kronecker import KroneckerConfig
from wlam.phy.channels.tr38901 import mimo
from wlam.types import Csi

CONFIG = Path(__file__).parents[2] / "configs" / "estimation.py"


class Shrinks(Model):
    """Scales what it observes, more where it knows the noise."""

    accepts = frozenset({Csi})

    def __init__(self):
        self.card = Card("shrinks")

    def estimate(self, question, noise_variance=None, frequency=True):
        share = 0.5 if noise_variance is None else 1 / (1 + noise_variance)
        return replace(question, csi=share * question.csi)


@pytest.mark.parametrize("part", ["mimo", "drops", "combs", "slot", "thz", "line"])
def test_every_part_has_cases_that_options_make_small(benchmark, part):
    program = benchmark("estimation")
    options = program["Options"](part, channels=3, training=7, snrs_db=(5.0,))
    for case in read_config(f"{CONFIG}:{part}").evaluation.values():
        small = program["sized"](case, options)
        assert (small.channels, small.snrs_db) == (3, (5.0,))
        assert small.training == (7 if case.training else 0)


def test_variants_of_a_model_are_rows_of_the_same_channels(benchmark):
    program = benchmark("estimation")
    known = Estimate(KroneckerConfig(8, 4), (10.0,), channels=3, training=0)
    asked = {
        "known": known,
        "blind": replace(known, noise="unknown"),
        "10 dB low": replace(known, offset_db=10.0),
    }
    model = Shrinks()
    (result,) = program["results_of"]("entries", asked, [model])
    assert result.models == ("shrinks", "shrinks, blind", "shrinks, 10 dB low")
    errors = {
        name: result.figure(result.headline, name).value for name in result.models
    }
    # A noise variance of 1 shrinks it by half, as it does where none is known.
    assert errors["shrinks, 10 dB low"] == pytest.approx(errors["shrinks, blind"])
    assert errors["shrinks"] < errors["shrinks, blind"]
    assert GENIE in result.statistics


def test_functions_of_matrices_are_models(benchmark):
    program, seen = benchmark("estimation"), []

    def double(y, level):
        seen.append(level)
        return 2 * y

    case = Estimate(KroneckerConfig(8, 4), (20.0,), channels=3, training=0)
    result = case.run("mimo", program["Estimating"]("double", double), False)
    assert seen == pytest.approx([0.01])
    # Twice the channel misses it by the channel, and by twice the noise.
    value = result.statistics["wlam"][result.headline].value
    assert value == pytest.approx(10 * np.log10(1.04), abs=0.1)


def test_drops_of_all_cells_take_turns():
    source = read_config(f"{CONFIG}:drops").evaluation["known"].source
    source = replace(source, scenarios=("UMi",))
    data = jax.jit(lambda key: source.generate(key, 3))(jax.random.key(0))
    assert data.csi.shape == (3, 1, 16, 64)
    assert len(data.antennas) == 64
    assert set(np.asarray(data.labels["tx_antennas"])) == {16.0}
    assert data.subcarrier_spacing_hz.shape == (3,)
    # The first and the third are in a line of sight, the second is not.
    keys = [jax.random.fold_in(jax.random.key(0), i) for i in range(2)]
    for i, (key, state) in enumerate(zip(keys, ("los", "nlos"), strict=True)):
        config = mimo.MimoConfig(
            replace(mimo.MimoConfig().drops, scenario="UMi", state=state)
        )
        alone = jax.jit(lambda k, c=config: mimo.generate(k, c, 2).clean)(key)
        np.testing.assert_allclose(data.csi[i], alone[0], rtol=1e-4, atol=1e-5)


def test_parts_that_are_none_are_named(program):
    done = program("benchmarks/estimation.py", "everything", code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("estimation.py: PART: found 'everything'; needed one of mi")


PAGE = """
<!-- mimo -->
| estimator | -10 dB | 0 dB | fast, 0 dB |
| --- | ---: | ---: | ---: |
| LS | 10.00 | 0.10 [0.00, 0.20] | 1 |
| wlam_x | -2.5 | -9.00 [-9.5, -8.5] | · |

| estimator | -10 dB |
| --- | ---: |
| LS | 9.9 … 10.1 |
<!-- /mimo -->
"""


def test_pictures_are_of_the_numbers_of_a_page(benchmark):
    program = benchmark("pictures/estimation")
    first, second = program["tables"](PAGE, "mimo")
    assert first["wlam_x"] == ["-2.5", "-9.00 [-9.5, -8.5]", "·"]
    assert [*second] == ["", "LS"]
    values = [program["number"](cell) for cell in first["wlam_x"]]
    np.testing.assert_array_equal(values, [-2.5, -9.0, np.nan])
    axis = program["Figure"]().subplots()
    program["against_snr"](axis, first, "title")
    (line,) = axis.lines  # what is gained over LS, at SNRs and nothing else
    np.testing.assert_allclose(line.get_xdata(), [-10, 0])
    np.testing.assert_allclose(line.get_ydata(), [-12.5, -9.1])
    assert program["mimo"](PAGE) is None  # the other half is not there
