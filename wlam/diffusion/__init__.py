"""Diffusion: noise schedules, the forward process, and samplers of the reverse one.

schedule     share of signal after each step
process      noising, parametrisations, and losses
samplers     from noise, or from a noisy observation, to data
guidance     conditions, dropped in training and amplified in sampling
shortcut     networks conditioned on the step size, for one or a few evaluations
posterior    data given linear measurements, such as pilots
restoration  the same by a denoiser, deterministic
equalised    symbols after an equaliser, each with its own noise variance

Step 0 is the data, steps 1 to T are noisier and noisier. Arrays are real, with noise of
variance 1, or complex, with circular noise of variance 1 (1/2 in each part).
"""

from wlam.diffusion.equalised import (
    denoise_equalised,
    equalise,
    equalised_loss,
    first_step,
)
from wlam.diffusion.guidance import drop_conditions, guided
from wlam.diffusion.posterior import sample_posterior, through_mask, through_matrix
from wlam.diffusion.process import (
    Estimates,
    Parametrisation,
    add_noise,
    denoising_loss,
    estimates,
    prediction_of,
    standard_noise,
)
from wlam.diffusion.restoration import falling_levels, plug_and_play
from wlam.diffusion.samplers import (
    Ddim,
    DpmSolver,
    PosteriorMean,
    evenly_spaced,
    sample,
    scale_to_step,
)
from wlam.diffusion.schedule import (
    Schedule,
    cosine,
    even_db,
    linear,
    linear_to,
    sigmoid,
)
from wlam.diffusion.shortcut import doublings_of, most_doublings, shortcut_loss

__all__ = [
    "Ddim",
    "DpmSolver",
    "Estimates",
    "Parametrisation",
    "PosteriorMean",
    "Schedule",
    "add_noise",
    "cosine",
    "denoise_equalised",
    "denoising_loss",
    "doublings_of",
    "drop_conditions",
    "equalise",
    "equalised_loss",
    "estimates",
    "even_db",
    "evenly_spaced",
    "falling_levels",
    "first_step",
    "guided",
    "linear",
    "linear_to",
    "most_doublings",
    "plug_and_play",
    "prediction_of",
    "sample",
    "sample_posterior",
    "scale_to_step",
    "shortcut_loss",
    "sigmoid",
    "standard_noise",
    "through_mask",
    "through_matrix",
]
