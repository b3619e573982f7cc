"""Classical channel estimators: what every learned estimator is compared with.

interpolation  lines and splines through least-squares estimates
lmmse          linear estimates from a covariance, fitted or true
mixture        the conditional mean under a mixture of Gaussians, fitted
sparse         few paths: orthogonal matching pursuit and l1

All are vectorised over samples and jitted; complex in, complex out.
"""

from wlam.phy.estimators.interpolation import (
    interpolate,
    linear_matrix,
    spline_matrix,
)
from wlam.phy.estimators.lmmse import Moments, fit_moments, lmmse, lmmse_true
from wlam.phy.estimators.mixture import (
    KroneckerMixture,
    fit_kronecker_mixture,
    mixture_estimate,
)
from wlam.phy.estimators.sparse import (
    angle_delay_dictionary,
    fista,
    omp,
    universal_penalty,
)

__all__ = [
    "KroneckerMixture",
    "Moments",
    "angle_delay_dictionary",
    "fista",
    "fit_kronecker_mixture",
    "fit_moments",
    "interpolate",
    "linear_matrix",
    "lmmse",
    "lmmse_true",
    "mixture_estimate",
    "omp",
    "spline_matrix",
    "universal_penalty",
]
