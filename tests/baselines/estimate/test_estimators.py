"""Channel estimators against closed forms and against independent references."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import toeplitz

from wlam.baselines import estimate as estimators
from wlam.phy import arrays
from wlam.phy.ofdm import pilots

S, N = 8, 2  # subcarriers and antennas: one shape, so that the tests share compilation
D, M, SAMPLES = S * N, 10, 4000
RNG = np.random.default_rng(0)


def normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j] / np.sqrt(2)).astype(np.complex64)


SENSING = normal(M, D) / np.float32(np.sqrt(D))
EVERYTHING = np.eye(D, dtype=np.float32)
FINE = estimators.angle_delay_dictionary(S, (N,), oversampling=2)
BINS = estimators.angle_delay_dictionary(S, (N,))
# A covariance that falls off over both axes and whose mean power is not one.
COVARIANCE = 2 * np.kron(
    toeplitz(np.exp((1j - 0.3) * np.arange(S))), toeplitz([1, 0.5j])
).astype(np.complex64)
MEAN = normal(D)
TRUE = estimators.Moments(jnp.asarray(MEAN), jnp.asarray(COVARIANCE))


def gaussian(samples, covariance=COVARIANCE, mean=MEAN):
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    return (mean + normal(samples, D) @ root.T).astype(np.complex64)


CHANNEL = gaussian(SAMPLES)
VARIANCE = np.full(SAMPLES, 0.1, np.float32)


def observe(channel, variance, sensing=SENSING):
    noise = normal(len(channel), len(sensing)) * np.sqrt(variance)[:, None]
    return (channel @ sensing.T + noise).astype(np.complex64)


OBSERVED = observe(CHANNEL, VARIANCE)


STATE = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_draws():
    """Draws do not depend on other tests."""
    RNG.bit_generator.state = STATE


def error(estimate, channel):
    return float((np.abs(np.asarray(estimate) - channel) ** 2).sum(1).mean())


def polynomial(degree):
    """A channel [n, port, symbol, subcarrier, antenna] of that degree in frequency."""
    powers = (np.arange(S) / S)[:, None] ** np.arange(degree + 1)
    return np.einsum("kd,nplda->nplka", powers, normal(2, 2, 1, degree + 1, N))


POSITIONS = np.array([[0.5, 2, 4.5, 5, 6.5], [1, 2, 3, 4, 5]])


@pytest.mark.parametrize(
    ("matrix", "degree"),
    [(estimators.linear_matrix, 1), (estimators.spline_matrix, 3)],
)
def test_interpolation_is_exact_on_polynomials_also_beyond_the_pilots(matrix, degree):
    channel = polynomial(degree)
    # An independent way to the pilots: the polynomial through all subcarriers.
    rows = channel.swapaxes(2, 3).reshape(2, 2, S, -1)
    seen = np.empty((2, 2, POSITIONS.shape[1], rows.shape[-1]), np.complex64)
    for n, p in np.ndindex(2, 2):
        fit = np.polyfit(np.arange(S), rows[n, p], degree)
        seen[n, p] = np.vander(POSITIONS[p], degree + 1) @ fit
    observed = seen[:, :, None]
    weights = matrix(POSITIONS, S)
    estimate = estimators.interpolate(observed, weights)
    np.testing.assert_allclose(estimate, channel, atol=1e-4)
    np.testing.assert_allclose(weights.sum(2), 1, atol=1e-5)
    # One degree more is not exact: the test would see that the pilots are too many.
    curved = (np.arange(S) / S) ** (degree + 1)
    bent = weights[0] @ (POSITIONS[0] / S) ** (degree + 1)
    assert np.abs(bent - curved).max() > 1e-3


def test_spline_is_not_a_knot_next_to_the_edges():
    """A cubic plus a truncated one for each knot, of which two pilots are none."""
    positions = np.array([0.0, 1, 3, 4, 6, 7])

    def basis(x):
        knots = np.maximum(x[:, None] - positions[2:-2], 0) ** 3
        return np.concatenate([np.vander(x, 4), knots], axis=1)

    expected = basis(np.arange(S)) @ np.linalg.inv(basis(positions))
    weights = estimators.spline_matrix(positions[None], S)
    np.testing.assert_allclose(weights[0], expected, atol=1e-5)


def test_a_single_pilot_is_repeated():
    assert (estimators.linear_matrix(np.array([[3.0]]), S) == 1).all()


# Two ports that do not meet, for 50 channels.
PATTERN = pilots.dmrs(12, 1, (1000, 1002), 0, num_symbols=1)


def test_interpolation_of_observations_of_a_pattern():
    """Linear channels without noise: exact over the grid."""
    slope = normal(50, 2, 1, 1, N) * np.arange(12, dtype=np.float32)[:, None]
    channel = normal(50, 2, 1, 1, N) + slope
    seen = pilots.observe(jax.random.key(0), channel, PATTERN, 200.0)
    weights = estimators.linear_matrix(PATTERN.positions, 12)
    estimate = estimators.interpolate(seen.channel, weights)
    np.testing.assert_allclose(estimate, channel, atol=1e-4)


def test_fitted_moments():
    mean, covariance = estimators.fit_moments(CHANNEL)
    np.testing.assert_allclose(mean, CHANNEL.mean(0), atol=1e-5)
    np.testing.assert_allclose(
        covariance, np.cov(CHANNEL.T, bias=True), atol=1e-4, rtol=1e-4
    )
    np.testing.assert_allclose(covariance, COVARIANCE, atol=0.15)
    np.testing.assert_allclose(covariance, covariance.conj().T, atol=1e-6)


def wiener_error(variance):
    """trace(R - R A^H (A R A^H + variance I)^-1 A R), in double precision."""
    a, r = SENSING.astype(complex), COVARIANCE.astype(complex)
    gram = a @ r @ a.conj().T + variance * np.eye(M)
    return np.trace(r - r @ a.conj().T @ np.linalg.solve(gram, a @ r)).real


@pytest.mark.parametrize("variance", [1e-3, 0.1, 1.0, 100.0])
def test_lmmse_reaches_the_wiener_error(variance):
    variances = np.full(SAMPLES, variance, np.float32)
    observed = observe(CHANNEL, variances)
    estimate = estimators.lmmse(observed, variances, SENSING, TRUE)
    expected = wiener_error(variance)
    # The error of a sample has a standard deviation below its mean.
    assert abs(error(estimate, CHANNEL) / expected - 1) < 4 / np.sqrt(SAMPLES)


def test_lmmse_is_its_closed_form():
    variances = np.linspace(0.01, 1, SAMPLES, dtype=np.float32)
    estimate = estimators.lmmse(OBSERVED, variances, SENSING, TRUE)
    a, r = SENSING.astype(complex), COVARIANCE.astype(complex)
    for n in (0, 17, SAMPLES - 1):
        gram = a @ r @ a.conj().T + variances[n] * np.eye(M)
        gain = r @ a.conj().T @ np.linalg.inv(gram)
        expected = MEAN + gain @ (OBSERVED[n] - a @ MEAN)
        np.testing.assert_allclose(estimate[n], expected, atol=2e-4)


@pytest.mark.parametrize("variance", [1e-2, 0.3, 3.0])
def test_lmmse_is_never_worse_than_least_squares(variance):
    variances = np.full(SAMPLES, variance, np.float32)
    observed = observe(CHANNEL, variances, EVERYTHING)
    least_squares = error(observed, CHANNEL)
    true = error(estimators.lmmse(observed, variances, EVERYTHING, TRUE), CHANNEL)
    fitted = estimators.fit_moments(gaussian(SAMPLES))
    sample = error(estimators.lmmse(observed, variances, EVERYTHING, fitted), CHANNEL)
    # Thousands of samples fit well: the two are equal but for the test channels.
    assert true < 1.001 * sample < 1.001 * least_squares
    np.testing.assert_allclose(least_squares, D * variance, rtol=0.05)


def test_true_covariance_beats_one_of_few_samples():
    true = error(estimators.lmmse(OBSERVED, VARIANCE, SENSING, TRUE), CHANNEL)
    few = estimators.fit_moments(gaussian(20))
    sample = error(estimators.lmmse(OBSERVED, VARIANCE, SENSING, few), CHANNEL)
    assert true < 0.9 * sample


def test_lmmse_limits():
    silent = np.zeros(SAMPLES, np.float32)
    exact = estimators.lmmse(CHANNEL, silent, EVERYTHING, TRUE)
    np.testing.assert_allclose(exact, CHANNEL, atol=1e-3)
    loud = estimators.lmmse(OBSERVED, silent + 1e9, SENSING, TRUE)
    np.testing.assert_allclose(loud, np.broadcast_to(MEAN, loud.shape), atol=1e-3)
    # A channel that never varies is its mean, even where the noise is zero as well.
    fixed = estimators.Moments(TRUE.mean, 0 * TRUE.covariance)
    constant = estimators.lmmse(OBSERVED, silent, SENSING, fixed)
    np.testing.assert_array_equal(constant, np.broadcast_to(MEAN, constant.shape))


def test_own_covariance_is_that_of_the_shared_one_where_all_are_equal():
    few = 8
    covariances = np.broadcast_to(COVARIANCE, (few, D, D))
    own = estimators.lmmse_true(OBSERVED[:few], VARIANCE[:few], SENSING, covariances)
    centred = estimators.Moments(0 * TRUE.mean, TRUE.covariance)
    shared = estimators.lmmse(OBSERVED, VARIANCE, SENSING, centred)[:few]
    np.testing.assert_allclose(own, shared, atol=1e-4)


def test_own_covariance_limits():
    """Little noise on one path, where rounding could make the matrix indefinite."""
    one = np.outer(FINE[:, 5], FINE[:, 5].conj())[None] * D
    gain = np.array([[3 - 4j]], np.complex64)
    channel = gain * FINE[:, 5]
    faint = np.array([1e-9], np.float32)
    estimate = estimators.lmmse_true(channel @ SENSING.T, faint, SENSING, one)
    np.testing.assert_allclose(estimate, channel, atol=1e-4)
    observed = OBSERVED[:1]
    assert not estimators.lmmse_true(observed, 0 * faint, SENSING, 0 * one).any()


def test_own_covariance_beats_the_shared_one_of_a_mixture():
    """Each channel has its own two bins, which are known to the genie estimator."""
    samples = 400
    power = np.zeros((samples, D), np.float32)
    for row in power:
        row[RNG.choice(D, 2, replace=False)] = D / 2
    channel = (normal(samples, D) * np.sqrt(power)) @ BINS.T
    covariances = np.einsum("ig,ng,jg->nij", BINS, power, BINS.conj())
    observed = observe(channel, VARIANCE[:samples])
    genie = estimators.lmmse_true(observed, VARIANCE[:samples], SENSING, covariances)
    fitted = estimators.fit_moments(channel)
    shared = estimators.lmmse(observed, VARIANCE[:samples], SENSING, fitted)
    assert error(genie, channel) < 0.3 * error(shared, channel)


def test_dictionary_is_unitary_on_the_grid_and_of_unit_norm_between():
    np.testing.assert_allclose(BINS.conj().T @ BINS, np.eye(D), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(FINE, axis=0), 1, atol=1e-5)
    # A tight frame: every direction is as well covered as any other.
    np.testing.assert_allclose(FINE @ FINE.conj().T, 4 * np.eye(D), atol=1e-4)
    on_grid = FINE.reshape(D, 2 * S, 2 * N)[:, ::2, ::2].reshape(D, D)
    np.testing.assert_allclose(on_grid, BINS, atol=1e-6)


def test_atoms_are_the_responses_of_the_array():
    vertical, horizontal = 2, 4
    atoms = estimators.angle_delay_dictionary(3, (vertical, horizontal))
    atoms = atoms.reshape(-1, 3, vertical, horizontal)
    delay, up, across = 2, 1, 1
    # Across, a sine of 2 * 1 / 4 in the horizontal plane; up, a cosine of 2 * 1 / 2.
    responses = jax.jit(arrays.response)(
        arrays.upa(vertical, horizontal),
        np.array([np.arcsin(2 * across / horizontal), 0], np.float32),
        np.array([np.pi / 2, 0], np.float32),
    )
    sideways, upwards = np.asarray(responses)
    turn = np.exp(-2j * np.pi * delay * np.arange(3) / 3) / np.sqrt(len(atoms))
    np.testing.assert_allclose(
        atoms[:, delay, 0, across], np.kron(turn, sideways), atol=1e-5
    )
    np.testing.assert_allclose(
        atoms[:, delay, up, 0], np.kron(turn, upwards), atol=1e-5
    )


pursue = partial(estimators.omp, max_paths=3)
SILENT = np.zeros(200, np.float32)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_omp_is_exact_on_few_paths_of_the_grid(count):
    """Delays two grid points of the fine dictionary apart do not disturb each other."""
    gains = np.zeros((200, 2 * S, 2 * N), np.complex64)
    for row in gains:
        delays = 4 * RNG.choice(S // 2, count, replace=False) + RNG.integers(2)
        row[delays, RNG.integers(2 * N, size=count)] = np.exp(
            2j * np.pi * RNG.uniform(size=count)
        ) * RNG.uniform(1, 2, count)
    channel = gains.reshape(200, -1) @ FINE.T
    estimate = pursue(channel, SILENT, EVERYTHING, FINE)
    np.testing.assert_allclose(estimate, channel, atol=1e-5)


def naive_omp(observed, seen, dictionary, max_paths):
    """Choose, solve a least-squares problem, repeat: in double precision."""
    chosen, residual = [], observed
    for _ in range(max_paths):
        match = np.abs(seen.conj().T @ residual) / np.linalg.norm(seen, axis=0)
        chosen.append(match.argmax())
        gain = np.linalg.lstsq(seen[:, chosen], observed, rcond=None)[0]
        residual = observed - seen[:, chosen] @ gain
    return dictionary[:, chosen] @ gain


def test_omp_is_greedy_least_squares():
    observed = OBSERVED[:200]
    estimate = pursue(observed, SILENT, SENSING, FINE)
    seen = (SENSING.astype(complex)) @ FINE
    for n in range(20):
        expected = naive_omp(observed[n].astype(complex), seen, FINE, 3)
        np.testing.assert_allclose(estimate[n], expected, atol=1e-3)


def test_omp_has_the_stated_rate_of_false_alarms():
    noise = normal(SAMPLES, D)
    variances = np.ones(SAMPLES, np.float32)
    estimate = pursue(noise, variances, EVERYTHING, BINS, false_alarm=0.1)
    rate = np.asarray(estimate).any(1).mean()
    # The bins of a unitary dictionary are independent.
    expected = 1 - (1 - 0.1 / D) ** D
    assert abs(rate - expected) < 4 * np.sqrt(0.1 / SAMPLES)


def test_omp_stops_at_the_noise_and_beats_least_squares():
    gains = np.zeros((SAMPLES, D), np.complex64)
    gains[:, [3, 8]] = 4 * np.exp(2j * np.pi * RNG.uniform(size=(SAMPLES, 2)))
    channel = gains @ BINS.T
    observed = observe(channel, VARIANCE, EVERYTHING)
    estimate = pursue(observed, VARIANCE, EVERYTHING, BINS, false_alarm=1e-3)
    # Two gains are estimated instead of D values.
    np.testing.assert_allclose(error(estimate, channel), 2 * 0.1, rtol=0.1)
    assert not pursue(0 * observed, VARIANCE, EVERYTHING, BINS, false_alarm=0.5).any()


FEW = 16
PENALTY = np.linspace(0.05, 1, FEW, dtype=np.float32)
solve = partial(estimators.fista, OBSERVED[:FEW], PENALTY, SENSING, BINS)
SEEN = SENSING.astype(complex) @ BINS


def objective(estimate):
    sparse = np.asarray(estimate, complex) @ BINS.conj()
    fit = np.abs(OBSERVED[:FEW] - sparse @ SEEN.T) ** 2
    return fit.sum(1) / 2 + PENALTY * np.abs(sparse).sum(1)


def naive_fista(observed, penalty, num_iterations):
    """Beck & Teboulle's recursion with the monotone choice, in double precision."""
    lipschitz = np.linalg.norm(SEEN, 2) ** 2

    def cost(x):
        return np.linalg.norm(observed - SEEN @ x) ** 2 / 2 + penalty * np.abs(x).sum()

    x = y = np.zeros(D, complex)
    t, rises = 1, 0
    for _ in range(num_iterations):
        z = y - SEEN.conj().T @ (SEEN @ y - observed) / lipschitz
        z = z / np.abs(z) * np.maximum(np.abs(z) - penalty / lipschitz, 0)
        rises += cost(z) > cost(x)
        best = z if cost(z) < cost(x) else x
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        y = best + t / following * (z - best) + (t - 1) / following * (best - x)
        x, t = best, following
    return x, rises


def test_fista_is_the_recursion():
    # Later on, float32 and double precision settle close calls differently.
    estimate = np.asarray(solve(16), complex) @ BINS.conj()
    expected, rises = zip(
        *[
            naive_fista(observed.astype(complex), penalty, 16)
            for observed, penalty in zip(OBSERVED[:FEW], PENALTY, strict=True)
        ],
        strict=True,
    )
    np.testing.assert_allclose(estimate, expected, atol=1e-4)
    assert sum(rises) > 0  # the monotone choice was needed


def test_fista_never_raises_the_objective():
    costs = [objective(solve(k)) for k in range(60)]
    np.testing.assert_allclose(
        costs[0], (np.abs(OBSERVED[:FEW]) ** 2).sum(1) / 2, rtol=1e-5
    )
    for before, after in pairwise(costs):
        assert (after <= before * (1 + 1e-6)).all()
    assert costs[-1].sum() < 0.5 * costs[0].sum()


def test_fista_converges_where_the_subgradient_contains_zero():
    sparse = np.asarray(solve(3000), complex) @ BINS.conj()
    slope = (OBSERVED[:FEW] - sparse @ SEEN.T) @ SEEN.conj()
    size = np.abs(sparse)
    # Rounding of the way back to the bins leaves zeros at 1e-7.
    inside = size > 1e-3
    expected = PENALTY[:, None] * sparse / np.where(inside, size, 1)
    np.testing.assert_allclose(slope[inside], expected[inside], atol=2e-3)
    assert (np.abs(slope) <= PENALTY[:, None] * (1 + 2e-3) + 1e-3)[~inside].all()
    assert inside.any(1).all()
    assert not inside.all(1).any()


def test_fista_shrinks_every_bin_where_all_are_observed():
    """With A the identity the solution is known: every modulus less the penalty."""
    penalty = np.linspace(0.05, 3, SAMPLES, dtype=np.float32)
    bins = np.asarray(CHANNEL, complex) @ BINS.conj()
    size = np.abs(bins)
    expected = bins / size * np.maximum(size - penalty[:, None], 0)
    for iterations in (1, 10):
        estimate = estimators.fista(CHANNEL, penalty, EVERYTHING, BINS, iterations)
        np.testing.assert_allclose(estimate, expected @ BINS.T, atol=1e-3)


def test_universal_penalty_gives_zero_for_noise():
    variances = np.full(SAMPLES, 0.25, np.float32)
    penalty = estimators.universal_penalty(variances, EVERYTHING, BINS)
    np.testing.assert_allclose(penalty, 0.5 * np.sqrt(np.log(D)), rtol=1e-5)
    silent = estimators.fista(
        normal(SAMPLES, D) * np.float32(0.5), penalty, EVERYTHING, BINS, 1
    )
    # A bin exceeds it with probability 1 / D: not one does in (1 - 1 / D) ** D of all.
    share = 1 - (np.abs(np.asarray(silent)) > 1e-6).any(1).mean()
    assert abs(share - (1 - 1 / D) ** D) < 4 * np.sqrt(0.25 / SAMPLES)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**12])
def test_estimators_are_scale_equivariant(scale):
    """Channel, noise and penalty in another unit: the estimate in that unit."""
    observed, variance = OBSERVED[:200], VARIANCE[:200]
    moments = estimators.Moments(scale * TRUE.mean, scale**2 * TRUE.covariance)
    for plain, scaled in [
        (
            estimators.lmmse(OBSERVED, VARIANCE, SENSING, TRUE),
            estimators.lmmse(scale * OBSERVED, scale**2 * VARIANCE, SENSING, moments),
        ),
        (
            pursue(observed, variance, SENSING, FINE),
            pursue(scale * observed, scale**2 * variance, SENSING, FINE),
        ),
        (
            solve(20),
            estimators.fista(
                scale * OBSERVED[:FEW], scale * PENALTY, SENSING, BINS, 20
            ),
        ),
    ]:
        assert np.abs(plain).max() > 0.1
        np.testing.assert_allclose(scaled / scale, plain, atol=1e-4)


def test_estimates_from_pilots_of_a_grid():
    """All together: DM-RS, its sensing matrix, and sparse channels of two antennas."""
    bins = estimators.angle_delay_dictionary(12, (N,))
    gains = np.zeros((50, 12, N), np.complex64)
    # Pilots on every second subcarrier see delays up to half of all apart.
    gains[:, [1, 4], [0, 1]] = 5 * np.exp(2j * np.pi * RNG.uniform(size=(50, 2)))
    channel = gains.reshape(50, -1) @ bins.T
    grid = channel.reshape(50, 1, 1, 12, N) * np.ones((2, 1, 1, 1), np.float32)
    seen = pilots.observe(jax.random.key(0), grid, PATTERN, 30.0)
    sensing = np.kron(PATTERN.sensing()[0], np.eye(N, dtype=np.float32))
    early = estimators.angle_delay_dictionary(12, (N,), num_delays=6)
    np.testing.assert_array_equal(early, bins[:, : 6 * N])
    observed = seen.channel[:, 0].reshape(50, -1)
    estimate = estimators.omp(observed, seen.noise_variance, sensing, early, 3)
    # Two gains from twelve pilots, each spread over twice as many elements.
    noise = float(seen.noise_variance.mean())
    np.testing.assert_allclose(error(estimate, channel), 2 * 2 * noise, rtol=0.4)

    # With all delays the l1 norm does not care which of two twins holds the energy.
    penalty = np.full(50, 1e-3, np.float32)
    power = error(0, channel)
    shared = estimators.fista(observed, penalty, sensing, bins, 500)
    np.testing.assert_allclose(error(shared, channel), power / 2, rtol=0.05)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: estimators.spline_matrix(np.array([[0.0, 1, 2]]), S),
            "positions: found 3, needed at least 4",
        ),
        (
            lambda: estimators.linear_matrix(np.array([[0.0, 2, 2]]), S),
            "positions: found .*, needed rising ones",
        ),
        (lambda: estimators.fit_moments(CHANNEL[:1]), "channels: found 1, needed at"),
        (
            lambda: estimators.omp(OBSERVED, VARIANCE, SENSING, FINE, M + 1),
            "max_paths: found 11, needed 1 to 10",
        ),
        (
            lambda: estimators.angle_delay_dictionary(4, (0,)),
            "grid: found 0, needed at least 1",
        ),
        (
            lambda: estimators.angle_delay_dictionary(4, (2,), 0),
            "oversampling: found 0, needed at least 1",
        ),
        (
            lambda: estimators.angle_delay_dictionary(4, (2,), 2, num_delays=9),
            "num_delays: found 9, needed 1 to 8",
        ),
    ],
)
def test_errors_name_the_field(build, message):
    with pytest.raises(ValueError, match=message):
        build()
