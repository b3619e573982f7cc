"""Beam sweeps by the 3GPP model: panels in drops of TR 38.901 along a user's track.

`wlam.simulate.beams` has the cheaper geometric model of a line array and a few
scatterers. Here the base station's panel lies in the y-z plane and faces along x, as
everywhere in `wlam.phy.channels.tr38901`; tracks pass in front of it. One drop is drawn
at the start of a track, and its rays follow the user by procedure A of clause 7.6.3.2.
Its state, spreads and K factor are constant; path loss and shadowing change along it.

config       ranges of what is drawn
scenes       the drop, its way along the track, and the same drop at another carrier
waves        from rays to the power of every beam
generators   batches of samples from (key, config)
"""

from wlam.simulate.sweeps.config import PairConfig, SweepConfig
from wlam.simulate.sweeps.generators import generate, generate_pair

__all__ = ["PairConfig", "SweepConfig", "generate", "generate_pair"]
