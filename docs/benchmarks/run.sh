#!/usr/bin/env bash
# Measures what docs/benchmarks.md states and prints its table.
#
#   docs/benchmarks/run.sh [-quick] [-rounds N] [-before DIR] [-samples FILE]
#
#   -quick         one short round, to see that everything works
#   -rounds N      rounds of measurements, 5 by default
#   -before DIR    a checkout of an earlier revision: the plain Go kernels of
#                  both are compared
#   -samples FILE  keep all measurements: round, name and value in each line
#
# Needs Go, a C compiler (CC, cc by default) and python3; PyTorch is a peer if
# $PYTHON, python3 or /usr/bin/python3 can import it. Meant for a machine that
# does nothing else.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

rounds=5 benchtime=1s floor_steps=9 wide_steps=3 torch_steps=3 before="" samples=""
while [ $# -gt 0 ]; do
  case $1 in
  -quick) rounds=1 benchtime=0.2s floor_steps=5 wide_steps=1 torch_steps=2 ;;
  -rounds) rounds=${2:?} && shift ;;
  -before) before=$(cd "${2:?}" && pwd) && shift ;;
  -samples) samples=$(cd "$(dirname "${2:?}")" && pwd)/$(basename "$2") && shift ;;
  *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
  esac
  shift
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
samples=${samples:-$tmp/samples}
: >"$samples"
say() { echo "$*" >&2; }

# One core: always the same one, the last that we may use.
pin=(env)
if command -v taskset >/dev/null; then
  pin=(taskset -c "$(taskset -pc $$ | sed 's/.*[ ,-]//')")
fi

say "building"
(cd "$root" && go test -c -o "$tmp/flow.test" ./flow && go build -o "$tmp/ising2d" ./examples/ising2d)
if [ -n "$before" ]; then
  (cd "$before" && go test -c -o "$tmp/before.test" ./flow)
fi

# Kernels that this processor has, the fastest first.
sets=()
for variant in avx512 avx2; do
  if ! NEURALRG_KERNEL=$variant "$tmp/flow.test" -test.run '^$' 2>/dev/null | grep -q '^no variant'; then
    sets+=("$variant")
  fi
done
[ ${#sets[@]} -gt 0 ] || sets=(plain)
best=${sets[0]}

for set in "${sets[@]}"; do
  case $set in
  avx512) flags=(-march=native -mprefer-vector-width=512) ;;
  avx2) flags=(-march=x86-64-v3) ;;
  plain) flags=(-mcpu=native) ;;
  esac
  compile=("${CC:-cc}" -O3 -ffast-math "${flags[@]}" "$here/floor.c")
  "${compile[@]}" -o "$tmp/floor-$set-32-10" -lm
  "${compile[@]}" -o "$tmp/floor-$set-64-10" -DDBL -lm
  "${compile[@]}" -o "$tmp/floor-$set-32-64" -DH=64 -DNM=2 -lm
  "${compile[@]}" -o "$tmp/floor-$set-64-64" -DH=64 -DNM=2 -DDBL -lm
done

torch=""
for p in ${PYTHON:-} python3 /usr/bin/python3; do
  if command -v "$p" >/dev/null && "$p" -c 'import torch' 2>/dev/null; then
    torch=$p
    break
  fi
done
[ -n "$torch" ] || say "no PyTorch: that peer is left out"

record() { # name value...
  local name=$1 value
  shift
  for value in "$@"; do echo "$round $name $value" >>"$samples"; done
}

# Measurements. Each is one command with its arguments.

floor() { # set precision hidden
  local steps=$floor_steps line
  [ "$3" = 10 ] || steps=$wide_steps
  line=$("${pin[@]}" "$tmp/floor-$1-$2-$3" "$steps")
  record "floor/$1/$2/$3" "$(sed 's/.*training step \([0-9.]*\).*/\1/' <<<"$line")"
  record "peak/$1/$2" "$(sed 's/.*FMA peak \([0-9.]*\).*/\1/' <<<"$line")"
}

bench() { # binary kernels cores benchmark
  local place=(env) values
  [ "$3" != 1 ] || place=("${pin[@]}")
  values=$(cd "$root/flow" && NEURALRG_KERNEL=$2 "${place[@]}" "$tmp/$1.test" -test.run '^$' \
    -test.bench "^Benchmark${4//\//\$/^}\$" -test.cpu "$3" -test.benchtime $benchtime |
    awk '$4 == "ns/op" { print $3 / 1e9 }')
  record "$1/$2/$3/$4" $values
}

# Two threads of PyTorch wait for each other by spinning, which takes forever
# if anything else runs. A peer gets a minute.
peer() { # threads
  local limit=(env) line
  [ -n "$torch" ] || return 0
  if command -v timeout >/dev/null; then limit=(timeout 60); fi
  if ! line=$(OMP_NUM_THREADS=$1 "${limit[@]}" "$torch" "$here/torch_step.py" --symmetric --threads "$1" \
    --steps $torch_steps); then
    say "PyTorch on $1 thread(s) failed, or took longer than a minute"
    return 0
  fi
  record "torch/$1" "$(sed 's/.*: \([0-9.]*\) s per step.*/\1/' <<<"$line")"
  record "torchMemory/$1" "$(sed 's/.*peak \([0-9]*\) MiB.*/\1/' <<<"$line")"
}

memory() {
  local run=("$tmp/ising2d" -recipe none -L 16 -steps 20 -sweeps 1 -chains 2 -measure 0 -out "$tmp/out")
  if /usr/bin/time -v true >/dev/null 2>&1; then
    record memory "$(/usr/bin/time -v "${run[@]}" 2>&1 >/dev/null | awk '/Maximum resident/ { print $NF / 1024 }')"
  else
    record memory "$("${run[@]}" 2>/dev/null | sed -n 's/.*peak memory \([0-9]*\) MB.*/\1/p')"
  fi
}

# together runs measurements that will be compared one right after the other,
# in every second round the last one first.
together() {
  local i at
  for ((i = 1; i <= $#; i++)); do
    at=$((round % 2 ? i : $# + 1 - i))
    ${!at}
  done
}

for ((round = 1; round <= rounds; round++)); do
  say "round $round of $rounds"
  narrow=L=16/hidden=10-10-10
  for set in "${sets[@]}"; do
    together "floor $set 32 10" "bench flow $set 1 TrainStep/$narrow/float32/plain"
    together "floor $set 64 10" "bench flow $set 1 TrainStep/$narrow/float64/plain"
    together "floor $set 32 64" "bench flow $set 1 TrainStep/L=16/hidden=64-64/float32/plain"
  done
  together "bench flow $best 2 TrainStep/$narrow/float32/symmetrised" \
    "bench flow $best 1 TrainStep/$narrow/float32/symmetrised" "peer 1" "peer 2"
  memory
  for kind in plain symmetrised; do
    together "bench flow $best 2 Leapfrog/$narrow/float64/$kind" "bench flow $best 2 TrainStep/$narrow/float64/$kind"
  done
  together "bench flow $best 2 TrainStep/$narrow/float32/plain" \
    "bench flow $best 2 TrainStep/L=64/hidden=10-10-10/float32/plain"
  for precision in float32 float64; do
    plain="bench flow plain 1 TrainStep/$narrow/$precision/plain"
    if [ -n "$before" ]; then
      together "$plain" "bench before plain 1 TrainStep/$narrow/$precision/plain"
    else
      together "$plain"
    fi
  done
done

model=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo 2>/dev/null || true)
version=${torch:+$("$torch" -c 'import torch; print(torch.__version__)')}
echo "${model:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores; $(go version | cut -d' ' -f3,4)," \
  "$(${CC:-cc} --version | head -1), PyTorch ${version:-left out};" \
  "median of $rounds rounds, load $(uptime | sed 's/.*average[s]*: *//')"
echo
python3 "$here/table.py" "$samples"
