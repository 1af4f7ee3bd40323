"""What torch_step.py and jax_step.py have in common: the problem in NumPy, the clock and the line that is printed.

The flow is the MERA-like hierarchy of Real NVP blocks on an L×L lattice with one block per layer, trained on the energy
of the critical Ising model in its continuous form: draw z, x = g(z), loss = mean of ln q(x) − ln π(x), backward, Adam.
With --symmetric the density is [q(x) + q(−x)]/2.

All peers start from the same parameters. Their first two steps, which are not timed, have the same z. So the first
two losses of all peers are the same up to rounding, which checks values and gradients.
"""

import argparse
import math
import resource
import statistics
import sys
import time

import numpy as np

LEARN_RATE = 1e-3


def arguments(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--L", type=int, default=16, help="linear size of the lattice, a power of two")
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--hidden", type=int, nargs="*", default=[10, 10, 10])
    p.add_argument("--couplings", type=int, default=10)
    p.add_argument("--symmetric", action="store_true")
    p.add_argument("--double", action="store_true", help="float64 instead of float32")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--steps", type=int, default=10, help="steps that are timed, after two that are not")
    return p


def parse(p):
    a = p.parse_args()
    if a.L < 2 or a.L & (a.L - 1):
        p.error("--L: want a power of two")
    if a.couplings < 2 or a.couplings % 2:
        p.error("--couplings: want an even number")
    if a.steps < 1:
        p.error("--steps: want at least one")
    return a


def layers(L):
    """The tiles of every layer, (tiles, 4) sites each, coarse to fine."""
    step = L // 2
    while step >= 1:
        for offset in (0, step):  # decimators, then disentanglers
            yield square_tiles(L, step, offset)
        step //= 2


def square_tiles(L, step, offset):
    """The tiles of 2×2 sites that are step apart, shifted by offset along both axes."""
    corner = np.arange(0, L, 2 * step) + offset
    pair = (corner[:, None] + [0, step]) % L  # (tile, site) along an axis
    return (pair[:, None, :, None] * L + pair[None, :, None, :]).reshape(-1, 4)


def parameters(a):
    """The parameters of every layer, and the batch z of the steps that are not timed.

    Those of a layer are its linear maps and the scale of s. A linear map has weights (couplings, 2, outputs, inputs)
    and biases (couplings, 2, outputs); the second axis is s and t. The scale is (couplings, 2 columns).
    """
    rng = np.random.default_rng(1)
    sizes = [2, *a.hidden, 2]
    out = []
    for _ in layers(a.L):
        maps = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            bound = 1 / math.sqrt(inputs)
            maps.append(
                (
                    rng.uniform(-bound, bound, (a.couplings, 2, outputs, inputs)),
                    rng.uniform(-bound, bound, (a.couplings, 2, outputs)),
                )
            )
        out.append((maps, 0.1 * rng.standard_normal((a.couplings, 2))))
    return out, rng.standard_normal((a.batch, a.L * a.L))


def precision(L):
    """(K + α)⁻¹ of ln π(x) = −xᵀ(K + α)⁻¹x/2 + Σ ln cosh x, where K has the couplings over the critical temperature."""
    beta = math.log(1 + math.sqrt(2)) / 2
    wave = 2 * np.cos(2 * np.pi * np.arange(L) / L)
    eigenvalues = beta * (wave[:, None] + wave)
    eigenvalues += 0.1 - eigenvalues.min()
    row = np.fft.ifft2(1 / eigenvalues).real
    i = np.arange(L * L)
    dy, dx = i[:, None] // L - i // L, i[:, None] % L - i % L
    return row[dy % L, dx % L]


def run(a, name, first, update, draw):
    """Times steps and prints a line. update(z) makes a training step and returns the loss as a float."""
    start = time.perf_counter()
    losses = [update(first) for _ in range(2)]
    draw()
    compiling = time.perf_counter() - start
    seconds = []
    for _ in range(a.steps):
        start = time.perf_counter()
        update(draw())
        seconds.append(time.perf_counter() - start)
    print(
        f"{name}, {a.threads} thread(s): {statistics.median(seconds):.4f} s per step "
        f"(median of {a.steps}), {compiling:.1f} s before, peak {peak_mib():.0f} MiB, "
        f"check {losses[1]:.3f} (the second loss)"
    )


def peak_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
