"""Pilots on an OFDM resource grid, and least-squares observations through them.

A pattern has the symbols of every port and resource element; it is made in numpy.
Ports of one code division multiplexing (CDM) group send on the same resource elements
and are separated by their signs over pairs of subcarriers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import (
    Array,
    Bool,
    Complex64,
    Float,
    Float32,
    Int,
    Num,
    PRNGKeyArray,
    UInt8,
)

from wlam.phy.noise import awgn

SUBCARRIERS_PER_BLOCK = 12
FIRST_PORT = 1000  # the number of the first DM-RS port of the PDSCH
GOLD_OFFSET = 1600  # N_C of TS 38.211 clause 5.2.1
GOLD_DEGREE = 31

# TS 38.211 table 7.4.1.1.2-3 for 14 symbols, mapping type A and l_1 = 11: the symbols
# of single-symbol DM-RS after the first, by dmrs-AdditionalPosition.
ADDITIONAL_SYMBOLS = ((), (11,), (7, 11), (5, 8, 11))

# Tables 7.4.1.1.2-1 and -2, by configuration type: CDM groups, and subcarriers from one
# pair to the next, from k' = 0 to 1, and from Delta of a group to that of the next.
_DMRS_TYPES = {1: (2, 4, 2, 1), 2: (3, 6, 1, 2)}


@dataclass(frozen=True, eq=False)
class PilotPattern:
    """What every port sends as pilots in one slot.

    Each port has the same number of pilots, on the same subcarriers in each of its
    symbols; all ports use the same symbols. Nothing else is sent.

    Raises:
        ValueError: The fields contradict each other or the above.
    """

    num_symbols: int  # OFDM symbols of the grid
    num_subcarriers: int  # subcarriers of the grid
    mask: Bool[np.ndarray, "port symbol subcarrier"]  # where a port sends
    values: Complex64[np.ndarray, "port symbol subcarrier"]  # unit power or zero
    spread: int = 1  # successive pilots that are averaged to separate the ports

    def __post_init__(self):
        grid = (self.num_symbols, self.num_subcarriers)
        _need("mask", self.mask.shape[1:], self.mask.shape[1:] == grid, f"{grid}")
        symbols = np.asarray(self.mask.any(axis=(0, 2)))[None, :, None]
        subcarriers = np.asarray(self.mask.any(axis=1))[:, None]
        _need(
            "mask",
            "symbols of several kinds",
            np.array_equal(symbols & subcarriers, self.mask),
            "for a port the same subcarriers, in the symbols of all ports",
        )
        counts = np.unique(subcarriers.sum(axis=2)).tolist()
        _need(
            "mask",
            f"{counts} pilots in a symbol",
            len(counts) == 1 and counts[0] > 0,
            "as many for each port, above 0",
        )
        _need(
            "spread",
            self.spread,
            self.spread > 0 and counts[0] % self.spread == 0,
            f"a divisor of {counts[0]} pilots",
        )
        power = np.abs(self.values) ** 2
        _need(
            "values",
            f"power {power.min():.3g} to {power.max():.3g}",
            np.allclose(power, self.mask, atol=1e-5),
            "1 where the mask is true and 0 elsewhere",
        )

    @property
    def symbols(self) -> Int[np.ndarray, "pilot_symbol"]:
        """The symbols that hold pilots."""
        return np.flatnonzero(self.mask.any(axis=(0, 2)))

    @property
    def subcarriers(self) -> Int[np.ndarray, "port pilot"]:
        """The subcarriers of each port's pilots, in rising order."""
        _, at = np.nonzero(self.mask.any(axis=1))
        return at.reshape(len(self.mask), -1)

    @property
    def positions(self) -> Float[np.ndarray, "port estimate"]:
        """Mean subcarrier of the pilots behind each least-squares estimate."""
        return self._groups().mean(-1)

    def sensing(self) -> Float32[np.ndarray, "port estimate subcarrier"]:
        """What the estimates average: the mean over `spread` subcarriers.

        An estimate is this matrix times the channel of its port, plus noise, where
        ports of the same CDM group have channels that are equal over each pair.
        """
        at = self._groups()[..., None] == np.arange(self.num_subcarriers)
        return at.mean(-2, dtype=np.float32)

    def _groups(self) -> np.ndarray:
        return self.subcarriers.reshape(len(self.mask), -1, self.spread)


class Observation(NamedTuple):
    """Least-squares estimates of a channel at the pilots, and their noise."""

    channel: Complex64[Array, "n port pilot_symbol estimate antenna"]
    noise_variance: Float32[Array, "n"]  # of each estimate, white


def gold(c_init: int, length: int) -> UInt8[np.ndarray, "length"]:
    """Return the first bits c(n) of a Gold sequence, TS 38.211 clause 5.2.1.

    Raises:
        ValueError: `c_init` does not fit into 31 bits.
    """
    _need("c_init", c_init, 0 <= c_init < 2**GOLD_DEGREE, "0 to 2**31 - 1")
    first, second = np.zeros((2, GOLD_DEGREE + GOLD_OFFSET + length), np.uint8)
    first[0] = 1
    second[:GOLD_DEGREE] = (c_init >> np.arange(GOLD_DEGREE)) & 1
    # The nearest tap is 28 back: that many new bits depend on old ones alone.
    for start in range(0, GOLD_OFFSET + length, 28):
        old = slice(start, min(start + 28, GOLD_OFFSET + length))
        new = slice(old.start + GOLD_DEGREE, old.stop + GOLD_DEGREE)
        taps = [slice(old.start + lag, old.stop + lag) for lag in range(4)]
        first[new] = first[taps[3]] ^ first[taps[0]]
        second[new] = np.bitwise_xor.reduce([second[tap] for tap in taps])
    return (first ^ second)[GOLD_OFFSET:][:length]


def qpsk(c_init: int, length: int) -> Complex64[np.ndarray, "length"]:
    """Return the DM-RS sequence r(n), unit power, TS 38.211 clause 7.4.1.1.1.

    Raises:
        ValueError: `c_init` does not fit into 31 bits.
    """
    signs = (1 - 2.0 * gold(c_init, 2 * length)) / np.sqrt(2)
    return (signs[0::2] + 1j * signs[1::2]).astype(np.complex64)


def dmrs_c_init(slot: int, symbol: int, n_id: int, n_scid: int = 0) -> int:
    """Return c_init of a DM-RS symbol, TS 38.211 clause 7.4.1.1.1, for 14 symbols.

    The form without low-PAPR sequences, in which the scrambling identity `n_id`
    (0 to 65535) is that of `n_scid` (0 or 1). Nothing is raised.
    """
    count = 14 * slot + symbol + 1
    return (2**17 * count * (2 * n_id + 1) + 2 * n_id + n_scid) % 2**31


def comb(
    num_symbols: int,
    num_subcarriers: int,
    spacing: int,
    offset: int = 0,
    symbols: Sequence[int] = (0,),
    num_ports: int = 1,
    c_init: int | Sequence[int] = 0,
) -> PilotPattern:
    """Return pilots on every `spacing`-th subcarrier, from `offset` on.

    Port p is shifted by p subcarriers, so that ports never meet. The values are QPSK.

    Args:
        num_symbols: Of the grid.
        num_subcarriers: Of the grid.
        spacing: Subcarriers from one pilot of a port to its next.
        offset: The first subcarrier of port 0.
        symbols: Which hold pilots.
        num_ports: At most `spacing`.
        c_init: Of the Gold sequence, one for all pilot symbols or one for each.

    Raises:
        ValueError: A number is out of range, or ports have unequal numbers of pilots.
    """
    _need("spacing", spacing, spacing >= 1, "at least 1")
    _need("num_ports", num_ports, 1 <= num_ports <= spacing, f"1 to {spacing}")
    _need("offset", offset, 0 <= offset < spacing, f"0 to {spacing - 1}")
    sequences = _sequences(symbols, num_symbols, num_subcarriers, c_init)
    values = np.zeros((num_ports, num_symbols, num_subcarriers), np.complex64)
    for port in range(num_ports):
        at = np.arange(offset + port, num_subcarriers, spacing)
        for symbol, sequence in sequences.items():
            values[port, symbol, at] = sequence[: len(at)]
    return PilotPattern(num_symbols, num_subcarriers, values != 0, values)


def dmrs(
    num_subcarriers: int,
    configuration: int = 1,
    ports: Sequence[int] = (FIRST_PORT,),
    first_symbol: int = 2,
    additional: Sequence[int] = (),
    num_symbols: int = 14,
    c_init: int | Sequence[int] = 0,
) -> PilotPattern:
    """Return single-symbol DM-RS of the PDSCH, TS 38.211 clause 7.4.1.1.2.

    Type 1 puts them on subcarriers k = 4 n + 2 k' + Delta, type 2 on 6 n + k' + Delta,
    with the value w_f(k') r(2 n + k'), k' = 0 or 1; tables 7.4.1.1.2-1 and -2. The grid
    starts at the reference point of the sequence. Power is not boosted (beta = 1).

    Args:
        num_subcarriers: Whole resource blocks of 12.
        configuration: Type 1 (four ports) or 2 (six).
        ports: Numbers from 1000 on. Where both of a CDM group are there, estimates are
            despread over pairs of subcarriers.
        first_symbol: l_0, the front-loaded symbol: 2 or 3 in mapping type A.
        additional: Further symbols; `ADDITIONAL_SYMBOLS` holds the standard's.
        num_symbols: Of the slot.
        c_init: Of the Gold sequence, one for all pilot symbols or, as in the standard,
            one for each: `dmrs_c_init`.

    Raises:
        ValueError: A number is out of range, or a port is repeated.
    """
    _need("configuration", configuration, configuration in _DMRS_TYPES, "1 or 2")
    blocks, rest = divmod(num_subcarriers, SUBCARRIERS_PER_BLOCK)
    _need("num_subcarriers", num_subcarriers, blocks and not rest, "a multiple of 12")
    num_groups, period, step, shift = _DMRS_TYPES[configuration]
    known = range(FIRST_PORT, FIRST_PORT + 2 * num_groups)
    _need(
        "ports",
        tuple(ports),
        len(ports) > 0 and len(set(ports)) == len(ports) and set(ports) <= set(known),
        f"different ones of {known.start} to {known.stop - 1}",
    )
    sequences = _sequences(
        (first_symbol, *additional), num_symbols, 2 * num_subcarriers // period, c_init
    )
    values = np.zeros((len(ports), num_symbols, num_subcarriers), np.complex64)
    for index, port in enumerate(ports):
        group, alternates = divmod(port - FIRST_PORT, 2)
        first = np.arange(group * shift, num_subcarriers, period)
        at = np.stack([first, first + step], axis=1).ravel()
        w_f = np.tile([1, -1 if alternates else 1], len(first))
        for symbol, sequence in sequences.items():
            values[index, symbol, at] = w_f * sequence
    groups = [(port - FIRST_PORT) // 2 for port in ports]
    spread = 2 if len(set(groups)) < len(groups) else 1
    return PilotPattern(num_symbols, num_subcarriers, values != 0, values, spread)


@partial(jax.jit, static_argnames="pattern")
def observe(
    key: PRNGKeyArray,
    channel: Complex64[Array, "n port symbol subcarrier antenna"],
    pattern: PilotPattern,
    snr_db: Num[ArrayLike, "..."],
) -> Observation:
    """Return the least-squares estimates of a channel at its pilots.

    All ports send at once; white noise is added to every resource element that holds
    pilots and every receive antenna. What is received is divided by each port's pilots
    and averaged over `pattern.spread` of them, which separates the ports of a CDM group
    exactly where their channels are equal over the average; elsewhere they leak.
    Y = X H + N and X^H Y: van de Beek et al., "On channel estimation in OFDM systems",
    VTC 1995.

    Args:
        key: Randomness of the noise.
        channel: Of every port, over the whole grid.
        pattern: With the ports and the grid of the channel. Static under jit: make it
            once, since each new one compiles.
        snr_db: Mean power received in a sample from all ports together, over its
            resource elements with pilots and its antennas, to the variance of the
            noise in each. A scalar, or one for each sample.

    Raises:
        ValueError: The channel or the ratio does not fit.
    """
    num, grid = len(channel), channel.shape[1:4]
    _need("channel", grid, grid == pattern.mask.shape, f"{pattern.mask.shape}")
    snr_db = jnp.asarray(snr_db, jnp.float32)
    _need("snr_db", snr_db.shape, snr_db.shape in ((), (num,)), f"() or ({num},)")
    snr_db = jnp.broadcast_to(snr_db, (num,))

    symbol, subcarrier = np.nonzero(pattern.mask.any(axis=0))
    sent = jnp.asarray(pattern.values[:, symbol, subcarrier])
    received = (channel[:, :, symbol, subcarrier] * sent[None, :, :, None]).sum(1)
    power = jnp.mean(jnp.abs(received) ** 2, axis=(1, 2))
    received = awgn(key, received, snr_db[:, None, None], axes=(1, 2))

    # Where the pilots of each port are among all elements that hold some.
    element = np.zeros(pattern.mask.shape[1:], int)
    element[symbol, subcarrier] = np.arange(len(symbol))
    at = pattern.symbols[None, :, None], pattern.subcarriers[:, None, :]
    port = np.arange(len(pattern.mask))[:, None, None]
    known = jnp.asarray(pattern.values[port, *at].conj())
    each = received[:, element[at]] * known[None, ..., None]
    pairs = each.reshape(*each.shape[:3], -1, pattern.spread, each.shape[-1])
    variance = power * 10.0 ** (-snr_db / 10.0) / pattern.spread
    return Observation(pairs.mean(4), variance)


def _sequences(symbols, num_symbols, length, c_init):
    """One QPSK sequence for each pilot symbol."""
    _need(
        "symbols",
        tuple(symbols),
        len(set(symbols)) == len(symbols) > 0
        and all(0 <= symbol < num_symbols for symbol in symbols),
        f"different ones of 0 to {num_symbols - 1}",
    )
    seeds = [c_init] * len(symbols) if isinstance(c_init, int) else c_init
    _need("c_init", f"{len(seeds)}", len(seeds) == len(symbols), f"{len(symbols)}")
    return {
        symbol: qpsk(seed, length) for symbol, seed in zip(symbols, seeds, strict=True)
    }


def _need(field, found, holds, needed):
    if not holds:
        raise ValueError(f"{field}: found {found}, needed {needed}")
