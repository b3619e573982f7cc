"""Targets of trained models: closed forms and the Wiener bound. Minutes each.

The generators here enter `GENERATORS` and `TASKS` as a user's would, so that the real
training step is what learns.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.config import Config
from wlam.data.generators import GENERATORS
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.nn.embeddings import GranularityConfig
from wlam.tasks import TASKS
from wlam.tasks.mixture import DataSource
from wlam.tasks.task import Task
from wlam.tasks.windows import Sequences
from wlam.training.optimisers import OptimizerConfig
from wlam.training.state import init_state
from wlam.types import TIME

pytestmark = pytest.mark.slow


class Given(Task):
    """A task for a generator whose data are sequences."""

    name = "given"
    container = Sequences

    def sequences(self, data):
        return data


@dataclass(frozen=True)
class Ar1:
    """Complex AR(1) x[t+1] = phi x[t] + w, w of unit variance per real part."""

    phi: float = 0.8
    num_times: int = 64


def ar1(key, config, samples):
    shape = (2, config.num_times, samples)
    w = jax.lax.complex(*jax.random.normal(key, shape))
    first = w[0] / np.sqrt(1 - config.phi**2)

    def step(x, w):
        x = config.phi * x + w
        return x, x

    _, rest = jax.lax.scan(step, first, w[1:])
    x = jnp.concatenate([first[None], rest]).T[:, :, None]
    return Sequences(x, x, jnp.full(samples, 1e-3), TIME)


@dataclass(frozen=True)
class Tones:
    """Up to three complex tones without noise."""

    num_times: int = 80


def tones(key, config, samples):
    gain_key, count_key, phase_key = jax.random.split(key, 3)
    gains = jax.lax.complex(*jax.random.normal(gain_key, (2, samples, 3)))
    count = jax.random.randint(count_key, (samples, 1), 1, 4)
    gains = jnp.where(jnp.arange(3)[None] < count, gains, 0.0)
    frequency = jax.random.uniform(phase_key, (samples, 3), minval=-0.25, maxval=0.25)
    phase = (
        2 * jnp.pi * frequency[:, None] * jnp.arange(config.num_times)[None, :, None]
    )
    x = (gains[:, None] * jax.lax.complex(jnp.cos(phase), jnp.sin(phase))).sum(-1)
    return Sequences(x[..., None], x[..., None], jnp.full(samples, 1e-3), TIME)


@dataclass(frozen=True)
class Jakes:
    """Rayleigh fading of Jakes' spectrum, noisy context, clean target."""

    dopplers: tuple[float, ...] = (0.02, 0.05, 0.1)  # f_D times the interval
    intervals: tuple[float, ...] = (1e-3, 1e-3, 1e-3)  # labels that go with them
    snrs_db: tuple[float, ...] = (10.0, 20.0)
    num_times: int = 96


def jakes(key, config, samples):
    keys = jax.random.split(key, 5)
    which = jax.random.randint(keys[0], (samples,), 0, len(config.dopplers))
    doppler = jnp.array(config.dopplers)[which]
    angle = jax.random.uniform(keys[1], (samples, 64), maxval=2 * jnp.pi)
    gains = jax.lax.complex(*jax.random.normal(keys[2], (2, samples, 64))) / np.sqrt(
        128
    )
    rate = 2 * jnp.pi * doppler[:, None] * jnp.cos(angle)
    phase = rate[:, None] * jnp.arange(config.num_times)[None, :, None]
    wave = jax.lax.complex(jnp.cos(phase), jnp.sin(phase))
    clean = (gains[:, None] * wave).sum(-1)
    snr_db = jax.random.choice(keys[3], jnp.array(config.snrs_db), (samples, 1))
    noise = jax.lax.complex(*jax.random.normal(keys[4], (2, *clean.shape))) / np.sqrt(2)
    noisy = clean + noise * 10 ** (-snr_db / 20)
    interval = jnp.array(config.intervals)[which]
    return Sequences(noisy[..., None], clean[..., None], interval, TIME)


@pytest.fixture(autouse=True)
def own_generators(monkeypatch):
    for kind, generate in ((Ar1, ar1), (Tones, tones), (Jakes, jakes)):
        monkeypatch.setitem(GENERATORS, kind, generate)
    monkeypatch.setitem(TASKS, "given", Given())


def fit(source, steps, rows=128, width=64, layers=2, granularity=None, patch=16):
    """Trains a small model on one generator and returns it ready to predict."""
    backbone = TransformerConfig(width=width, layers=layers, heads=4)
    granularity = granularity or GranularityConfig()
    config = Config(
        run="unused",
        mixture={"all": DataSource("given", source, size=1.0, rows_per_sample=1)},
        evaluation={},
        model=PredictorConfig(backbone, patch=patch, granularity=granularity),
        steps=steps,
        rows=rows,
        steps_per_dispatch=50,
        validate_every=0,
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=100),
    )
    advance = jax.jit(config.learner.build(config).advance, donate_argnums=0)
    state = jax.jit(lambda: init_state(config))()
    for _ in range(steps // 50):
        state, _ = advance(state)
    graph = nnx.graphdef(nnx.eval_shape(lambda: config.model.build(nnx.Rngs(0))))
    return PredictorAPI(nnx.merge(graph, state["params"]))


def draw(source, samples=2000, seed=99):
    make = jax.jit(lambda key: GENERATORS[type(source)](key, source, samples))
    return jax.tree.map(np.asarray, make(jax.random.key(seed)))


def mse(model, data, context, horizon):
    """Mean squared error of each step of the horizon, and the mean target power."""
    past = data.values[:, :context]
    forecast = model.predict(past, data.interval, horizon)
    target = data.clean[:, context : context + horizon]
    error = (abs(forecast - target) ** 2).mean((0, 2))
    return error, (abs(target) ** 2).mean()


def test_ar1_reaches_its_closed_form():
    """h steps ahead: sigma^2 (1 - phi^2h) / (1 - phi^2); complex w has power 2.

    Intervals cover what they promise, in the first patch and beyond it.
    """
    source = Ar1()
    model = fit(source, steps=1000)
    data = draw(source, 6000)
    low, high = model.predict_interval(data.values[:1000, :40], 1e-3, 24)
    target = data.clean[:1000, 40:]
    for part in (np.real, np.imag):
        inside = (part(low) <= part(target)) & (part(target) <= part(high))
        cover = inside.mean((0, 2))
        print("covered by 90 % intervals, by step:", np.round(cover, 3))
        np.testing.assert_allclose(cover, 0.9, atol=0.04)
    error, _ = mse(model, data, 48, 8)
    h = 1 + np.arange(8)
    bound = 2 * (1 - source.phi ** (2 * h)) / (1 - source.phi**2)
    print("AR(1) error over bound:", np.round(error / bound, 3))
    np.testing.assert_allclose(error, bound, rtol=0.05)


def test_three_noiseless_tones_are_continued():
    source = Tones()
    model = fit(source, steps=2000, width=96)
    error, power = mse(model, draw(source), 64, 16)
    print("tones, error over power:", error.mean() / power)
    assert error.mean() < 1e-3 * power


# dB at (f_D * interval, SNR): Wiener of order 16 with known Doppler, h = 1 and h = 4.
WIENER = {
    (0.02, 10): (-14.5, -10.8),
    (0.02, 20): (-22.1, -17.0),
    (0.05, 10): (-11.5, -5.8),
    (0.05, 20): (-18.9, -10.3),
    (0.1, 10): (-8.8, -2.2),
    (0.1, 20): (-15.3, -4.5),
}


def test_jakes_is_within_1_db_of_the_wiener_predictor():
    """One model for all Dopplers and SNRs, which are not inputs."""
    model = fit(Jakes(), steps=3000, width=96, layers=3)
    gaps = {}
    for (doppler, snr), bounds in WIENER.items():
        data = draw(Jakes((doppler,), (1e-3,), (float(snr),)), 3000)
        error, power = mse(model, data, 80, 4)
        for step, bound in zip((0, 3), bounds, strict=True):
            gap = 10 * np.log10(error[step] / power) - bound
            gaps[doppler, snr, step + 1] = round(float(gap), 2)
    print("dB above the Wiener predictor of order 16:", gaps)
    assert max(gaps.values()) < 1.0, gaps


def test_the_interval_as_input_helps_and_interpolates():
    """One Doppler, seven sampling intervals; contexts too short to tell them apart.

    At an interval between those of training, the true one must serve better than not
    knowing, and better than any of the seven but its two neighbours.
    """
    dopplers = (0.01, 0.014, 0.02, 0.028, 0.05, 0.07, 0.1)
    intervals = (1e-4, 1.4e-4, 2e-4, 2.8e-4, 5e-4, 7e-4, 1e-3)  # f_D = 100 Hz
    source = Jakes(dopplers, intervals, (10.0,), num_times=32)
    kinds = [GranularityConfig("continuous"), GranularityConfig("none")]
    told, untold = (
        fit(source, steps=1500, granularity=kind, patch=8) for kind in kinds
    )
    mixed = draw(source, 6000)
    between = draw(Jakes((0.037,), (3.7e-4,), (10.0,), num_times=32), 6000)
    errors = {}
    for name, data in (("mixed", mixed), ("held out", between)):
        with_interval, _ = mse(told, data, 4, 4)
        without, _ = mse(untold, data, 4, 4)
        errors[name] = with_interval.mean(), without.mean()
        ratio = 10 * np.log10(with_interval.mean() / without.mean())
        print(f"{name}: {ratio:.2f} dB by knowing the interval")
    for interval in intervals:
        wrong = replace(between, interval=np.full_like(between.interval, interval))
        misled = mse(told, wrong, 4, 4)[0].mean()
        ratio = 10 * np.log10(errors["held out"][0] / misled)
        print(f"held out, told {interval:g} s: {ratio:.2f} dB by the truth")
        is_neighbour = interval in (2.8e-4, 5e-4)
        assert is_neighbour or errors["held out"][0] < misled
    for told_error, untold_error in errors.values():
        assert told_error < untold_error
