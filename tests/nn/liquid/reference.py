"""Reference values of ncps: parameters, outputs and gradients of all its cells.

    pip install -e ".[peers]"
    python tests/nn/liquid/reference.py

writes ncps.npz beside this file, in double precision.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("ncps.npz")
B, T, I = 2, 5, 3
UNITS, MOTOR = 12, 3
# For each: kind, and the arguments of its ncps cell.
VARIANTS = {
    "cfc default": ("cfc", "default"),
    "cfc no_gate": ("cfc", "no_gate"),
    "cfc pure": ("cfc", "pure"),
    "cfc no backbone": ("bare", "default"),
    "wired default": ("wired", "default"),
    "wired no_gate": ("wired", "no_gate"),
    "wired pure": ("wired", "pure"),
    "ltc softplus": ("ltc", True),
    "ltc clip": ("ltc", False),
    "memory cfc": ("memory", "cfc"),
    "memory ltc": ("memory", "ltc"),
}
HIDDEN = 8


def sequences(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Measurements, elapsed times, and the weights of the outputs in the loss."""
    return {
        "x": rng.normal(size=(B, T, I)),
        "elapsed": rng.uniform(0.2, 2.0, size=(B, T)),
        "weights": rng.normal(size=(B, T, UNITS)),
    }


def compute(variant: str, seed: int = 0) -> dict[str, np.ndarray]:
    """All arrays of a variant; those of parameters under p/, of gradients under g/."""
    import torch
    from ncps.torch import CfCCell, LTCCell, WiredCfCCell
    from ncps.torch.lstm import LSTMCell
    from ncps.wirings import AutoNCP

    torch.manual_seed(seed)
    kind, how = VARIANTS[variant]
    wiring = AutoNCP(UNITS, MOTOR)

    def ltc(implicit):
        return LTCCell(wiring, I, implicit_param_constraints=implicit)

    make = {
        "cfc": lambda: CfCCell(I, UNITS, how, backbone_units=HIDDEN),
        "bare": lambda: CfCCell(I, UNITS, how, backbone_layers=0),
        "wired": lambda: WiredCfCCell(I, wiring, how),
        "ltc": lambda: ltc(how),
        "memory": lambda: (
            CfCCell(I, UNITS, backbone_units=HIDDEN) if how == "cfc" else ltc(True)
        ),
    }
    whole = torch.nn.Module()
    whole.cell = make[kind]()
    if kind == "memory":
        whole.lstm = LSTMCell(I, UNITS)
    whole.double()
    with torch.no_grad():  # away from zeros and ones
        for name, p in whole.named_parameters():
            if p.requires_grad and "cm" not in name:
                p += 0.1 * torch.rand_like(p)
    found = sequences(np.random.default_rng(seed))
    x, elapsed = (torch.tensor(found[k], requires_grad=True) for k in ("x", "elapsed"))
    state = memory = torch.zeros(B, UNITS, dtype=torch.float64)
    outputs = []
    for t in range(T):
        if kind == "memory":
            state, memory = whole.lstm(x[:, t], (state, memory))
        out, state = whole.cell(x[:, t], state, elapsed[:, t, None])
        outputs.append(out)
    out = torch.stack(outputs, 1)
    (out * torch.tensor(found["weights"])[..., : out.shape[-1]]).sum().backward()
    trained = {n: p for n, p in whole.named_parameters() if p.requires_grad}
    return {
        **found,
        "out": out.detach().numpy(),
        "g/x": x.grad.numpy(),
        "g/elapsed": elapsed.grad.numpy(),
        **{f"p/{name}": p.detach().numpy() for name, p in trained.items()},
        **{f"g/{name}": p.grad.numpy() for name, p in trained.items()},
    }


def wirings() -> dict[str, np.ndarray]:
    """Synapses of policies of several sizes."""
    from ncps.wirings import NCP, AutoNCP

    found = {}
    made = {
        "auto 16 4 3": (AutoNCP(16, 4), 3),
        "auto 30 8 16": (AutoNCP(30, 8), 16),
        "auto 40 2 1": (AutoNCP(40, 2, sparsity_level=0.8, seed=5), 1),
        "ncp": (NCP(12, 8, 3, 4, 5, 6, 4, seed=7), 5),
    }
    for name, (wiring, inputs) in made.items():
        wiring.build(inputs)
        found[f"{name}/synapses"] = wiring.adjacency_matrix
        found[f"{name}/sensory"] = wiring.sensory_adjacency_matrix
    return found


if __name__ == "__main__":
    every = {f"wiring/{k}": v for k, v in wirings().items()}
    for variant in VARIANTS:
        found = compute(variant)
        every |= {f"{variant}/{k}": np.float32(v) for k, v in found.items()}
    np.savez_compressed(FILE, **every)
    print(f"{FILE.name}: {FILE.stat().st_size / 1e3:.0f} kB")
