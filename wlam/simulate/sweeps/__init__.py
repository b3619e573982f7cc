"""Beam sweeps of a base station in drops of TR 38.901, along the track of its user.

The base station's panel lies in the y-z plane and looks along x, as everywhere in
`wlam.phy.channels.tr38901`; tracks pass in front of it. One drop is drawn where a track
begins, and its rays follow the user by procedure A of clause 7.6.3.2. Its state, its
spreads and its K factor stay; path loss and shadowing change along the way.

config       what to draw from
scenes       the drop, its way along the track, and the same drop at another carrier
waves        from rays to the power of every beam
generators   whole data sets from (key, config)
"""

from wlam.simulate.sweeps.config import PairConfig, SweepConfig
from wlam.simulate.sweeps.generators import generate, generate_pair

__all__ = ["PairConfig", "SweepConfig", "generate", "generate_pair"]
