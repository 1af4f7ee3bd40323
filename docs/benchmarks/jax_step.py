#!/usr/bin/env python3
"""A training step of the paper's flow in JAX, jitted, with Optax. problem.py says what a step is.

    taskset -c 0 python3 jax_step.py --L 16 --batch 512 --symmetric --threads 1

It prints the median time of a step, the time of the first two steps, which compile, the peak memory of the process and
the first losses.
"""

import math
import os

import problem

p = problem.arguments(__doc__.split("\n")[0])
p.add_argument("--part", type=int, default=64, help="configurations at a time; gradients of parts are added")
p.add_argument("--unroll", action="store_true", help="no loop over pairs of couplings in the compiled program")
a = problem.parse(p)
if a.part < 1 or a.batch % a.part:
    p.error("--part: want a divisor of the batch")
if a.threads == 1:  # more threads are as many as taskset gives
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")

import jax
import jax.numpy as jnp
import optax

jax.config.update("jax_enable_x64", a.double)
SITES = a.L * a.L
TILES = [tiles.T for tiles in problem.layers(a.L)]

# A configuration is a column of x, (sites, part), and the values of the tiles of a layer are columns too,
# (4, tiles·part). Parts of the batch fit the cache of a core.
#
# Parts of 32 to 128 configurations are about equally fast. On one core these ways were slower: the whole batch at once
# (--part 512) with a loop over couplings, also with the activations of a block computed again in the backward pass
# (jax.checkpoint); configurations as rows, (batch, sites). These were no faster: the whole batch unrolled (--part 512
# --unroll), which compiles for longer; layers in chunks of columns with jax.checkpoint; s and t of a coupling as one
# batched product. Unrolled parts, and products of matrices written as sums which fuse with the ELU, compiled for more
# than three minutes.


def net(maps, h):
    for i, (weights, bias) in enumerate(maps):
        h = weights @ h + bias[..., None]
        if i < len(maps) - 1:
            h = jax.nn.elu(h)
    return h


def coupling(parameters, kept, moved, inverse):
    maps, scale = parameters
    s, t = (net([(weights[i], bias[i]) for weights, bias in maps], kept) for i in (0, 1))
    s = scale[:, None] * jnp.tanh(s)
    if inverse:
        return (moved - t) * jnp.exp(-s), -s.sum(0)
    return moved * jnp.exp(s) + t, s.sum(0)


def pair(parameters, lower, upper, inverse):
    """Two couplings: the first moves the upper half of a tile, the second the lower one."""
    first, second = (jax.tree.map(lambda v: v[i], parameters) for i in (0, 1))
    if inverse:
        lower, b = coupling(second, upper, lower, True)
        upper, a = coupling(first, lower, upper, True)
    else:
        upper, a = coupling(first, lower, upper, False)
        lower, b = coupling(second, upper, lower, False)
    return lower, upper, a + b


def block(parameters, y, inverse):
    lower, upper = y[:2], y[2:]
    pairs = jax.tree.map(lambda v: v.reshape(-1, 2, *v.shape[1:]), parameters)

    def body(carry, parameters):
        lower, upper, total = carry
        lower, upper, logdet = pair(parameters, lower, upper, inverse)
        return (lower, upper, total + logdet), None

    start = lower, upper, jnp.zeros(y.shape[1], y.dtype)
    unroll = a.couplings // 2 if a.unroll else 1
    (lower, upper, total), _ = jax.lax.scan(body, start, pairs, reverse=inverse, unroll=unroll)
    return jnp.concatenate([lower, upper]), total


def layer(parameters, tiles, x, inverse):
    sites = tiles.reshape(-1)
    y, logdet = block(parameters, x[sites].reshape(4, -1), inverse)
    x = x.at[sites].set(y.reshape(-1, a.part), unique_indices=True)
    return x, logdet.reshape(-1, a.part).sum(0)


def prior(z):
    return -0.5 * ((z * z).sum(0) + SITES * math.log(2 * math.pi))


def log_prob(parameters, x):
    total = 0
    for p, tiles in zip(reversed(parameters), reversed(TILES)):
        x, logdet = layer(p, tiles, x, True)
        total = total + logdet
    return prior(x) + total


def main():
    real = jnp.float64 if a.double else jnp.float32
    parameters, first = jax.tree.map(lambda v: jnp.asarray(v, real), problem.parameters(a))
    precision = jnp.asarray(problem.precision(a.L), real)
    adam = optax.adam(problem.LEARN_RATE)

    def log_target(x):
        return (jnp.logaddexp(x, -x) - math.log(2) - 0.5 * x * (precision @ x)).sum(0)

    def loss_of(parameters, z):
        x, log_q = z, prior(z)
        for p, tiles in zip(parameters, TILES):
            x, logdet = layer(p, tiles, x, False)
            log_q = log_q - logdet
        if a.symmetric:
            log_q = jnp.logaddexp(log_q, log_prob(parameters, -x)) - math.log(2)
        return (log_q - log_target(x)).mean()

    @jax.jit
    def step(state, z):
        parameters, moments = state

        def add(total, z):
            return jax.tree.map(jnp.add, total, jax.value_and_grad(loss_of)(parameters, z)), None

        parts = z.reshape(SITES, -1, a.part).swapaxes(0, 1)
        zero = jnp.zeros((), real), jax.tree.map(jnp.zeros_like, parameters)
        loss, gradient = jax.tree.map(lambda v: v / len(parts), jax.lax.scan(add, zero, parts)[0])
        update, moments = adam.update(gradient, moments)
        return (optax.apply_updates(parameters, update), moments), loss

    @jax.jit
    def normal(key):
        key, use = jax.random.split(key)
        return key, jax.random.normal(use, first.T.shape, real)

    state = parameters, adam.init(parameters)
    key = jax.random.key(2)

    def update(z):
        nonlocal state
        state, loss = step(state, z)
        return loss.item()  # waits for the result

    def draw():
        nonlocal key
        key, z = normal(key)
        return z

    problem.run(a, f"jax {jax.__version__}", first.T, update, draw)


if __name__ == "__main__":
    main()
