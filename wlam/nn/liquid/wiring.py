"""Connections of the neurons of a liquid network, and their signs.

Neural circuit policies (Lechner et al., "Neural circuit policies enabling auditable
autonomy", Nature Machine Intelligence 2020) are sparse in layers: sensory neurons (the
inputs) reach inter neurons, these command neurons, which are connected among themselves
and reach motor neurons, the outputs. Neurons are counted from the motor neurons up:
motor, command, inter. With equal seeds NCPs are those of ncps 1.0.1.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Int

SIGNS = (-1, 1)
"""Signs of synapses of NCPs: as many inhibit as excite."""
MOSTLY_EXCITING = (-1, 1, 1)
"""Signs of synapses of other wirings."""


@dataclass(frozen=True, eq=False)
class Wiring:
    """Signs of all synapses; 0 where there is none."""

    synapses: Int[np.ndarray, "units units"]  # from a row to a column
    sensory: Int[np.ndarray, "inputs units"]
    outputs: int  # the first of the units
    layers: tuple[range, ...]  # of units, from inputs to outputs


@dataclass(frozen=True)
class WiringConfig:
    """Base of the configs of wirings."""

    # Neurons, and so the size of the state.
    units: int = 32
    # Output neurons, the first of them; None: all.
    outputs: int | None = None
    # Seed of the connections.
    seed: int = 22222

    def __post_init__(self) -> None:
        _needed("units", self.units, 1, None)
        if self.outputs is not None:
            _needed("outputs", self.outputs, 1, self.units)

    def wire(self, inputs: int) -> Wiring:
        """The wiring for that many inputs; the same every time.

        Raises:
            ValueError: there are no inputs.
        """
        _needed("inputs", inputs, 1, None)
        return _wired(self, inputs)

    def draw(self, rng: np.random.RandomState, inputs: int) -> Wiring:
        """Draws the wiring that `wire` keeps."""
        raise NotImplementedError


@cache
def _wired(config: WiringConfig, inputs: int) -> Wiring:
    return config.draw(np.random.RandomState(config.seed), inputs)


@dataclass(frozen=True)
class FullyConnected(WiringConfig):
    """All pairs of neurons are connected; two of three synapses excite."""

    # Whether neurons are connected to themselves.
    self_connections: bool = True

    def draw(self, rng: np.random.RandomState, inputs: int) -> Wiring:
        synapses = rng.choice(MOSTLY_EXCITING, size=(self.units, self.units))
        if not self.self_connections:
            np.fill_diagonal(synapses, 0)
        sensory = rng.choice(MOSTLY_EXCITING, size=(inputs, self.units))
        outputs = self.units if self.outputs is None else self.outputs
        return Wiring(synapses, sensory, outputs, (range(self.units),))


@dataclass(frozen=True)
class RandomlyConnected(WiringConfig):
    """A random share of all synapses; two of three excite."""

    # Share of absent synapses, in [0, 1).
    sparsity: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _share("sparsity", self.sparsity)

    def draw(self, rng: np.random.RandomState, inputs: int) -> Wiring:
        def some(rows: int) -> Int[np.ndarray, "rows units"]:
            there = np.zeros(rows * self.units, int)
            number = round(there.size * (1 - self.sparsity))
            chosen = rng.choice(there.size, size=number, replace=False)
            there[chosen] = rng.choice(MOSTLY_EXCITING, size=number)
            return there.reshape(rows, self.units)

        synapses, sensory = some(self.units), some(inputs)
        outputs = self.units if self.outputs is None else self.outputs
        return Wiring(synapses, sensory, outputs, (range(self.units),))


@dataclass(frozen=True)
class Ncp(WiringConfig):
    """A neural circuit policy, neuron by neuron; `units` is the sum of all three."""

    # Command neurons. Motor neurons are the `outputs`, inter neurons the rest.
    command: int = 12
    # Inter neurons that each input connects to.
    sensory_fanout: int = 6
    # Command neurons that each inter neuron connects to.
    inter_fanout: int = 6
    # Synapses among command neurons; drawn twice, one replaces the other.
    recurrent: int = 12
    # Command neurons that connect to each motor neuron.
    motor_fanin: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outputs is None:
            raise ValueError("outputs: found None; needed the number of motor neurons")
        _needed("command", self.command, 1, None)
        if self.outputs > self.inter:
            raise ValueError(
                f"outputs: found {self.outputs} motor neurons, {self.inter} inter "
                f"neurons of {self.units} units; needed as many inter as motor neurons"
            )
        _needed("sensory_fanout", self.sensory_fanout, 1, self.inter)
        _needed("inter_fanout", self.inter_fanout, 1, self.command)
        _needed("recurrent", self.recurrent, 0, None)
        _needed("motor_fanin", self.motor_fanin, 1, self.command)

    @property
    def inter(self) -> int:
        """Inter neurons."""
        return self.units - (self.outputs or 0) - self.command

    def draw(self, rng: np.random.RandomState, inputs: int) -> Wiring:
        motors = self.outputs or 0
        motor = range(motors)
        command = range(motors, motors + self.command)
        inter = range(command.stop, self.units)
        synapses = np.zeros((self.units, self.units), int)
        sensory = np.zeros((inputs, self.units), int)
        _pick(rng, sensory, range(inputs), inter, self.sensory_fanout)
        _pick(rng, synapses, inter, command, self.inter_fanout)
        for _ in range(self.recurrent):
            source, target = rng.choice(command), rng.choice(command)
            synapses[source, target] = rng.choice(SIGNS)
        # Motor neurons pick their inputs.
        _pick(rng, synapses.T, motor, command, self.motor_fanin)
        return Wiring(synapses, sensory, motors, (inter, command, motor))


def auto_ncp(units: int, outputs: int, sparsity: float = 0.5, seed: int = 22222) -> Ncp:
    """A neural circuit policy of that many neurons.

    40 % of the other neurons than motor neurons are command neurons.

    Args:
        units: neurons.
        outputs: motor neurons; no more than there are inter neurons.
        sparsity: share of absent synapses, in [0, 1).
        seed: of the wiring.

    Raises:
        ValueError: too many outputs, or a share out of its range.
    """
    _needed("outputs", outputs, 1, max(units - 3, 1))
    _share("sparsity", sparsity)
    command = max(int(0.4 * (units - outputs)), 1)
    inter, density = units - outputs - command, 1 - sparsity
    return Ncp(
        units,
        outputs,
        seed,
        command=command,
        sensory_fanout=max(int(inter * density), 1),
        inter_fanout=max(int(command * density), 1),
        recurrent=max(int(2 * command * density), 1),
        motor_fanin=max(int(command * density), 1),
    )


def _pick(
    rng: np.random.RandomState,
    matrix: Int[np.ndarray, "picker picked"],
    pickers: range,
    picked: range,
    count: int,
) -> None:
    """Every picker picks `count` neurons; neurons that were not picked pick pickers.

    They pick as many as a neuron was picked by on average, at least one.
    """
    unpicked = [*picked]
    for one in pickers:
        for other in rng.choice(picked, size=count, replace=False):
            matrix[one, other] = rng.choice(SIGNS)
            if other in unpicked:
                unpicked.remove(other)
    mean = min(max(len(pickers) * count // len(picked), 1), len(pickers))
    for other in unpicked:
        for one in rng.choice(pickers, size=mean, replace=False):
            matrix[one, other] = rng.choice(SIGNS)


def _needed(name: str, found: int, low: int, high: int | None) -> None:
    if found < low or (high is not None and found > high):
        needed = f"{low} or more" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: found {found}; needed {needed}")


def _share(name: str, found: float) -> None:
    if not 0 <= found < 1:
        raise ValueError(f"{name}: found {found}; needed a share in [0, 1)")
