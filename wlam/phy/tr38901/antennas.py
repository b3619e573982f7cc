"""Antenna elements in space: pattern, polarisation and orientation, TR 38.901 7.1, 7.3.

Rotations act on unit vectors, not on angles, which spares inverse functions; only the
38.901 element's pattern is stated in angles.
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from wlam.phy import arrays
from wlam.phy.arrays import cis

Element = Literal["isotropic", "38.901"]


@dataclass(frozen=True)
class Antennas:
    """The antennas of one end of a link, in their own coordinates: they look along +x.

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


def rotation(orientation: Num[Array, "*b 3"]) -> Num[Array, "*b 3 3"]:
    """Own coordinates to global ones, equation 7.1-4.

    Args:
        orientation: bearing (about z), downtilt (about y) and slant (about x), in rad.
    """
    cosine, sine = jnp.cos(orientation), jnp.sin(orientation)
    (ca, cb, cg), (sa, sb, sg) = (jnp.moveaxis(x, -1, 0) for x in (cosine, sine))
    rows = [
        [ca * cb, ca * sb * sg - sa * cg, ca * sb * cg + sa * sg],
        [sa * cb, sa * sb * sg + ca * cg, sa * sb * cg - ca * sg],
        [-sb, cb * sg, cb * cg],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def spherical_basis(
    azimuth: Num[Array, "*b"], zenith: Num[Array, "*b"]
) -> Num[Array, "*b 3 3"]:
    """Unit vectors r, theta and phi of a direction, as rows; equations 7.1-13, 14."""
    horizontal, vertical = cis(azimuth / (2 * jnp.pi)), cis(zenith / (2 * jnp.pi))
    ca, sa, cz, sz = horizontal.real, horizontal.imag, vertical.real, vertical.imag
    rows = [[sz * ca, sz * sa, cz], [cz * ca, cz * sa, -sz], [-sa, ca, 0.0 * ca]]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def turned(
    matrix: Num[Array, "i j"], vectors: Num[Array, "*b j"]
) -> Num[Array, "*b i"]:
    """The matrix times every vector, as sums: tiny products are slow to call."""
    shape = (1,) * (vectors.ndim - 1)
    return sum(  # type: ignore[return-value]
        vectors[..., None, j] * matrix[:, j].reshape(*shape, -1)
        for j in range(matrix.shape[1])
    )


def fields(
    antennas: Antennas,
    turn: Num[Array, "3 3"],
    azimuth: Num[Array, "*b"],
    zenith: Num[Array, "*b"],
) -> Num[Array, "*b antenna 2"]:
    """The theta and phi components of every antenna's field, equation 7.1-11.

    The slant turns the polarisation but not the pattern (polarisation model 2 of clause
    7.3.2, equations 7.3-4 and 7.3-5).

    Args:
        antennas: the antennas.
        turn: `rotation` of their orientation.
        azimuth, zenith: global directions in rad.
    """
    basis = spherical_basis(azimuth, zenith)
    local = turned(turn.T, basis[..., 0, :])
    flat = jnp.sqrt(jnp.maximum(local[..., 0] ** 2 + local[..., 1] ** 2, 1e-24))
    if antennas.element == "38.901":
        # Zenith and azimuth in own coordinates; atan2 is smooth also at the poles.
        gain_db = arrays.element_gain_db(
            jnp.arctan2(local[..., 1], local[..., 0]),
            jnp.arctan2(flat, local[..., 2]),
        )
        amplitude = 10 ** (gain_db / 20)
    else:
        amplitude = jnp.ones_like(flat)
    # The own theta vector, as seen in the global basis, turns the field by psi.
    theta = jnp.stack(
        [
            local[..., 2] * local[..., 0] / flat,
            local[..., 2] * local[..., 1] / flat,
            -flat,
        ],
        axis=-1,
    )
    seen = turned(turn, theta)
    cos_psi = (basis[..., 1, :] * seen).sum(-1)[..., None]
    sin_psi = (basis[..., 2, :] * seen).sum(-1)[..., None]
    shape = (1,) * azimuth.ndim + (-1,)
    cos_slant, sin_slant = (
        f(jnp.asarray(antennas.slant)).reshape(shape) for f in (jnp.cos, jnp.sin)
    )
    components = [
        cos_psi * cos_slant - sin_psi * sin_slant,
        sin_psi * cos_slant + cos_psi * sin_slant,
    ]
    return amplitude[..., None, None] * jnp.stack(components, axis=-1)
