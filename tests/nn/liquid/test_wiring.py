"""Wirings: connections, counts, signs, invalid sizes."""

import numpy as np
import pytest

from wlam.nn.liquid import FullyConnected, Ncp, RandomlyConnected, auto_ncp

POLICY = Ncp(
    30,
    4,
    1,
    command=10,
    sensory_fanout=5,
    inter_fanout=3,
    recurrent=12,
    motor_fanin=6,
)


@pytest.mark.parametrize("inputs", [1, 8])
def test_counts_of_a_policy(inputs):
    wired = POLICY.wire(inputs)
    inter, command, motor = wired.layers
    assert [len(x) for x in wired.layers] == [16, 10, 4]
    assert [motor.start, command.start, inter.start, inter.stop] == [0, 4, 14, 30]
    synapses, sensory = abs(wired.synapses), abs(wired.sensory)
    # Inputs connect to inter neurons alone; unpicked neurons picked some themselves.
    assert sensory[:, :14].sum() == 0
    picked = inputs * 5
    assert picked <= sensory.sum() <= picked + 16 * max(picked // 16, 1)
    into_command = synapses[14:, 4:14]
    assert 16 * 3 <= into_command.sum() <= 16 * 3 + 10 * 4
    assert 0 < synapses[4:14, 4:14].sum() <= 12
    assert 4 * 6 <= synapses[4:14, :4].sum() <= 4 * 6 + 10 * 2
    total = into_command.sum() + synapses[4:14].sum()
    assert synapses.sum() == total  # and nothing else


@pytest.mark.parametrize("seed", range(5))
def test_every_neuron_of_a_policy_has_an_input_and_an_output(seed):
    wired = auto_ncp(24, 3, sparsity=0.9, seed=seed).wire(2)
    inter, command, motor = wired.layers
    assert abs(wired.sensory)[:, inter].any(0).all()
    assert abs(wired.synapses)[np.ix_(inter, command)].any(0).all()
    assert abs(wired.synapses)[np.ix_(command, motor)].any(1).all()


def test_signs_of_a_policy_are_as_often_plus_as_minus():
    wired = auto_ncp(200, 20).wire(40)
    signs = wired.synapses[wired.synapses != 0]
    assert abs(signs.mean()) < 4 / np.sqrt(len(signs))


def test_dense_wirings_excite_twice_as_often_as_they_inhibit():
    wired = FullyConnected(100).wire(50)
    assert (wired.synapses != 0).all()
    assert (wired.sensory != 0).all()
    np.testing.assert_allclose(wired.synapses.mean(), 1 / 3, atol=0.04)
    alone = FullyConnected(10, self_connections=False).wire(2)
    assert (np.diag(alone.synapses) == 0).all()
    assert abs(alone.synapses).sum() == 90


def test_random_wirings_have_the_asked_number_of_synapses():
    wired = RandomlyConnected(20, sparsity=0.75).wire(8)
    assert abs(wired.synapses).sum() == 100
    assert abs(wired.sensory).sum() == 40


def test_the_same_seed_gives_the_same_wiring():
    one, other = auto_ncp(20, 2, seed=3).wire(4), auto_ncp(20, 2, seed=3).wire(4)
    np.testing.assert_array_equal(one.synapses, other.synapses)
    another = auto_ncp(20, 2, seed=4).wire(4)
    assert (one.synapses != another.synapses).any()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: auto_ncp(8, 6), "outputs: found 6; needed 1 to 5"),
        (lambda: auto_ncp(12, 6), "6 motor neurons, 4 inter neurons of 12 units"),
        (lambda: auto_ncp(20, 2, sparsity=1.0), "sparsity: found 1.0"),
        (lambda: Ncp(20, None), "outputs: found None"),
        (lambda: Ncp(20, 2, command=4), "inter_fanout: found 6; needed 1 to 4"),
        (lambda: Ncp(20, 2, command=0), "command: found 0; needed 1 or more"),
        (lambda: FullyConnected(0), "units: found 0"),
        (lambda: FullyConnected(4, outputs=5), "outputs: found 5; needed 1 to 4"),
        (lambda: RandomlyConnected(4, sparsity=-0.1), "sparsity: found -0.1"),
        (lambda: FullyConnected(4).wire(0), "inputs: found 0"),
    ],
)
def test_invalid_sizes_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
