#!/usr/bin/env bash
# Measures what docs/benchmarks.md states and prints its table.
#
#   docs/benchmarks/run.sh [-quick] [-rounds N] [-only PART] [-before DIR] [-samples FILE]
#
#   -quick         one short round, to see that everything works; peers have
#                  one thread, and KSG has no 10⁵ samples
#   -rounds N      rounds of measurements, 5 by default
#   -only PART     one part: floor, step (training steps and their peers),
#                  leapfrog, size, hmc, ksg or plain
#   -before DIR    a checkout of an earlier revision: the plain Go kernels of
#                  both are compared
#   -samples FILE  keep all measurements: round, name and value in each line
#
# Needs Go, a C compiler (CC, cc by default) and python3. Peers are PyTorch, JAX
# with Optax, BlackJAX and scikit-learn, those which $PYTHON, python3 or
# /usr/bin/python3 can import. Meant for a machine that does nothing else.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

rounds=5 benchtime=1s floor_steps=9 wide_steps=3 peer_steps=5 peer_threads="1 2" ksg_sizes="10000 100000"
only="" before="" samples=""
while [ $# -gt 0 ]; do
  case $1 in
  -quick)
    rounds=1 benchtime=0.2s floor_steps=5 wide_steps=1 peer_steps=2 peer_threads=1 ksg_sizes=10000
    ;;
  -rounds) rounds=${2:?} && shift ;;
  -only)
    only=${2:?} && shift
    case $only in
    floor | step | leapfrog | size | hmc | ksg | plain) ;;
    *) echo "-only: no part $only" >&2 && exit 2 ;;
    esac
    ;;
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

# One core: always the same one, the last that we may use. Two: the last two.
pin=(env) pin2=(env)
if command -v taskset >/dev/null; then
  cores=($(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))'))
  pin=(taskset -c "${cores[-1]}")
  pin2=(taskset -c "$(IFS=, && echo "${cores[*]: -2}")")
fi

say "building"
(cd "$root" && go test -c -o "$tmp/flow.test" ./flow && go build -o "$tmp/ising2d" ./examples/ising2d &&
  go build -o "$tmp/mi" ./docs/benchmarks/mi)
if [ -n "$before" ]; then
  (cd "$before" && go test -c -o "$tmp/before.test" ./flow)
fi

# Kernels that this processor has, the fastest first.
sets=()
for variant in avx512 avx2 neon; do
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
  neon | plain) flags=(-mcpu=native) ;;
  esac
  compile=("${CC:-cc}" -O3 -ffast-math "${flags[@]}" "$here/floor.c")
  "${compile[@]}" -o "$tmp/floor-$set-32-10" -lm
  "${compile[@]}" -o "$tmp/floor-$set-64-10" -DDBL -lm
  "${compile[@]}" -o "$tmp/floor-$set-32-64" -DH=64 -DNM=2 -lm
  "${compile[@]}" -o "$tmp/floor-$set-64-64" -DH=64 -DNM=2 -DDBL -lm
done

# An interpreter that can import all modules of a peer, or nothing.
interpreter() { # peer modules
  local p
  for p in ${PYTHON:-} python3 /usr/bin/python3; do
    if command -v "$p" >/dev/null && "$p" -c "import $2" 2>/dev/null; then
      echo "$p"
      return
    fi
  done
  say "no $1: that peer is left out"
}
torch=$(interpreter PyTorch "numpy, torch")
jax=$(interpreter JAX "numpy, optax, jax")
blackjax=$(interpreter BlackJAX "numpy, jax, blackjax")
sklearn=$(interpreter scikit-learn "numpy, sklearn.feature_selection")

# What a peer compiles is kept for the next round.
export JAX_COMPILATION_CACHE_DIR=$tmp/jax TORCHINDUCTOR_CACHE_DIR=$tmp/inductor
export PYTHONDONTWRITEBYTECODE=1

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

bench() { # binary kernels cores benchmark [name instead of binary]
  local place=(env) values
  [ "$3" != 1 ] || place=("${pin[@]}")
  values=$(cd "$root/flow" && NEURALRG_KERNEL=$2 "${place[@]}" "$tmp/$1.test" -test.run '^$' \
    -test.bench "^Benchmark${4//\//\$/^}\$" -test.cpu "$3" -test.benchtime $benchtime |
    awk '$4 == "ns/op" { print $3 / 1e9 }')
  record "${5:-$1}/$2/$3/$4" $values
}

# A peer gets five minutes, most of them to compile. Two threads of PyTorch wait
# for each other by spinning, which takes forever if anything else runs. A peer
# that failed once is left out of later rounds.
peer() { # name interpreter's-variable threads script arguments...
  local name=$1/$3 python=${!2} threads=$3 script=$4 line limit=(env) place=("${pin[@]}")
  shift 4
  if [ -z "$python" ] || grep -qx "$name" "$tmp/failed" 2>/dev/null; then return 0; fi
  if command -v timeout >/dev/null; then limit=(timeout 300); fi
  [ "$threads" = 1 ] || place=("${pin2[@]}")
  if ! line=$(OMP_NUM_THREADS=$threads "${limit[@]}" "${place[@]}" "$python" "$here/$script" "$@" \
    --threads "$threads" --steps $peer_steps 2>"$tmp/error"); then
    say "$name failed, or took longer than five minutes: $(tail -1 "$tmp/error")"
    echo "$name" >>"$tmp/failed"
    return 0
  fi
  record "$name" "$(sed 's/.*: \([0-9.]*\) s per step.*/\1/' <<<"$line")"
  record "$name/memory" "$(sed 's/.*peak \([0-9]*\) MiB.*/\1/' <<<"$line")"
  record "$name/check" "$(sed 's/.*check \([-0-9.]*\).*/\1/' <<<"$line")"
}

# peers makes training steps with PyTorch and JAX, in all their ways.
peers() { # kind threads...
  local kind=$1 flag="" threads
  shift
  [ "$kind" = plain ] || flag=--symmetric
  for threads in "$@"; do
    together "peer torch-eager/$kind torch $threads torch_step.py $flag" \
      "peer torch-compiled/$kind torch $threads torch_step.py --compile $flag" \
      "peer jax/$kind jax $threads jax_step.py $flag"
  done
}

# Both estimates come from one process each, on the same samples.
ksg() { # samples
  local line order=()
  [ -n "$sklearn" ] || return 0
  ((round % 2)) || order=(-peer-first)
  if ! line=$(PYTHON=$sklearn "${pin[@]}" "$tmp/mi" -n "$1" ${order[@]+"${order[@]}"}); then
    say "KSG with $1 samples failed"
    return 0
  fi
  record "mi/$1" "$(sed 's/.* mi [-0-9.]* in \([0-9.]*\) s.*/\1/' <<<"$line")"
  record "scikit-learn/$1" "$(sed 's/.* in \([0-9.]*\) s$/\1/' <<<"$line")"
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

# part tells whether a part is to be measured.
part() { [ "${only:-$1}" = "$1" ]; }

narrow=L=16/hidden=10-10-10
for ((round = 1; round <= rounds; round++)); do
  say "round $round of $rounds"
  if part floor; then
    for set in "${sets[@]}"; do
      together "floor $set 32 10" "bench flow $set 1 TrainStep/$narrow/float32/plain"
      together "floor $set 64 10" "bench flow $set 1 TrainStep/$narrow/float64/plain"
      together "floor $set 32 64" "bench flow $set 1 TrainStep/L=16/hidden=64-64/float32/plain"
    done
  fi
  if part step; then
    together "bench flow $best 1 TrainStep/$narrow/float32/plain peers" "peers plain 1"
    together "bench flow $best 2 TrainStep/$narrow/float32/symmetrised" \
      "bench flow $best 1 TrainStep/$narrow/float32/symmetrised" "peers symmetrised $peer_threads"
    memory
  fi
  if part leapfrog; then
    for kind in plain symmetrised; do
      together "bench flow $best 2 Leapfrog/$narrow/float64/$kind" "bench flow $best 2 TrainStep/$narrow/float64/$kind"
    done
  fi
  if part size; then
    together "bench flow $best 2 TrainStep/$narrow/float32/plain" \
      "bench flow $best 2 TrainStep/L=64/hidden=10-10-10/float32/plain"
  fi
  if part hmc; then
    for density in ising phi4; do
      together "bench flow $best 1 PhysicalSweep/$density" \
        "peer blackjax/$density blackjax 1 blackjax_hmc.py --density $density"
    done
  fi
  if part ksg; then
    for n in $ksg_sizes; do ksg "$n"; done
  fi
  if part plain; then
    for precision in float32 float64; do
      plain="bench flow plain 1 TrainStep/$narrow/$precision/plain"
      if [ -n "$before" ]; then
        together "$plain" "bench before plain 1 TrainStep/$narrow/$precision/plain"
      else
        together "$plain"
      fi
    done
  fi
done

version() { # interpreter module
  [ -n "$1" ] || { echo "left out" && return; }
  "$1" -c "import $2; print($2.__version__)"
}
model=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo 2>/dev/null || true)
echo "${model:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores; $(go version | cut -d' ' -f3,4)," \
  "$(${CC:-cc} --version | head -1), PyTorch $(version "$torch" torch), JAX $(version "$jax" jax)," \
  "BlackJAX $(version "$blackjax" blackjax), scikit-learn $(version "$sklearn" sklearn);" \
  "median of $rounds rounds, load $(uptime | sed 's/.*average[s]*: *//')"
echo
python3 "$here/table.py" "$samples"
