"""Prints the table of docs/benchmarks.md from the samples of run.sh.

A line of samples is a round, the name of a measurement and its value. Values
are medians over the rounds, and a ratio is the median of the ratios of each
round, with the smallest and the largest one in brackets. Work that was not
measured has no line.
"""

import statistics
import sys

NARROW = "L=16/hidden=10-10-10"
FLOPS = 8 * 2 * (2 * 64 + 64 * 64 + 64 * 2) * 10 * 512 * (64 + 64 + 16 + 16 + 4 + 4 + 1 + 1)
NONE = "—"


def read(path):
    samples = {}
    for line in open(path):
        number, name, value = line.split()
        samples.setdefault(name, {})[int(number)] = float(value)
    return samples


samples = read(sys.argv[1])


def median(name):
    return statistics.median(samples[name].values()) if name in samples else None


def seconds(name):
    t = median(name)
    return NONE if t is None else f"{1000 * t:.3g} ms" if t < 1 else f"{t:.2f} s"


def ratio(above, below, scale=1, unit="", digits=2):
    """The measured ratio as text, from the rounds that have both."""
    a, b = samples.get(above, {}), samples.get(below, {})
    r = sorted(scale * a[k] / b[k] for k in a.keys() & b.keys())
    if not r:
        return NONE
    spread = f" ({r[0]:.{digits}f}–{r[-1]:.{digits}f})" if len(r) > 1 else ""
    return f"{statistics.median(r):.{digits}f}{unit}{spread}"


def row(*cells):
    print("| " + " | ".join(cells) + " |")


def line(work, kernels, ours, *rest):
    """A row, if our part of it was measured."""
    if ours in samples:
        row(work, kernels, seconds(ours), *rest)


# Names of the peers, by the start of their samples.
TITLES = {"torch-eager": "PyTorch eager", "torch-compiled": "PyTorch compiled", "jax": "JAX jitted"}


def fastest(kind, peers, threads):
    """The sample of the fastest way of these peers."""
    names = [f"{p}/{kind}/{n}" for p in peers for n in threads]
    return min((n for n in names if n in samples), key=median, default=None)


def peer_line(work, kernels, ours, kind, peers, threads, must):
    """Ours against the fastest way of a peer; the others are named."""
    best = fastest(kind, peers, threads)
    if best is None:
        return
    ways = []
    for p in peers:
        way = fastest(kind, [p], threads)
        if way is not None:
            ways.append(f"{TITLES[p]} {seconds(way)}" + (f", {way[-1]} thread(s)" if len(threads) > 1 else ""))
    line(work, kernels, ours, "; ".join(ways), ratio(best, ours, unit=" × faster", digits=1), must)


def check_losses(kind):
    """All peers must have the same loss after one step from the same start."""
    losses = [v for n, v in samples.items() if n.endswith("/check") and f"/{kind}/" in n]
    values = [x for v in losses for x in v.values()]
    if values and max(values) - min(values) > 1e-3 * abs(values[0]):
        sys.exit(f"table.py: the peers do not agree on the second loss, {kind}: {sorted(values)}")


for kind in ("plain", "symmetrised"):
    check_losses(kind)

row("work, L = 16, batch 512, 10 couplings", "kernels", "neuralrg", "compared with", "measured", "must reach")
row(*["---"] * 6)

sets = [s for s in ("avx512", "avx2", "neon", "plain") if any(n.startswith(f"flow/{s}/") for n in samples)]
measured = [s for s in sets if f"floor/{s}/32/10" in samples]
best = next(iter(measured or sets), NONE)
for bits in ("32", "64"):
    for s in measured:
        ours, floor = f"flow/{s}/1/TrainStep/{NARROW}/float{bits}/plain", f"floor/{s}/{bits}/10"
        line(f"training step, 10-10-10, float{bits}, 1 core", s, ours, f"floor.c {seconds(floor)}",
             ratio(ours, floor, unit=" ×"), "≤ 1.3 ×")
for s in measured:
    ours, floor, peak = f"flow/{s}/1/TrainStep/L=16/hidden=64-64/float32/plain", f"floor/{s}/32/64", f"peak/{s}/32"
    # Our rate over the peak, as a ratio of times.
    samples["ideal"] = {k: FLOPS / 1e9 / v for k, v in samples[peak].items()}
    line("training step, 64-64, float32, 1 core", s, ours,
         f"FMA peak {median(peak):.0f} GFLOP/s; floor.c {seconds(floor)}", ratio("ideal", ours, 100, " %", 0), "≥ 45 %")

TORCH, JAX = ["torch-eager", "torch-compiled"], ["jax"]
beside = f"peers/{best}/1/TrainStep/{NARROW}/float32/plain"
ours, one = (f"flow/{best}/{cores}/TrainStep/{NARROW}/float32/symmetrised" for cores in (2, 1))
for peers, two_cores in ((JAX, "≥ 8 × faster"), (TORCH, "≥ 10 × faster")):
    peer_line("training step, 10-10-10, float32, 1 core", best, beside, "plain", peers, "1", "≥ 8 × faster")
    peer_line("training step, symmetrised, 10-10-10, float32, 2 cores", best, ours, "symmetrised", peers, "12",
              two_cores)
line("the same on two cores against one", best, ours, seconds(one), ratio(one, ours, unit=" ×"), "≥ 1.8 ×")
if "memory" in samples:
    others = [(TITLES[n.split("/")[0]], median(n + "/memory"))
              for n in (fastest("symmetrised", [p], "12") for p in TORCH + JAX) if n]
    row("peak memory of that training", best, f"{median('memory'):.0f} MiB",
        "; ".join(f"{title} {mib:.0f} MiB" for title, mib in others) or NONE, f"{median('memory'):.0f} MiB", "≤ 120 MB")

for kind, text in (("plain", ""), ("symmetrised", ", symmetrised")):
    leap, step = (f"flow/{best}/2/{b}/{NARROW}/float64/{kind}" for b in ("Leapfrog", "TrainStep"))
    line(f"latent leapfrog step{text}, 512 chains, float64, 2 cores", best, leap,
         f"training step {seconds(step)}", ratio(leap, step, unit=" ×"), "≤ 0.75 ×")
large, small = (f"flow/{best}/2/TrainStep/{lattice}/hidden=10-10-10/float32/plain" for lattice in ("L=64", "L=16"))
line("training step at L = 64, float32, 2 cores", best, large, f"16 × L = 16: 16 × {seconds(small)}",
     ratio(large, small, 1 / 16, " ×"), "≤ 1.15 ×")

for density, text in (("ising", "Ising model"), ("phi4", "φ⁴")):
    sweep, peer, step = f"flow/{best}/1/PhysicalSweep/{density}", f"blackjax/{density}/1", f"step/{density}"
    if sweep in samples:  # a sweep is ten leapfrog steps
        samples[step] = {k: v / 10 for k, v in samples[sweep].items()}
    line(f"leapfrog step, {text}, 512 chains, float64, 1 core", best, step, f"BlackJAX {seconds(peer)}",
         ratio(peer, step, unit=" × faster", digits=1), NONE)
for n, text in (("10000", "10⁴"), ("100000", "10⁵")):
    ours, peer = f"mi/{n}", f"scikit-learn/{n}"
    line(f"KSG mutual information, k = 3, {text} samples, 1 core", "—", ours, f"scikit-learn {seconds(peer)}",
         ratio(peer, ours, unit=" × faster", digits=1), NONE)

for bits in ("32", "64"):
    now, before = (f"{b}/plain/1/TrainStep/{NARROW}/float{bits}/plain" for b in ("flow", "before"))
    line(f"training step, 10-10-10, float{bits}, 1 core", "plain Go", now, f"before: {seconds(before)}",
         ratio(now, before, unit=" ×"), "≤ 1 ×")
