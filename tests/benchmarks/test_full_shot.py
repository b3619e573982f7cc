"""Maps that are trained on a set itself: never on what they forecast."""

import numpy as np
import pytest

from wlam.tasks.windows import Windows

RNG = np.random.default_rng(0)
N, L, H, CHANNELS = 60, 6, 2, 3


@pytest.fixture(scope="module")
def program(benchmark):
    return benchmark("full_shot")


def windows(context, target, groups):
    return Windows(
        context=context,
        target=target,
        interval=np.ones(len(context), np.float32),
        axis=0,
        joint=False,
        grid=None,
        source=np.arange(len(context)),
        start=np.full(len(context), L),
        labels={"group": groups},
    )


@pytest.fixture
def linear():
    """Windows whose targets follow from their contexts, and noise on a few."""
    context = RNG.normal(size=(N, L, CHANNELS)).astype(np.float32)
    weights = RNG.normal(size=(L, H))
    weights += (1 - weights.sum(0)) / L  # a level is kept
    target = np.einsum("nlc,lh->nhc", context, weights).astype(np.float32)
    return windows(context, target, np.arange(N) % 12)


@pytest.mark.parametrize("name", ["fit_linear", "fit_absolute"])
def test_a_linear_map_is_found(program, linear, name):
    found = program["out_of_fold"](
        linear, program["folds_of"](linear.groups), program[name], False
    )
    # The ridge keeps within twice the largest deviation of a context.
    mean = linear.context.mean(1, keepdims=True)
    far, most = abs(linear.target - mean), abs(linear.context - mean).max(1)[:, None]
    inside = far < 1.9 * most
    assert inside.mean() > 0.5
    np.testing.assert_allclose(found[inside], linear.target[inside], atol=0.02)


def test_the_least_absolute_map_does_not_follow_outliers(program, linear):
    target = linear.target.copy()
    target[::10] += 30
    spoilt = windows(linear.context, target, linear.groups)
    errors = {
        name: abs(
            program["out_of_fold"](
                spoilt, program["folds_of"](spoilt.groups), program[name], False
            )
            - linear.target
        )
        for name in ("fit_linear", "fit_absolute")
    }
    assert np.median(errors["fit_absolute"]) < 0.5 * np.median(errors["fit_linear"])


def test_sweeps_go_in_as_a_whole(program):
    """A smooth map of few numbers, by a kernel; unmeasured beams are left out."""
    place = RNG.uniform(2, 6, (200, 1, 1))
    sweeps = -abs(np.arange(8) - place).astype(np.float32)
    context = np.where(np.arange(8) % 2 == 0, sweeps, np.nan)
    data, fold = windows(context, sweeps, np.arange(200)), np.arange(200) % 5
    found = program["out_of_fold"](data, fold, program["fit_kernel"], True)
    assert abs(found - sweeps).mean() < 0.1


def test_what_is_forecast_was_not_fitted_to(program, linear):
    seen = []

    def fit(context, target):
        del target
        seen.append({row.tobytes() for row in context})
        return lambda new: check(new)

    def check(new):
        assert not seen[-1] & {row.tobytes() for row in new}
        return np.zeros((len(new), H, 1))

    program["out_of_fold"](linear, program["folds_of"](linear.groups), fit, False)
    assert len(seen) == program["FOLDS"]
