"""Writes chains.json: chains and what ArviZ says of them. Needs arviz < 0.23.

    pip install 'arviz<0.23' && python chains.py
"""
import json

import arviz as az
import numpy as np

rng = np.random.default_rng(1)


def ar1(phi, chains, steps):
    x = np.empty((chains, steps))
    v = rng.normal(size=chains)
    for k in range(steps):
        x[:, k] = v
        v = phi * v + np.sqrt(1 - phi * phi) * rng.normal(size=chains)
    return x


def rare():
    x = np.zeros((4, 60))
    x[1, 20] = x[2, 5] = 1
    x[0, 33] = 2
    return x


cases = {
    "independent": rng.normal(size=(4, 100)),
    "AR(1) 0.9": ar1(0.9, 4, 200),
    "AR(1) -0.9": ar1(-0.9, 4, 200),
    "different means": rng.normal(size=(4, 50)) + np.arange(4)[:, None],
    "different widths": rng.normal(size=(3, 80)) * np.array([1, 3, 9])[:, None],
    "nearly constant": rare(),
    "odd length": ar1(0.5, 3, 77),
    "ties": rng.integers(0, 4, size=(4, 90)).astype(float),
    "heavy tails": rng.standard_cauchy(size=(4, 120)),
    "one chain": ar1(0.5, 1, 101),
    "large offset": 1e6 + ar1(0.5, 2, 64),
    "drift": rng.normal(size=(2, 100)) + np.linspace(0, 5, 100),
    "four steps": rng.normal(size=(4, 4)),
    "five steps": rng.normal(size=(2, 5)),
    "small numbers": 1e-5 * rng.normal(size=(2, 40)),
}
quantiles = [0.05, 0.3, 0.5, 0.95]
out = []
for name, x in cases.items():
    x = x.astype(float)
    rhat = float(az.rhat(x))
    case = {
        "name": name,
        "x": x.T.tolist(),
        "rhat": None if np.isnan(rhat) else rhat,
        "ess": float(az.ess(x)),
        "ess_tail": float(az.ess(x, method="tail")),
        "ess_mean": float(az.ess(x, method="mean")),
        "mcse": float(az.mcse(x)),
        "mcse_std": float(az.mcse(x, method="sd")),
        "mcse_quantile": [float(az.mcse(x, method="quantile", prob=p)) for p in quantiles],
        "bfmi": [] if np.any(np.ptp(x, axis=1) == 0) else az.bfmi(x).tolist(),
    }
    out.append(case)
with open("chains.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]\n")
