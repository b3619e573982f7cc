"""Pilots against the tables of the standard, and observations through them."""

from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

from wlam.phy.ofdm import pilots

# TS 38.211 tables 7.4.1.1.2-1 and -2: port -> CDM group, Delta, w_f.
TABLES = {
    1: {
        1000: (0, 0, (1, 1)),
        1001: (0, 0, (1, -1)),
        1002: (1, 1, (1, 1)),
        1003: (1, 1, (1, -1)),
    },
    2: {
        1000: (0, 0, (1, 1)),
        1001: (0, 0, (1, -1)),
        1002: (1, 2, (1, 1)),
        1003: (1, 2, (1, -1)),
        1004: (2, 4, (1, 1)),
        1005: (2, 4, (1, -1)),
    },
}
K, SYMBOLS, ANTENNAS, SAMPLES = 24, 4, 3, 1000
NOISELESS_DB = np.full(SAMPLES, 200.0)
COMB = pilots.comb(SYMBOLS, K, 3, offset=1, symbols=(1, 3), num_ports=2)


def naive_gold(c_init, length):
    """The recursions of clause 5.2.1, bit by bit."""
    x1 = [1] + [0] * 30
    x2 = [c_init >> i & 1 for i in range(31)]
    for n in range(1600 + length):
        x1.append((x1[n + 3] + x1[n]) % 2)
        x2.append((x2[n + 3] + x2[n + 2] + x2[n + 1] + x2[n]) % 2)
    return [(x1[n + 1600] + x2[n + 1600]) % 2 for n in range(length)]


@cache  # each new pattern compiles
def all_ports(configuration, c_init=0):
    return pilots.dmrs(
        K,
        configuration,
        tuple(TABLES[configuration]),
        first_symbol=1,
        additional=(3,),
        num_symbols=SYMBOLS,
        c_init=c_init,
    )


def channels(pattern):
    shape = (SAMPLES, *pattern.mask.shape, ANTENNAS, 2)
    parts = np.random.default_rng(0).normal(size=shape)
    return (parts @ [1, 1j] / np.sqrt(2)).astype(np.complex64)


@pytest.mark.parametrize("c_init", [0, 1, 8388628, 2**31 - 1])
@pytest.mark.parametrize("length", [0, 1, 28, 100])
def test_gold_sequence(c_init, length):
    assert pilots.gold(c_init, length).tolist() == naive_gold(c_init, length)


def test_gold_sequence_goes_on_from_the_known_state_of_the_first_register():
    """x1(1569) to x1(1599), a constant that receivers start from."""
    state = 0x54D21B24 >> np.arange(31) & 1
    np.testing.assert_array_equal(pilots.gold(0, 28), state[3:] ^ state[:-3])


def test_qpsk_takes_its_two_bits_in_turn():
    bits = np.array(naive_gold(77, 12), float)
    expected = ((1 - 2 * bits[::2]) + 1j * (1 - 2 * bits[1::2])) / np.sqrt(2)
    np.testing.assert_allclose(pilots.qpsk(77, 6), expected, atol=1e-7)


def test_dmrs_c_init():
    assert pilots.dmrs_c_init(slot=0, symbol=2, n_id=0) == 3 * 2**17
    assert pilots.dmrs_c_init(slot=1, symbol=0, n_id=3, n_scid=1) == (
        2**17 * 15 * 7 + 2 * 3 + 1
    )
    assert 0 <= pilots.dmrs_c_init(slot=159, symbol=13, n_id=65535, n_scid=1) < 2**31


@pytest.mark.parametrize("configuration", [1, 2])
def test_dmrs_is_that_of_the_standard(configuration):
    seeds = tuple(pilots.dmrs_c_init(5, symbol, 40) for symbol in (1, 3))
    pattern = all_ports(configuration, c_init=seeds)
    expected = np.zeros((len(TABLES[configuration]), SYMBOLS, K), complex)
    for symbol, seed in zip((1, 3), seeds, strict=True):
        r = pilots.qpsk(seed, K)
        for p, (_, delta, w_f) in enumerate(TABLES[configuration].values()):
            for n in range(K):
                for k_prime in (0, 1):
                    k = {1: 4 * n + 2 * k_prime, 2: 6 * n + k_prime}[configuration]
                    if k + delta < K:
                        value = w_f[k_prime] * r[2 * n + k_prime]
                        expected[p, symbol, k + delta] = value
    np.testing.assert_allclose(pattern.values, expected, atol=1e-6)
    np.testing.assert_array_equal(pattern.mask, expected != 0)
    np.testing.assert_array_equal(pattern.symbols, [1, 3])
    assert pattern.subcarriers.shape[1] == K // 12 * {1: 6, 2: 4}[configuration]
    assert pattern.spread == 2


@pytest.mark.parametrize("configuration", [1, 2])
@pytest.mark.parametrize("number", range(4))
def test_dmrs_is_that_of_an_independent_implementation(configuration, number):
    """Signs, symbols and sequences of Sionna; made by benchmarks/remake_oracle.py."""
    with np.load(Path(__file__).parent / "dmrs.npz") as file:
        signs = file[f"type{configuration}_{number}"]
    symbols = (2, *pilots.ADDITIONAL_SYMBOLS[number])
    ours = pilots.dmrs(
        signs.shape[2],
        configuration,
        ports=range(1000, 1004),
        additional=symbols[1:],
        c_init=[pilots.dmrs_c_init(3, symbol, 7) for symbol in symbols],
    )
    expected = (signs[..., 0] + 1j * signs[..., 1]) / np.sqrt(2)
    np.testing.assert_allclose(ours.values, expected, atol=1e-6)


@pytest.mark.parametrize("configuration", [1, 2])
def test_dmrs_ports_are_orthogonal_over_every_pair(configuration):
    values = all_ports(configuration).values[:, 1]
    groups = [group for group, _, _ in TABLES[configuration].values()]
    for p, one in enumerate(values):
        for q, other in enumerate(values):
            product = one.conj() * other
            if groups[p] == groups[q]:
                pairs = product[one != 0].reshape(-1, 2).sum(1)
                np.testing.assert_allclose(pairs, 2.0 * (p == q), atol=1e-6)
            else:
                assert not product.any()


@pytest.mark.parametrize("number", range(4))
def test_additional_symbols_of_a_slot(number):
    pattern = pilots.dmrs(12, additional=pilots.ADDITIONAL_SYMBOLS[number])
    expected = [[2], [2, 11], [2, 7, 11], [2, 5, 8, 11]][number]
    np.testing.assert_array_equal(pattern.symbols, expected)


def test_ports_of_different_groups_are_not_despread():
    pattern = pilots.dmrs(12, 1, (1001, 1002))
    assert pattern.spread == 1
    np.testing.assert_array_equal(pattern.positions[0], np.arange(0, 12, 2))
    np.testing.assert_array_equal(pattern.positions[1], np.arange(1, 12, 2))
    np.testing.assert_array_equal(
        pilots.dmrs(12, 2, (1002, 1003)).positions, [[2.5, 8.5]] * 2
    )


def test_comb():
    pattern = pilots.comb(SYMBOLS, 12, 4, offset=1, symbols=(0, 2), num_ports=3)
    for port in range(3):
        expected = np.zeros((SYMBOLS, 12), bool)
        expected[[0, 2], 1 + port :: 4] = True
        np.testing.assert_array_equal(pattern.mask[port], expected)
    assert pattern.mask.sum(0).max() == 1
    np.testing.assert_allclose(np.abs(pattern.values), pattern.mask, atol=1e-6)
    # Fewer pilots than there is room for, the last on the edge.
    np.testing.assert_array_equal(
        pilots.comb(1, 13, 6).subcarriers, np.array([[0, 6, 12]])
    )


@pytest.mark.parametrize("configuration", [1, 2])
def test_ports_separate_exactly_on_flat_channels(configuration):
    pattern = all_ports(configuration)
    flat = channels(pattern)[:, :, :, :1]
    flat = np.broadcast_to(flat, (*flat.shape[:3], K, ANTENNAS))
    seen = pilots.observe(jax.random.key(1), flat, pattern, NOISELESS_DB).channel
    expected = np.broadcast_to(flat[:, :, [1, 3], :1], seen.shape)
    np.testing.assert_allclose(seen, expected, atol=2e-6)


def test_ports_of_a_group_leak_half_of_the_difference_over_a_pair():
    pattern = all_ports(1)
    channel = channels(pattern)
    seen = pilots.observe(jax.random.key(1), channel, pattern, NOISELESS_DB).channel
    channel = channel[:, :, [1, 3]]
    # The two groups, on even and on odd subcarriers; then their two ports each.
    pairs = channel.reshape(SAMPLES, 2, 2, 2, K // 4, 2, 2, ANTENNAS)
    pairs = np.stack([pairs[:, g, ..., g, :] for g in range(2)], axis=1)
    first, second = pairs[..., 0, :], pairs[..., 1, :]
    expected = (first + second + (first - second)[:, :, ::-1]) / 2
    np.testing.assert_allclose(seen, expected.reshape(seen.shape), atol=2e-6)
    average = np.einsum("psk,nplka->nplsa", pattern.sensing(), channel)
    expected = ((first + second) / 2).reshape(average.shape)
    np.testing.assert_allclose(average, expected, atol=2e-6)


def test_sensing_of_ports_without_common_elements():
    channel = channels(COMB)
    seen = pilots.observe(jax.random.key(1), channel, COMB, NOISELESS_DB).channel
    expected = np.einsum("psk,nplka->nplsa", COMB.sensing(), channel[:, :, [1, 3]])
    np.testing.assert_allclose(seen, expected, atol=2e-6)


@pytest.mark.parametrize(("pattern", "received"), [(COMB, 1), (all_ports(1), 2)])
def test_noise_is_white_and_of_the_stated_power(pattern, received):
    """Ports of a group add up where w_f is +1 and cancel where not: 4 and 0."""
    size = np.linspace(0.5, 2, SAMPLES, dtype=np.float32)[:, None, None, None, None]
    flat = np.broadcast_to(size, (SAMPLES, *pattern.mask.shape, ANTENNAS))
    snr_db = np.linspace(-10, 10, SAMPLES)
    noisy, variance = pilots.observe(
        jax.random.key(3), flat.astype(np.complex64), pattern, snr_db
    )
    np.testing.assert_allclose(
        variance,
        received * size.ravel() ** 2 * 10 ** (-snr_db / 10) / pattern.spread,
        rtol=1e-5,
    )
    noise = noisy - size
    unit = np.asarray(noise / np.sqrt(variance)[:, None, None, None, None])
    rows = unit.reshape(len(unit), -1)
    covariance = rows.T @ rows.conj() / len(rows)
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=0.2)
    np.testing.assert_allclose(np.trace(covariance) / len(covariance), 1, atol=0.02)
    # Circular: no correlation with the conjugate either.
    assert np.abs(rows.T @ rows / len(rows)).max() < 0.2


def test_ratio_holds_for_every_sample_and_is_the_same_for_a_scalar():
    pattern = all_ports(1)
    channel = channels(pattern)
    snr_db = np.full(SAMPLES, 7.0)
    scalar = pilots.observe(jax.random.key(1), channel, pattern, 7.0)
    each = pilots.observe(jax.random.key(1), channel, pattern, snr_db)
    np.testing.assert_allclose(scalar.channel, each.channel, atol=1e-5)
    sent = np.einsum("nplka,plk->nlka", channel, pattern.values)
    power = (np.abs(sent[:, [1, 3]]) ** 2).mean((1, 2, 3))  # all elements hold pilots
    np.testing.assert_allclose(scalar.noise_variance, power * 10**-0.7 / 2, rtol=1e-5)


MASK = np.zeros((1, SYMBOLS, K), bool)
MASK[0, 1, :6] = True
RAGGED = MASK.copy()
RAGGED[0, 2, :4] = True


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: pilots.gold(2**31, 4), "c_init: found 2147483648, needed 0 to"),
        (lambda: pilots.dmrs(20), "num_subcarriers: found 20, needed a multiple of 12"),
        (lambda: pilots.dmrs(12, 3), "configuration: found 3, needed 1 or 2"),
        (lambda: pilots.dmrs(12, 1, (1004,)), r"ports: found \(1004,\), needed"),
        (lambda: pilots.dmrs(12, 2, (1000, 1000)), "ports: found"),
        (lambda: pilots.dmrs(12, additional=(14,)), r"symbols: found \(2, 14\)"),
        (lambda: pilots.dmrs(12, c_init=(1, 2)), "c_init: found 2, needed 1"),
        (lambda: pilots.comb(4, 12, 4, offset=4), "offset: found 4, needed 0 to 3"),
        (lambda: pilots.comb(4, 12, 4, num_ports=5), "num_ports: found 5"),
        (lambda: pilots.comb(4, 13, 4, num_ports=2), r"mask: found \[3, 4\] pilots"),
        (
            lambda: pilots.PilotPattern(SYMBOLS, 12, MASK, np.complex64(1j) * MASK),
            "mask: found",
        ),
        (
            lambda: pilots.PilotPattern(SYMBOLS, K, MASK, np.complex64(2j) * MASK),
            "values: found",
        ),
        (
            lambda: pilots.PilotPattern(SYMBOLS, K, MASK, np.complex64(1j) * MASK, 4),
            "spread: found",
        ),
        (
            lambda: pilots.PilotPattern(SYMBOLS, K, RAGGED, np.complex64(1j) * RAGGED),
            "mask: found symbols of several kinds",
        ),
    ],
)
def test_errors_name_the_field(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_errors_of_observations():
    channel, key = channels(COMB), jax.random.key(0)
    with pytest.raises(ValueError, match=r"channel: found \(2, 4, 23\), needed"):
        pilots.observe(key, channel[:, :, :, 1:], COMB, 0.0)
    with pytest.raises(
        ValueError, match=r"snr_db: found \(3,\), needed \(\) or \(1000,"
    ):
        pilots.observe(key, channel, COMB, np.zeros(3))
