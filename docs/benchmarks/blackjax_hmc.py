#!/usr/bin/env python3
"""Hybrid Monte Carlo in BlackJAX: trajectories of many chains, as one would write them there.

The density is the critical Ising model in its continuous form, or φ⁴ with m² = −4 and λ = 6, on the L×L lattice, in
float64. The chains are mapped with vmap, and a sweep of all of them is one jitted function. BenchmarkPhysicalSweep of
package flow is the same with this library.

    taskset -c 0 python3 blackjax_hmc.py --density ising --threads 1

The line that is printed has the median time of a leapfrog step of all chains.
"""

import argparse
import math
import os
import statistics
import time


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--density", choices=["ising", "phi4"], default="ising")
    p.add_argument("--L", type=int, default=16)
    p.add_argument("--chains", type=int, default=512)
    p.add_argument("--leapfrog", type=int, default=10, help="leapfrog steps of a trajectory")
    p.add_argument("--step-size", type=float, default=0.05)
    p.add_argument("--threads", type=int, default=1, help="1, or as many as taskset gives")
    p.add_argument("--steps", type=int, default=20, help="sweeps that are timed, after two that are not")
    return p.parse_args()


a = arguments()
if a.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")

import blackjax
import jax
import jax.numpy as jnp

import problem

jax.config.update("jax_enable_x64", True)


def ising():
    precision = jnp.asarray(problem.precision(a.L))
    return lambda x: (jnp.logaddexp(x, -x) - math.log(2) - 0.5 * x * (precision @ x)).sum()


def phi4():
    def log_density(x):
        x = x.reshape(a.L, a.L)
        bonds = sum(((x - jnp.roll(x, 1, axis)) ** 2).sum() for axis in (0, 1))
        return -(bonds + (-4 * x**2 + 6 * x**4).sum())

    return log_density


def main():
    sites = a.L * a.L
    log_density = {"ising": ising, "phi4": phi4}[a.density]()
    kernel = blackjax.hmc(log_density, a.step_size, jnp.ones(sites), a.leapfrog)

    @jax.jit
    def sweep(key, states):
        key, use = jax.random.split(key)
        states, info = jax.vmap(kernel.step)(jax.random.split(use, a.chains), states)
        return key, states, info.acceptance_rate.mean()

    key, start = jax.random.split(jax.random.key(1))
    states = jax.vmap(kernel.init)(jax.random.normal(start, (a.chains, sites)))
    seconds, accepted = [], []
    for _ in range(2 + a.steps):
        start = time.perf_counter()
        key, states, rate = sweep(key, states)
        accepted.append(rate.item())  # waits for the result
        seconds.append(time.perf_counter() - start)
    print(
        f"blackjax {blackjax.__version__}, jax {jax.__version__}, {a.density}, {a.threads} thread(s): "
        f"{statistics.median(seconds[2:]) / a.leapfrog:.6f} s per step (median of {a.steps} sweeps), "
        f"{sum(seconds[:2]):.1f} s before, peak {problem.peak_mib():.0f} MiB, "
        f"check {statistics.mean(accepted):.3f} (accepted)"
    )


if __name__ == "__main__":
    main()
