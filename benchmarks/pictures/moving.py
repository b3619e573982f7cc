"""Pictures of users who move: Doppler spectra, and a walk past the base station."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy.special import j0

from benchmarks.pictures.style import BLACK, BLUE, ORANGE, STATES, WIDTH, db
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.channels import tdl
from wlam.phy.channels.tr38901 import drops
from wlam.phy.channels.tr38901.config import LAYOUT, DropConfig, PanelConfig


def doppler() -> Figure:
    """Spectrum and correlation over time against those of Jakes."""
    number, times, shift_hz, carrier_hz = 3000, 256, 100.0, 3.5e9
    step = 0.25  # between two snapshots, times the largest Doppler shift
    speed = 3.6 * shift_hz * SPEED_OF_LIGHT / carrier_hz
    grid = {
        "carriers_hz": (carrier_hz,),
        "time_steps_s": (step / shift_hz,),
        "speeds_kmh": (speed, speed),
        "num_times": times,
        "num_subcarriers": 1,
    }
    line = tdl.TdlConfig(profiles=("A",), array=(1, 1), **grid)
    street = DropConfig("UMi", state="nlos", base=PanelConfig(), **grid)
    lags = np.arange(17)
    keys = jax.random.split(jax.random.key(5), number)
    rays = jax.jit(jax.vmap(lambda key: drops.draw_drop(key, street).rays))(keys)
    # Users go anywhere: of waves from one zenith angle the correlation is J0, slowed.
    slower = np.sin(rays.arrival_zenith)
    weight = np.broadcast_to(rays.power[..., None], slower.shape)
    share, edges = np.histogram(slower, 200, (0, 1), weights=weight / weight.sum())
    middle = (edges[1:] + edges[:-1]) / 2

    def oblique(t):
        return j0(2 * np.pi * np.multiply.outer(t, middle)) @ share

    cases = {
        "TDL-A": (tdl.generate, line, BLUE, lambda t: j0(2 * np.pi * t)),
        "UMi NLOS": (drops.generate, street, ORANGE, oblique),
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    window = np.hanning(times)
    frequency = np.fft.fftshift(np.fft.fftfreq(times, step))
    inside = abs(frequency) < 0.5
    t = np.linspace(0, 4, 401)
    for name, (generate, config, colour, theory) in cases.items():
        draw = jax.jit(lambda key, g=generate, c=config: g(key, c, number).clean)
        series = np.asarray(draw(jax.random.key(2)))[:, :, 0, 0]
        power = np.mean(abs(series) ** 2)
        spectrum = np.mean(abs(np.fft.fft(series * window)) ** 2, 0)
        spectrum = np.fft.fftshift(spectrum) * step / (power * (window**2).sum())
        left.plot(frequency, db(spectrum), color=colour, label=name)
        correlation = np.array(
            [np.mean(series[:, k:] * series[:, : times - k].conj()) for k in lags]
        )
        correlation /= power
        right.plot(step * lags, correlation.real, "o", color=colour, ms=4, label=name)
        dashes = "J0" if name == "TDL-A" else "J0 over the rays' zenith"
        right.plot(t, theory(t), "--", color=colour, lw=1, label=dashes)
        jakes = 1 / (np.pi * np.sqrt(1 - frequency[inside] ** 2))
        off = abs(correlation - theory(step * lags)).max()
        print(
            f"doppler, {name}: spectrum below half the largest shift "
            f"{np.mean(spectrum[inside] / jakes):.3f} of Jakes', power beyond 1.05 "
            f"{spectrum[abs(frequency) > 1.05].sum() / spectrum.sum():.1e}, "
            f"correlation off the dashes by {off:.3f}"
        )
    f = np.linspace(-0.9995, 0.9995, 2001)
    jakes_db = -db(np.pi * np.sqrt(1 - f**2))
    left.plot(f, jakes_db, "--", color=BLACK, lw=1, label="Jakes' form")
    left.set(
        title=f"Doppler spectrum, mean of {number} channels",
        xlabel="frequency over the largest Doppler shift",
        ylabel="density in dB",
        xlim=(-1.4, 1.4),
        ylim=(-30, 10),
    )
    right.set(
        title="Correlation over time",
        xlabel="time lag times the largest Doppler shift",
        ylabel="correlation",
    )
    left.legend(loc="lower center", fontsize=8)
    right.legend(fontsize=8)
    return figure


def track() -> Figure:
    """What a base station sees of a user who walks past, along its array."""
    times, speed, nearest_m, antennas = 150, 1.5, 20.0, 32
    subcarriers, spacing_hz = 256, 0.75e6
    reach_m = nearest_m * np.sqrt(3)  # at 60 degrees
    step_s = 2 * reach_m / speed / (times - 1)
    seconds = step_s * np.arange(times)
    y = speed * seconds - reach_m
    rise = LAYOUT["UMi"][0] - 1.5
    length = np.sqrt(nearest_m**2 + y**2 + rise**2)
    delay_ns = 1e9 * np.arange(subcarriers) / (subcarriers * spacing_hz)
    near = delay_ns < 600
    sine = np.fft.fftshift(2 * np.fft.fftfreq(antennas))
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 6.0), sharex=True)
    for row, state in zip(axes, STATES, strict=True):
        name = state.upper()
        config = DropConfig(
            "UMi",
            state=state,
            carriers_hz=(28e9,),
            time_steps_s=(step_s,),
            num_times=times,
            num_subcarriers=subcarriers,
            subcarrier_spacings_hz=(spacing_hz,),
            base=PanelConfig(1, antennas, element="38.901"),
            azimuths_deg=(-60.0, -60.0),
            distances_m=(2 * nearest_m, 2 * nearest_m),
            absolute_delays=True,
            mobility="consistent",
        )

        def walk(key, config=config):
            first, second = jax.random.split(key)
            drop = drops.draw_drop(first, config)
            velocity = {"velocity_mps": jnp.array([0.0, speed, 0.0])}
            drop = replace(drop, labels=drop.labels | velocity)
            return drops.respond(second, drop, config)

        response = np.asarray(jax.jit(walk)(jax.random.key(4)))  # [time, f, antenna]
        window = np.hanning(subcarriers)[None, :, None]
        profile = np.mean(abs(np.fft.ifft(response * window, axis=1)) ** 2, -1)
        beams = np.fft.fftshift(abs(np.fft.fft(response)) ** 2, -1).mean(1)
        pictures = (
            (row[0], delay_ns[near], profile[:, near], 1e9 * length / SPEED_OF_LIGHT),
            (row[1], sine, beams, y / length),
        )
        for axis, place, power, line in pictures:
            axis.pcolormesh(
                seconds,
                place,
                db(power / power.max()).T,
                vmin=-30,
                vmax=0,
                cmap="magma_r",
                shading="nearest",
            )
            axis.plot(seconds, line, "--", color="deepskyblue", label="straight line")
            axis.grid(False)
        figure.colorbar(
            row[1].collections[0], ax=row, label="dB from the strongest", aspect=15
        )
        row[0].set(title=f"UMi {name}: power over delay", ylabel="delay in ns")
        row[1].set(
            title=f"UMi {name}: power of {antennas} DFT beams",
            ylabel="sine of the beam's direction",
        )
        off = abs(sine[beams.argmax(1)] - y / length) * antennas / 2
        print(
            f"track, {name}: strongest beam less than one beam off the straight line "
            f"in {100 * np.mean(off < 1):.0f} % of {times} sweeps, "
            f"{off.mean():.1f} beams off in the mean"
        )
    axes[0, 0].legend(loc="upper right")
    for axis in axes[1]:
        axis.set_xlabel("time in s")
    return figure
