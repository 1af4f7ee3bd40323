#!/usr/bin/env python3
"""A training step of the paper's flow in PyTorch, as one would write it there.

The flow is the MERA-like hierarchy of Real NVP blocks on an L×L lattice with
one block per layer, trained on the energy of the critical Ising model in its
continuous form: draw z, x = g(z), loss = mean of ln q(x) − ln π(x), backward,
Adam. With --symmetric the density is [q(x) + q(−x)]/2.

    python3 torch_step.py --L 16 --batch 512 --symmetric --threads 2

It needs nothing but PyTorch, and prints the median time of a step, the peak
memory of the process and the last loss.
"""

import argparse
import math
import resource
import statistics
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F


def mlp(inputs, hidden, outputs):
    layers = []
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.ELU()]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class AffineCoupling(nn.Module):
    """Passes two of four columns through and moves the others by y·exp(s) + t."""

    def __init__(self, keep, hidden):
        super().__init__()
        move = [i for i in range(4) if i not in keep]
        self.s = mlp(len(keep), hidden, len(move))
        self.t = mlp(len(keep), hidden, len(move))
        self.scale = nn.Parameter(0.1 * torch.randn(len(move)))
        self.register_buffer("keep", torch.tensor(keep))
        self.register_buffer("move", torch.tensor(move))
        self.register_buffer("back", torch.tensor(keep + move).argsort())

    def forward(self, y, inverse=False):
        kept, moved = y[:, self.keep], y[:, self.move]
        s = self.scale * torch.tanh(self.s(kept))
        t = self.t(kept)
        if inverse:
            s = -s
            moved = (moved - t) * torch.exp(s)
        else:
            moved = moved * torch.exp(s) + t
        return torch.cat([kept, moved], 1)[:, self.back], s.sum(1)


class Layer(nn.Module):
    """A Real NVP block on every tile of four sites, with the same parameters."""

    def __init__(self, tiles, couplings, hidden):
        super().__init__()
        halves = ([0, 1], [2, 3])
        self.couplings = nn.ModuleList(AffineCoupling(halves[k % 2], hidden) for k in range(couplings))
        self.register_buffer("sites", tiles.flatten())

    def forward(self, x, inverse=False):
        y = x[:, self.sites].view(-1, 4)
        logdet = 0
        for coupling in reversed(self.couplings) if inverse else self.couplings:
            y, ld = coupling(y, inverse)
            logdet = logdet + ld
        rows = x.shape[0]
        return x.index_copy(1, self.sites, y.view(rows, -1)), logdet.view(rows, -1).sum(1)


class Flow(nn.Module):
    """The hierarchy, and its density."""

    def __init__(self, L, couplings, hidden, symmetric):
        super().__init__()
        self.dim, self.symmetric = L * L, symmetric
        layers = []  # coarse to fine
        step = L // 2
        while step >= 1:
            for offset in (0, step):  # decimators, then disentanglers
                layers.append(Layer(square_tiles(L, step, offset), couplings, hidden))
            step //= 2
        self.layers = nn.ModuleList(layers)

    def prior(self, z):
        return -0.5 * (z.square().sum(1) + self.dim * math.log(2 * math.pi))

    def log_prob(self, x):
        total = 0
        for layer in reversed(self.layers):
            x, logdet = layer(x, inverse=True)
            total = total + logdet
        return self.prior(x) + total

    def forward(self, z):
        """Maps z to x, and returns ln q(x) too."""
        x, log_q = z, self.prior(z)
        for layer in self.layers:
            x, logdet = layer(x)
            log_q = log_q - logdet
        if self.symmetric:
            log_q = torch.logaddexp(log_q, self.log_prob(-x)) - math.log(2)
        return x, log_q


def square_tiles(L, step, offset):
    """The tiles of 2×2 sites that are step apart, shifted by offset along both axes."""
    corner = torch.arange(0, L, 2 * step) + offset
    pair = (corner[:, None] + torch.tensor([0, step])) % L  # (tile, site) along an axis
    return (pair[:, None, :, None] * L + pair[None, :, None, :]).reshape(-1, 4)


class Ising(nn.Module):
    """ln π(x) = −xᵀ(K + α)⁻¹x/2 + Σ ln cosh x, K the couplings over the temperature."""

    def __init__(self, L):
        super().__init__()
        beta = math.log(1 + math.sqrt(2)) / 2
        wave = 2 * torch.cos(2 * math.pi * torch.arange(L, dtype=torch.float64) / L)
        eigenvalues = beta * (wave[:, None] + wave)
        eigenvalues += 0.1 - eigenvalues.min()
        row = torch.fft.ifft2(1 / eigenvalues).real
        i = torch.arange(L * L)
        dy, dx = i[:, None] // L - i // L, i[:, None] % L - i % L
        self.register_buffer("precision", row[dy % L, dx % L])

    def forward(self, x):
        ln_cosh = F.softplus(2 * x) - x - math.log(2)
        return (ln_cosh - 0.5 * x * (x @ self.precision)).sum(1)


def peak_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--L", type=int, default=16, help="linear size of the lattice, a power of two")
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--hidden", type=int, nargs="*", default=[10, 10, 10])
    p.add_argument("--couplings", type=int, default=10)
    p.add_argument("--symmetric", action="store_true")
    p.add_argument("--double", action="store_true")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--steps", type=int, default=10, help="steps that are timed, after two that are not")
    a = p.parse_args()
    if a.L < 2 or a.L & (a.L - 1):
        p.error("--L: want a power of two")
    if a.steps < 1:
        p.error("--steps: want at least one")

    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    dtype = torch.float64 if a.double else torch.float32
    flow = Flow(a.L, a.couplings, a.hidden, a.symmetric).to(dtype)
    target = Ising(a.L).to(dtype)
    adam = torch.optim.Adam(flow.parameters(), lr=1e-3)

    seconds = []
    for _ in range(2 + a.steps):
        start = time.perf_counter()
        x, log_q = flow(torch.randn(a.batch, flow.dim, dtype=dtype))
        loss = (log_q - target(x)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        seconds.append(time.perf_counter() - start)
    print(
        f"torch {torch.__version__}, {a.threads} thread{'s' * (a.threads > 1)}: {statistics.median(seconds[2:]):.4f} s per step "
        f"(median of {a.steps}), peak {peak_mib():.0f} MiB, loss {loss.item():.4f}"
    )


if __name__ == "__main__":
    main()
