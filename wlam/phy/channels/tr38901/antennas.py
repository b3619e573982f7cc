"""Antenna elements in space: pattern, polarisation and orientation, TR 38.901 7.1, 7.3.

Fields come from unit vectors, not from angles, which spares inverse functions; only the
38.901 element's pattern is stated in angles.
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from wlam.ops import phasor
from wlam.phy import arrays
from wlam.phy.channels.tr38901.geometry import Vector, dot

Element = Literal["isotropic", "38.901"]


@dataclass(frozen=True)
class Antennas:
    """The antennas of one end of a link, in their own coordinates: they face +x.

    `panel` and its arguments make the usual ones.
    """

    positions: Any  # float [antenna, 3], in wavelengths
    # numpy [antenna], polarisation angle in rad: 0 is vertical, pi/2 horizontal. Not
    # traced: antennas that share one are computed together.
    slant: np.ndarray
    element: Element = "isotropic"

    def __post_init__(self) -> None:
        if self.element not in ("isotropic", "38.901"):
            raise ValueError(
                f"element: found {self.element!r}; needed isotropic or 38.901"
            )


# Slants of the polarisations of one position, TR 38.901 clause 7.3.2.
POLARISATIONS = {
    "V": (0.0,),
    "H": (np.pi / 2,),
    "VH": (0.0, np.pi / 2),
    "cross": (-np.pi / 4, np.pi / 4),
}


def panel(
    rows: int,
    columns: int,
    polarisation: str = "V",
    element: Element = "isotropic",
    spacing: float = 0.5,
) -> Antennas:
    """A rectangular panel; antennas of one polarisation after those of the other.

    Args:
        rows, columns: positions along z and y.
        polarisation: "V", "H", "VH", or "cross" (slanted by -45 and +45 degrees).
        element: pattern of every element.
        spacing: between neighbouring positions, in wavelengths.

    Raises:
        ValueError: unknown polarisation or element, or no position.
    """
    if polarisation not in POLARISATIONS:
        raise ValueError(
            f"polarisation: found {polarisation!r}; needed one of "
            f"{', '.join(POLARISATIONS)}"
        )
    slants = POLARISATIONS[polarisation]
    positions = arrays.upa(rows, columns, spacing)
    return Antennas(
        positions=np.tile(positions, (len(slants), 1)),
        slant=np.repeat(np.array(slants, np.float32), len(positions)),
        element=element,
    )


def fields(
    antennas: Antennas,
    matrix: Num[Array, "3 3"],
    basis: tuple[Vector, Vector, Vector],
) -> list[tuple[Num[Array, "*b"], Num[Array, "*b"]]]:
    """The theta and phi components of the field of every antenna, equation 7.1-11.

    The slant rotates the polarisation but not the pattern (polarisation model 2 of
    clause 7.3.2, equations 7.3-4 and 7.3-5).

    Args:
        antennas: the antennas.
        matrix: `rotation` of their orientation.
        basis: `spherical_basis` of the global directions.
    """
    towards, theta, phi = basis
    ahead, left, up = ((axis[0], axis[1], axis[2]) for axis in matrix.T)
    # The own theta vector is that of the own up direction, as theta is of z. Seen in
    # the global basis it is rotated by psi, equation 7.1-12.
    cos_psi, sin_psi = -dot(theta, up), -dot(phi, up)
    # Not 1 - (r . up)^2, of which a float32 keeps no digits near the own poles.
    flat = jnp.sqrt(jnp.maximum(cos_psi**2 + sin_psi**2, 1e-12))
    cos_psi, sin_psi = cos_psi / flat, sin_psi / flat
    amplitude = jnp.ones_like(flat)
    if antennas.element == "38.901":
        # Azimuth and zenith in own coordinates.
        gain_db = arrays.element_gain_db(
            phasor.angle(dot(towards, left), dot(towards, ahead)),
            phasor.angle(flat, dot(towards, up)),
        )
        amplitude = jnp.exp(np.log(10) / 20 * gain_db)
    cos_psi, sin_psi = amplitude * cos_psi, amplitude * sin_psi
    return [
        (cos_psi * cosine - sin_psi * sine, sin_psi * cosine + cos_psi * sine)
        for cosine, sine in zip(
            np.cos(antennas.slant), np.sin(antennas.slant), strict=True
        )
    ]
