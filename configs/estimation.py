"""Channel estimation at length: the cases of the tables of docs/estimation.md.

command   python eval.py wlam_estimator --cases configs/estimation.py:NAME
          python benchmarks/estimation.py NAME, with rows that no evaluator has
names     mimo, drops, combs, slot, chains, entries: of an estimator; thz, half, line:
          of a fixed point of that array
hardware  one CPU core
time      a quarter of an hour to two hours each
expected  docs/estimation.md

MIMO channels of 64 x 16 antennas: of three paths (`mimo`), or of drops of TR 38.901
with and without a line of sight, in UMi, UMa and InH (`drops`); all in noise whose
variance is known or not, or 5 dB off. A quarter of their numbers, by few RF chains
(`chains`) or pairs of antennas (`entries`). Pilots on combs, and on DM-RS of a slot.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from wlam.config import Config
from wlam.evaluation.combined import CombinedEstimate
from wlam.evaluation.compressed import CompressedEstimate
from wlam.evaluation.defaults import BLOCK, DMRS, SLOT
from wlam.evaluation.estimate import Estimate
from wlam.evaluation.evaluator import Evaluator
from wlam.phy.channels.hybrid_field import HybridFieldConfig, linear
from wlam.phy.channels.tr38901 import mimo
from wlam.types import Csi

SNRS_DB = (-20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0)
OFF_DB = 5.0


@dataclass(frozen=True)
class AllCells:
    """Drops of several scenarios, with and without a line of sight, which take turns.

    A generator of one's own, see `wlam.data.generators.generate`.
    """

    scenarios: tuple[str, ...] = ("UMi", "UMa", "InH")

    def generate(self, key: jax.Array, samples: int) -> Csi:
        """Channels [sample, 1, user antenna, base antenna] of mean power 1 each."""
        kinds = [(name, state) for name in self.scenarios for state in ("los", "nlos")]
        parts = []
        for i, (scenario, state) in enumerate(kinds):
            drops: Any = mimo.MimoConfig().drops
            config = mimo.MimoConfig(replace(drops, scenario=scenario, state=state))
            count = -(-samples // len(kinds))
            parts.append(mimo.generate(jax.random.fold_in(key, i), config, count))
        clean = jnp.stack([jnp.asarray(part.clean) for part in parts])
        clean = rearrange(clean, "kind n t k a -> (n kind) t k a")[:samples]
        name = "tx_antennas"
        whole = jnp.concatenate([jnp.asarray(part.labels[name]) for part in parts])
        spacing = jnp.concatenate(
            [jnp.asarray(part.subcarrier_spacing_hz) for part in parts]
        )
        return replace(
            parts[0],
            csi=clean,
            clean=clean,
            labels={name: whole[:samples]},
            subcarrier_spacing_hz=spacing[:samples],
        )


def in_noise(source: Any) -> dict[str, Evaluator]:
    """What the model knows of the noise; baselines that take training are in one."""
    alone = Estimate(source, SNRS_DB, pooled=True, channels=100, training=0)
    return {
        "known": replace(alone, training=5000, mixture=True),
        "blind": replace(alone, noise="unknown"),
        "5 dB low": replace(alone, offset_db=OFF_DB),
        "5 dB high": replace(alone, offset_db=-OFF_DB),
    }


def compressed(measured: Any) -> dict[str, Evaluator]:
    """By restoration, and by samples of the posterior."""
    snrs_db = (0.0, 10.0, 20.0, 30.0)
    whole = CompressedEstimate(
        measured=measured, snrs_db=snrs_db, channels=100, training=5000
    )
    drawn = replace(whole, nfe=30)
    return {
        "restored": whole,
        "1 draw": replace(drawn, draws=1),
        "16 draws": replace(drawn, draws=16),
    }


def through_chains(array: HybridFieldConfig) -> dict[str, Evaluator]:
    """Over SNR, and for paths that are far, near, or both."""
    whole = CombinedEstimate(array, channels=40, training=3000)
    return {
        "over SNR": whole,
        **{
            kind: replace(whole, far_share=share, snrs_db=(10.0,))
            for kind, share in {"far": 1.0, "near": 0.0, "mixed": 0.5}.items()
        },
    }


COMB = Estimate(
    BLOCK, (0.0, 10.0, 20.0, 30.0, 40.0), every=4, channels=80, training=3000
)
FOURTEEN = Estimate(
    SLOT, (0.0, 10.0, 20.0, 30.0), every=2, symbols=DMRS, channels=80, training=1000
)
asked: dict[str, dict[str, Evaluator]] = {
    "mimo": in_noise(Estimate().source),
    "drops": in_noise(AllCells()),
    "combs": {
        "every 4th": COMB,
        "every 8th": replace(COMB, every=8, snrs_db=(20.0,)),
        "8 of 32": replace(
            COMB, source=replace(BLOCK, num_subcarriers=32), snrs_db=(10.0, 20.0)
        ),
    },
    "slot": {
        "slot": FOURTEEN,
        "60 to 120 km/h": replace(
            FOURTEEN,
            source=replace(SLOT, speeds_kmh=(60.0, 120.0)),
            fitted_to=SLOT,
            snrs_db=(20.0,),
        ),
    },
    "chains": compressed("chains"),
    "entries": compressed("entries"),
    "thz": through_chains(HybridFieldConfig()),
    "half": through_chains(HybridFieldConfig(spacing=0.5)),
    "line": through_chains(linear()),
}
configs = {
    name: Config(run=f"runs/estimation/{name}", mixture={}, evaluation=cases)
    for name, cases in asked.items()
}
