"""Path tables of DeepMIMO v2 and v3 (arXiv 1902.06435) as CSI of any array.

A file such as BS1_UE_0-1024.mat holds channels{u}.p, a table with a column per path and
the rows: phase in degrees, delay in s, power in dBm, azimuth and zenith of arrival,
azimuth and zenith of departure in degrees, line-of-sight flag. Users out of reach have
empty tables. Positions are in rx_locs or loc [user, 3 or more], or in channels{u}.loc.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex64, Float, Int

from wlam.data.files import StrPath
from wlam.data.readers.common import (
    MAX_BYTES,
    Radio,
    check_finite,
    check_positive,
    check_size,
    error,
    given,
    single,
    tensor,
)
from wlam.data.readers.matlab5 import EMPTY, load
from wlam.phy import arrays
from wlam.types import Csi

ROWS = 8
LOCATIONS = ("rx_locs", "loc")
BLOCK = 2**12  # paths; one size, so that the response is compiled once


def read(
    path: StrPath,
    radio: Radio,
    *,
    num_subcarriers: int,
    name: str = "channels",
    tx_power_dbm: float = 0.0,
    max_bytes: int = MAX_BYTES,
) -> tuple[Csi, list[str]]:
    """Sum the paths of every user over the transmitter's array.

    csi[k] = sum_p sqrt(g_p) exp(j phase_p) exp(-j 2 pi f_k tau_p) a(departure_p) with
    g_p = 10^((power - tx_power_dbm) / 10), f_k = (k - num_subcarriers // 2) * spacing
    and a of `wlam.phy.arrays.response`. The receiver has one isotropic antenna, and
    there is one snapshot.

    Args:
        path: A MATLAB v5 file.
        radio: Metadata that the file lacks; antenna_positions sets the array and must
            be given.
        num_subcarriers: K.
        name: The variable with the tables, e.g. channels_VV of dual-polarised sets.
        tx_power_dbm: Transmit power of the ray tracer.
        max_bytes: The most memory of the file, unpacked, and of the result.

    Returns:
        The tensor of the users with paths, labels["user"] their numbers in the file,
        labels["los"] 1 for those in line of sight and, where the file has them,
        labels["x_m"], ["y_m"] and ["z_m"]; and notes: the number of omitted users, and
        assumptions.

    Raises:
        DataError: One line with field, what was found, what is needed.
    """
    check_positive(path, "num_subcarriers", num_subcarriers)
    if radio.antenna_positions is None:
        raise error(path, "antenna_positions", "is None, must be given: [antenna, 3]")
    shape = (*np.shape(radio.antenna_positions)[:1], 3)
    positions = given(
        path, "antenna_positions", radio.antenna_positions, np.float32, shape
    )
    variables = load(path, (name, *LOCATIONS), max_bytes)
    if name not in variables:
        raise error(path, name, "is missing, must be cells with p")
    records = _records(path, name, variables[name])
    tables = [_table(path, f"{name}{{{u}}}.p", r) for u, r in enumerate(records, 1)]
    counts = np.array([table.shape[1] for table in tables])
    users = np.flatnonzero(counts)
    if not len(users):
        problem = f"none of {len(tables)} users has a path, must have at least one"
        raise error(path, name, problem)
    labels = {"user": users.astype(np.int32)}
    labels |= _locations(path, variables, records, users)

    shape = (len(users), 1, num_subcarriers, len(positions))
    check_size(path, "csi", shape, 8, max_bytes)
    paths = np.concatenate([tables[user] for user in users], axis=1)
    offsets = np.cumsum(counts[users])[:-1]
    line_of_sight = np.split(paths[7] == 1, offsets)
    labels["los"] = np.array([flags.any() for flags in line_of_sight], np.int32)
    frequencies = np.arange(num_subcarriers) - num_subcarriers // 2
    csi = np.empty(shape, np.complex64)
    responses = np.split(_responses(positions, paths), offsets)
    for index, (user, response) in enumerate(zip(users, responses, strict=True)):
        values = _csi(
            tables[user],
            response,
            frequencies * radio.subcarrier_spacing_hz,
            tx_power_dbm,
        )
        csi[index, 0] = single(path, f"csi of {name}{{{user + 1}}}", values)
    data, notes = tensor(path, csi, radio, labels)
    if len(users) < len(tables):
        left_out = f"{len(tables) - len(users)} of {len(tables)} users"
        notes.append(f"{name}: {left_out} have no paths and are left out")
    return data, notes


def _csi(table, response, frequencies, tx_power_dbm):
    """The sum over one user's paths, [subcarrier, antenna], in double precision."""
    phase, delay, power = table[:3]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        gain = 10.0 ** ((power - tx_power_dbm) / 20) * np.exp(1j * np.deg2rad(phase))
        ramp = np.exp(-2j * np.pi * np.outer(frequencies, delay))
        return (ramp * gain) @ response


@jax.jit
def _response(
    positions: Float[jax.Array, "antenna 3"], angles: Float[jax.Array, "2 path"]
) -> Complex64[jax.Array, "path antenna"]:
    azimuth, zenith = jnp.deg2rad(angles)
    return arrays.response(positions, azimuth, zenith)


def _responses(
    positions: Float[np.ndarray, "antenna 3"], paths: Float[np.ndarray, "8 path"]
) -> Complex64[np.ndarray, "path antenna"]:
    """The array's response to every departure, block by block."""
    angles, found = paths[5:7].astype(np.float32), []
    for start in range(0, angles.shape[1], BLOCK):
        block = angles[:, start : start + BLOCK]
        padded = np.zeros((2, BLOCK), np.float32)
        padded[:, : block.shape[1]] = block
        response = _response(jnp.asarray(positions), jnp.asarray(padded))
        found.append(np.asarray(response)[: block.shape[1]])
    return np.concatenate(found)


def _records(path, name, variable):
    """A dict per user, from cells or a structure array."""
    if not isinstance(variable, list):
        raise error(path, name, "is not made of cells or structures, must have p")
    records: list[dict[str, Any]] = []
    for user, cell in enumerate(variable, 1):
        record = cell[0] if isinstance(cell, list) and len(cell) == 1 else cell
        if isinstance(record, np.ndarray | list) and len(record) == 0:
            record = {"p": EMPTY}
        if not isinstance(record, dict) or "p" not in record:
            field = f"{name}{{{user}}}"
            raise error(path, field, "is no structure with a field p, must be one")
        records.append(record)
    return records


def _table(path, field, record) -> Float[np.ndarray, "8 path"]:
    """The used rows; no columns where there are no paths."""
    table = _numbers(path, field, record["p"])
    if table.size == 0:
        return np.empty((ROWS, 0))
    if table.ndim != 2 or len(table) < ROWS or table.dtype.kind == "c":
        problem = f"is {table.dtype} {list(table.shape)}, must be numbers [8, path]"
        raise error(path, field, problem)
    rows = table[:ROWS].astype(np.float64)
    check_finite(path, field, rows)
    if (rows[1] < 0).any():
        raise error(
            path, field, f"has a delay of {rows[1].min()} s, must not be negative"
        )
    angle = np.abs(rows[3:7]).max()
    if angle > 360:
        raise error(path, field, f"has an angle of {angle} degrees, must be within 360")
    return rows


def _numbers(path, field, value) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise error(path, field, f"is {type(value).__name__}, must be numbers")
    return value


def _locations(
    path: StrPath,
    variables: dict[str, Any],
    records: list[Any],
    users: Int[np.ndarray, "sample"],
) -> dict[str, np.ndarray]:
    """Positions of the kept users, in m, where the file has them."""
    known = [key for key in LOCATIONS if key in variables]
    if known:
        field, needed = known[0], f"real [{len(records)}, 3 or more]"
        positions = _numbers(path, field, variables[field])
        if (
            positions.ndim != 2
            or len(positions) != len(records)
            or positions.shape[1] < 3
        ):
            raise error(
                path, field, f"has shape {list(positions.shape)}, must be {needed}"
            )
        positions = positions[users]
    elif all("loc" in records[user] for user in users):
        field, needed = "loc", "3 or more real numbers for each user with paths"
        rows = [_numbers(path, field, records[user]["loc"]).ravel() for user in users]
        if min(map(len, rows)) < 3:
            raise error(path, field, f"has {min(map(len, rows))}, must be {needed}")
        positions = np.stack([row[:3] for row in rows])
    else:
        return {}
    if positions.dtype.kind == "c":
        raise error(path, field, f"is {positions.dtype}, must be {needed}")
    check_finite(path, field, positions)
    with np.errstate(over="ignore"):
        positions = positions[:, :3].astype(np.float32)
    check_finite(path, field, positions)
    return dict(zip(("x_m", "y_m", "z_m"), positions.T, strict=True))
