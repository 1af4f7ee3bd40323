#!/usr/bin/env python3
"""A training step of the paper's flow in PyTorch, eager or with torch.compile. problem.py says what a step is.

    python3 torch_step.py --L 16 --batch 512 --symmetric --threads 1 --compile

It prints the median time of a step, the time of the first two steps, which compile, the peak memory of the process and
the first losses.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import problem

# A configuration is a column of x, (sites, batch), and the values of the tiles of a layer are columns too,
# (4, tiles·batch).
#
# These ways were slower, on one core: nn.Linear with tiles as rows, by a factor of nearly two; s and t of a coupling
# as one batched product, in rows or in columns; the activations of a block computed again in the backward pass; the
# batch in parts whose gradients are added. torch.compile of whole blocks takes minutes to compile; its step was not
# measured.


class Linear(nn.Module):
    def __init__(self, weights, bias):
        super().__init__()
        self.weights = nn.Parameter(weights.clone())
        self.bias = nn.Parameter(bias[:, None].clone())

    def forward(self, h):
        return torch.addmm(self.bias, self.weights, h)


def mlp(maps):
    modules = []
    for weights, bias in maps:
        modules += [Linear(weights, bias), nn.ELU()]
    return nn.Sequential(*modules[:-1])


class AffineCoupling(nn.Module):
    """Keeps one half of a tile and moves the other one to y·exp(s) + t."""

    def __init__(self, maps, scale):
        super().__init__()
        self.s, self.t = (mlp([(weights[i], bias[i]) for weights, bias in maps]) for i in (0, 1))
        self.scale = nn.Parameter(scale[:, None].clone())

    def forward(self, kept, moved, inverse):
        s, t = self.scale * torch.tanh(self.s(kept)), self.t(kept)
        if inverse:
            return (moved - t) * torch.exp(-s), -s.sum(0)
        return moved * torch.exp(s) + t, s.sum(0)


class Layer(nn.Module):
    """A Real NVP block on every tile of four sites, with the same parameters."""

    def __init__(self, parameters, tiles):
        super().__init__()
        maps, scale = parameters
        self.couplings = nn.ModuleList(
            AffineCoupling([(weights[k], bias[k]) for weights, bias in maps], scale[k]) for k in range(len(scale))
        )
        self.register_buffer("sites", torch.tensor(tiles.T.flatten()))

    def forward(self, x, inverse=False):
        halves, total = list(x[self.sites].view(4, -1).chunk(2)), 0
        order = range(len(self.couplings))
        for k in reversed(order) if inverse else order:
            kept = k % 2
            halves[1 - kept], logdet = self.couplings[k](halves[kept], halves[1 - kept], inverse)
            total = total + logdet
        batch = x.shape[1]
        x = x.index_copy(0, self.sites, torch.cat(halves).view(-1, batch))
        return x, total.view(-1, batch).sum(0)


class Loss(nn.Module):
    """The mean of ln q(x) − ln π(x) for x = g(z)."""

    def __init__(self, a, parameters):
        super().__init__()
        self.symmetric = a.symmetric
        self.layers = nn.ModuleList(Layer(*layer) for layer in zip(parameters, problem.layers(a.L)))
        self.register_buffer("precision", torch.tensor(problem.precision(a.L)))

    def log_target(self, x):
        ln_cosh = F.softplus(2 * x) - x - math.log(2)
        return (ln_cosh - 0.5 * x * (self.precision @ x)).sum(0)

    def log_prob(self, x):
        total = 0
        for layer in reversed(self.layers):
            x, logdet = layer(x, inverse=True)
            total = total + logdet
        return prior(x) + total

    def forward(self, z):
        x, log_q = z, prior(z)
        for layer in self.layers:
            x, logdet = layer(x)
            log_q = log_q - logdet
        if self.symmetric:
            log_q = torch.logaddexp(log_q, self.log_prob(-x)) - math.log(2)
        return (log_q - self.log_target(x)).mean()


def prior(z):
    return -0.5 * (z.square().sum(0) + len(z) * math.log(2 * math.pi))


def tensors(v):
    return tuple(map(tensors, v)) if isinstance(v, (list, tuple)) else torch.tensor(v)


def main():
    p = problem.arguments(__doc__.split("\n")[0])
    p.add_argument("--compile", action="store_true", help="torch.compile every coupling")
    a = problem.parse(p)
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    dtype = torch.float64 if a.double else torch.float32
    parameters, first = problem.parameters(a)
    loss_of = Loss(a, tensors(parameters)).to(dtype)
    if a.compile:
        torch._dynamo.config.recompile_limit = 64  # kinds of couplings: sizes of layers, directions
        for layer in loss_of.layers:
            for coupling in layer.couplings:
                coupling.compile(dynamic=False)
    adam = torch.optim.Adam(loss_of.parameters(), lr=problem.LEARN_RATE)

    def update(z):
        loss = loss_of(z)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    first = torch.tensor(first.T.copy(), dtype=dtype)
    name = f"torch {torch.__version__} {'compiled' if a.compile else 'eager'}"
    problem.run(a, name, first, update, lambda: torch.randn_like(first))


if __name__ == "__main__":
    main()
