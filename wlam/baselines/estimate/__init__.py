"""Classical channel estimators: the references of every learned estimator.

interpolation  lines and splines through least-squares estimates
lmmse          linear estimates from a covariance, fitted or true
kronecker_fit  MIMO channels by the covariance each is most probable under
mixture        the conditional mean under a mixture of Gaussians, fitted
sparse         few paths: orthogonal matching pursuit and l1
sparse_bayes   few paths by the spectrum that each is most probable under
splitting      regularised least squares as a fixed point

All are vectorised over samples and jitted; complex in, complex out.
"""

from wlam.baselines.estimate.interpolation import (
    interpolate,
    linear_matrix,
    spline_matrix,
)
from wlam.baselines.estimate.kronecker_fit import Atoms, fitted_estimate, path_atoms
from wlam.baselines.estimate.lmmse import Moments, fit_moments, lmmse, lmmse_true
from wlam.baselines.estimate.mixture import (
    KroneckerMixture,
    fit_kronecker_mixture,
    mixture_estimate,
)
from wlam.baselines.estimate.sparse import (
    angle_delay_dictionary,
    fista,
    omp,
    universal_penalty,
)
from wlam.baselines.estimate.sparse_bayes import delay_atoms, sparse_bayes

__all__ = [
    "Atoms",
    "KroneckerMixture",
    "Moments",
    "angle_delay_dictionary",
    "delay_atoms",
    "fista",
    "fit_kronecker_mixture",
    "fit_moments",
    "fitted_estimate",
    "interpolate",
    "linear_matrix",
    "lmmse",
    "lmmse_true",
    "mixture_estimate",
    "omp",
    "path_atoms",
    "sparse_bayes",
    "spline_matrix",
    "universal_penalty",
]
