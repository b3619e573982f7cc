"""Liquid networks: recurrent cells whose state evolves between measurements."""

from wlam.nn.liquid.cell import LiquidCell
from wlam.nn.liquid.cfc import CfcConfig, WiredCfcConfig
from wlam.nn.liquid.input_gated import InputGatedConfig
from wlam.nn.liquid.lrc import LrcConfig
from wlam.nn.liquid.ltc import LtcConfig, clip_positive
from wlam.nn.liquid.memory import MixedMemoryConfig
from wlam.nn.liquid.sequence import Liquid, LiquidConfig, unroll
from wlam.nn.liquid.wiring import FullyConnected, Ncp, RandomlyConnected, auto_ncp

__all__ = [
    "CfcConfig",
    "FullyConnected",
    "InputGatedConfig",
    "Liquid",
    "LiquidCell",
    "LiquidConfig",
    "LrcConfig",
    "LtcConfig",
    "MixedMemoryConfig",
    "Ncp",
    "RandomlyConnected",
    "WiredCfcConfig",
    "auto_ncp",
    "clip_positive",
    "unroll",
]
