#!/usr/bin/env bash
# Everything that a real GPU is for, in one call: the kernels' conformance suite, then training, then the benchmarks against
# PyTorch on the same GPU. Needs artifacts/gpu/kfac-gpu.tar.xz (publish.sh), and for the comparison a Python with PyTorch.
#   bench/gpu/run.sh [PYTHON]        default python3; "none" measures without a peer
# Writes bench/results/GPU-DATE.json (into $OUT instead of bench/results where OUT is set), and the logs beside it. A part that
# fails is noted in the result and the rest goes on; the exit code is 0 when every part succeeded.
# README.md beside this says what to look at first.
# Everything takes ten to twenty minutes. Where calls must be shorter, KFAC_PARTS takes some of conformance, train, products (GEMM
# and factors, with their distance from float64 in every precision, ours and PyTorch's), warpgroups (our large products with Hopper's own
# instructions and without them, and which won) and inverses (with eigendecompositions and whole steps), or bench for the last
# three; each call writes GPU-DATE-PARTS.json. Within 600 seconds a call:
#   KFAC_PARTS=conformance,train bench/gpu/run.sh; KFAC_PARTS=products bench/gpu/run.sh;
#   KFAC_PARTS=warpgroups bench/gpu/run.sh; KFAC_PARTS=inverses bench/gpu/run.sh
# Every call first runs the tests of Hopper's instructions (two minutes at most). Where they fail or hang, everything else goes on without
# these instructions (KFAC_WARPGROUPS=0), and "warpgroup-tests" in the result says so; KFAC_WARPGROUPS=0 or 1 given decides without asking.
# KFAC_FILTER=TEXT takes only those conformance tests whose names have TEXT; KFAC_CONFORMANCE_SECONDS (450) and KFAC_PART_SECONDS (240)
# are how long conformance and each other part may take.
# To try it without a GPU: KFAC_KEY=cpu/Avx2/2 KFAC_DEVICE=cpu KFAC_QUICK=1 bench/gpu/run.sh none
set -uo pipefail
cd "$(dirname "$0")/../.."
python="${1:-python3}"
key="${KFAC_KEY:-cuda/0}"
device="${KFAC_DEVICE:-cuda}"
results="${OUT:-bench/results}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$results"
tar -C "$work" -xJf artifacts/gpu/kfac-gpu.tar.xz || exit 1
export DOTNET_ROOT="$work/dotnet" DOTNET_CLI_TELEMETRY_OPTOUT=1
kfac="$work/kfac"
parts=()
status=0

if [ "$device" = cpu ]; then
    gpu=cpu
else
    gpu="$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr -cs 'A-Za-z0-9\n' - | sed 's/-*$//' | tr 'A-Z' 'a-z')"
fi
base="$results/${gpu:-gpu}-$(date -u +%F)${KFAC_PARTS:+-${KFAC_PARTS//,/-}}"

wanted() {
    case ",${KFAC_PARTS:-conformance,train,bench}," in
        *",$1,"*) return 0 ;;
        *,bench,*) [ "$1" = products ] || [ "$1" = warpgroups ] || [ "$1" = inverses ] ;;
        *) return 1 ;;
    esac
}

against=()
[ "$python" = none ] || against=(--against "$python")
rounds=()
[ -z "${KFAC_QUICK:-}" ] || rounds=(--rounds 1 --round-seconds 0)

# part NAME COMMAND...: its standard output is JSON and becomes a member of the result.
part() {
    local name="$1" code=0
    shift
    echo "== $name" >&2
    timeout "${KFAC_PART_SECONDS:-240}" "$@" >"$work/$name.json" 2>"$work/$name.log" || code=$?
    if [ "$code" -ne 0 ]; then
        status=1
        tail -1 "$work/$name.log" >&2
    fi
    [ -s "$work/$name.json" ] && [ "$code" -eq 0 ] || echo null >"$work/$name.json"
    cat "$work/$name.log" >>"$base.log"
    parts+=("\"$name\":{\"exitCode\":$code,\"result\":$(cat "$work/$name.json")}")
}

: >"$base.log"

# conformance NAME SECONDS FILTER: the tests whose names have FILTER, all where it is empty.
conformance() {
    local name="$1" code=0 summary
    echo "== $name on $key" >&2
    timeout -k 10 "$2" "$work/kfac-conformance" "$key" ${3:+"$3"} >"$work/$name.log" 2>&1 || code=$?
    cat "$work/$name.log" >>"$base.log"
    summary="$(tail -1 "$work/$name.log" | tr -d '"\\')"
    echo "$summary" >&2
    parts+=("\"$name\":{\"exitCode\":$code,\"result\":\"$summary\"}")
    # Nothing but skipped tests is no failure: another GPU has none of these instructions.
    [ "$code" -eq 0 ] || [[ "$summary" = "0 passed, 0 failed"* ]] || status=1
    return "$code"
}

if [ -z "${KFAC_WARPGROUPS:-}" ]; then
    if conformance warpgroup-tests 120 Warpgroup; then
        KFAC_WARPGROUPS=1
    else
        KFAC_WARPGROUPS=0
        echo "Everything else goes on without Hopper's own instructions." >&2
    fi
fi
export KFAC_WARPGROUPS
! wanted conformance || conformance conformance "${KFAC_CONFORMANCE_SECONDS:-450}" "${KFAC_FILTER:-}"

if [ -z "${KFAC_QUICK:-}" ]; then
    steps=200
    factors=(--shape 1,12544,1536 --shape 1,8192,3072 --shape 1,65536,576 --shape 256,196,768)
    convolutions=(--conv 128,64,32,32,3,1,1 --conv 128,128,16,16,3,1,1 --conv 128,256,8,8,3,1,1 --conv 2048,64,32,32,3,1,1)
    sizes=(--size 256 --size 768 --size 1024 --size 2304)
    products=(--shape 1024,1024,1024 --shape 4096,4096,4096)
    sets=(wrn16-4 gpt2-small)
    once=(--rounds 2 --round-seconds 0)
else
    steps=2
    factors=(--shape 1,64,32)
    convolutions=(--conv 2,4,8,8,3,1,1)
    sizes=(--size 16)
    products=(--shape 64,64,64)
    sets=(mnist-mlp)
    once=("${rounds[@]}")
fi

# bench NAME COMMAND...: a part that times on the device, against PyTorch, with bench_env before the command.
bench_env=()
bench() {
    local name="$1"
    shift
    part "$name" "${bench_env[@]}" "$kfac" bench "$@" --device "$device" "${against[@]}" --json
}

part devices "$kfac" devices --json
if wanted train; then
    part train "$kfac" train mnist-mlp --device "$device" --steps "$steps" --json
fi

if wanted products; then
    part limits "$kfac" bench limits --device "$device" --json
    bench gemm gemm "${products[@]}" "${rounds[@]}" --errors
    bench factors factors "${factors[@]}" "${rounds[@]}" --errors
    for precision in tf32 bfloat16 fma; do
        bench "gemm-$precision" gemm "${products[@]}" --precision "$precision" "${rounds[@]}" --errors
        bench "factors-$precision" factors "${factors[@]}" --approx expand --precision "$precision" "${rounds[@]}" --errors
    done
    bench convolutions factors "${convolutions[@]}" "${rounds[@]}"
fi

# Prints each case of part NAME-0 with its times without and with Hopper's own instructions, and which of them won.
compare() {
    cases() { grep -o '"shape":"[^"]*"\|"medianSeconds":[0-9.eE+-]*' "$work/$1.json" | cut -d: -f2- | tr -d '"' | paste - - | sort -u; }
    join -t $'\t' <(cases "$1-0") <(cases "$1-1") |
        awk -F '\t' -v name="$1" '{ printf "%s %s: %.1f us without, %.1f us with: %s\n", name, $1, 1e6 * $2, 1e6 * $3, $3 < $2 ? "with" : "without" }' |
        tee -a "$base.log" >&2
}

# Our large products with Hopper's own instructions and without, and which took less time.
if wanted warpgroups; then
    peers=("${against[@]}")
    against=()
    for precision in float32 tf32; do
        for taken in $(seq 0 "$KFAC_WARPGROUPS"); do
            bench_env=(env "KFAC_WARPGROUPS=$taken")
            bench "gemm-$precision-warpgroups-$taken" gemm "${products[@]}" --precision "$precision" "${rounds[@]}"
            bench "factors-$precision-warpgroups-$taken" factors "${factors[@]}" --approx expand --precision "$precision" "${rounds[@]}"
        done

        if [ "$KFAC_WARPGROUPS" = 1 ]; then
            compare "gemm-$precision-warpgroups"
            compare "factors-$precision-warpgroups"
        fi
    done
    bench_env=()
    against=("${peers[@]}")
fi

if wanted inverses; then
    bench inverse inverse "${sizes[@]}" --kind cholesky "${rounds[@]}"
    bench eigh inverse "${sizes[@]}" --kind eigh "${rounds[@]}"
    bench eigh-warm inverse "${sizes[@]}" --kind eigh --warm 0.999 "${rounds[@]}"
    for set in "${sets[@]}"; do
        bench "inverse-$set" inverse --set "$set" --kind cholesky "${rounds[@]}"
        bench "eigh-$set" inverse --set "$set" --kind eigh "${once[@]}"
    done
    bench step step mnist-mlp "${rounds[@]}"
fi

(IFS=,; echo "{\"gpu\":\"$gpu\",\"date\":\"$(date -u +%F)\",\"driver\":\"$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -1)\",${parts[*]}}") >"$base.json"
echo "$base.json" >&2
exit "$status"
