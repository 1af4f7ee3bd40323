"""Prints the table of docs/benchmarks.md from the samples of run.sh.

A line of samples is a round, the name of a measurement and its value. Values
are medians over the rounds, and a ratio is the median of the ratios of each
round, with the smallest and the largest one in brackets.
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


row("work, L = 16, batch 512, 10 couplings", "kernels", "neuralrg", "compared with", "measured", "must reach")
row(*["---"] * 6)

sets = [s for s in ("avx512", "avx2", "plain") if f"floor/{s}/32/10" in samples]
best = sets[0]
for bits in ("32", "64"):
    for s in sets:
        ours, floor = f"flow/{s}/1/TrainStep/{NARROW}/float{bits}/plain", f"floor/{s}/{bits}/10"
        row(f"training step, 10-10-10, float{bits}, 1 core", s, seconds(ours), f"floor.c {seconds(floor)}",
            ratio(ours, floor, unit=" ×"), "≤ 1.3 ×")
for s in sets:
    ours, floor, peak = f"flow/{s}/1/TrainStep/L=16/hidden=64-64/float32/plain", f"floor/{s}/32/64", f"peak/{s}/32"
    # Our rate over the peak, as a ratio of times.
    samples["ideal"] = {k: FLOPS / 1e9 / v for k, v in samples[peak].items()}
    row("training step, 64-64, float32, 1 core", s, seconds(ours),
        f"FMA peak {median(peak):.0f} GFLOP/s; floor.c {seconds(floor)}",
        ratio("ideal", ours, 100, " %", 0), "≥ 45 %")

ours, one = (f"flow/{best}/{cores}/TrainStep/{NARROW}/float32/symmetrised" for cores in (2, 1))
peers = [name for name in ("torch/1", "torch/2") if name in samples]
peer = min(peers, key=median, default="torch")
threads = peer[-1]
row("training step, symmetrised, 10-10-10, float32, 2 cores", best, seconds(ours),
    f"PyTorch {seconds(peer)}" + (f" with {threads} of 1 and 2 threads" if peers else ""),
    ratio(peer, ours, unit=" × faster", digits=1), "≥ 10 × faster")
row("the same on two cores against one", best, seconds(ours), seconds(one), ratio(one, ours, unit=" ×"), "≥ 1.8 ×")
torch_memory = median(f"torchMemory/{threads}")
row("peak memory of that training", best, f"{median('memory'):.0f} MiB",
    f"PyTorch {torch_memory:.0f} MiB" if torch_memory else NONE, f"{median('memory'):.0f} MiB", "≤ 120 MB")

for kind, text in (("plain", ""), ("symmetrised", ", symmetrised")):
    leap, step = (f"flow/{best}/2/{b}/{NARROW}/float64/{kind}" for b in ("Leapfrog", "TrainStep"))
    row(f"latent leapfrog step{text}, 512 chains, float64, 2 cores", best, seconds(leap),
        f"training step {seconds(step)}", ratio(leap, step, unit=" ×"), "≤ 0.75 ×")
large, small = (f"flow/{best}/2/TrainStep/{lattice}/hidden=10-10-10/float32/plain" for lattice in ("L=64", "L=16"))
row("training step at L = 64, float32, 2 cores", best, seconds(large), f"16 × L = 16: 16 × {seconds(small)}",
    ratio(large, small, 1 / 16, " ×"), "≤ 1.15 ×")
for bits in ("32", "64"):
    now, before = (f"{b}/plain/1/TrainStep/{NARROW}/float{bits}/plain" for b in ("flow", "before"))
    row(f"training step, 10-10-10, float{bits}, 1 core", "plain Go", seconds(now), f"before: {seconds(before)}",
        ratio(now, before, unit=" ×"), "≤ 1 ×")
