#!/usr/bin/env bash
# Everything that a real GPU is for, in one call: the kernels' conformance suite, then training, then the benchmarks against
# PyTorch on the same GPU. Needs artifacts/gpu/kfac-gpu.tar.xz (publish.sh), and for the comparison a Python with PyTorch.
#   bench/gpu/run.sh [PYTHON]        default python3; "none" measures without a peer
# Writes bench/results/GPU-DATE.json (into $OUT instead of bench/results where OUT is set), and the logs beside it. A part that
# fails is noted in the result and the rest goes on; the exit code is 0 when every part succeeded.
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
base="$results/${gpu:-gpu}-$(date -u +%F)"

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
echo "== conformance on $key" >&2
"$work/kfac-conformance" "$key" ${KFAC_FILTER:+"$KFAC_FILTER"} >"$work/conformance.log" 2>&1
code=$?
[ "$code" -eq 0 ] || status=1
cat "$work/conformance.log" >>"$base.log"
summary="$(tail -1 "$work/conformance.log" | tr -d '"\\')"
echo "$summary" >&2
parts+=("\"conformance\":{\"exitCode\":$code,\"result\":\"$summary\"}")

if [ -z "${KFAC_QUICK:-}" ]; then
    steps=200
    factors=(--shape 1,12544,1536 --shape 1,8192,3072 --shape 1,65536,576 --shape 256,196,768)
    convolutions=(--conv 128,64,32,32,3,1,1 --conv 128,128,16,16,3,1,1 --conv 128,256,8,8,3,1,1 --conv 2048,64,32,32,3,1,1)
    sizes=(--size 256 --size 768 --size 1024 --size 2304)
else
    steps=2
    factors=(--shape 1,64,32)
    convolutions=(--conv 2,4,8,8,3,1,1)
    sizes=(--size 16)
fi

part devices "$kfac" devices --json
part train "$kfac" train mnist-mlp --device "$device" --steps "$steps" --json
part limits "$kfac" bench limits --device "$device" --json
part factors "$kfac" bench factors "${factors[@]}" --device "$device" "${against[@]}" "${rounds[@]}" --json
part factorsTf32 "$kfac" bench factors "${factors[@]}" --approx expand --precision tf32 --device "$device" "${against[@]}" "${rounds[@]}" --json
part convolutions "$kfac" bench factors "${convolutions[@]}" --device "$device" "${against[@]}" "${rounds[@]}" --json
part inverse "$kfac" bench inverse "${sizes[@]}" --kind cholesky --device "$device" "${against[@]}" "${rounds[@]}" --json
part eigh "$kfac" bench inverse "${sizes[@]}" --kind eigh --device "$device" "${against[@]}" "${rounds[@]}" --json
part step "$kfac" bench step mnist-mlp --device "$device" "${against[@]}" "${rounds[@]}" --json

(IFS=,; echo "{\"gpu\":\"$gpu\",\"date\":\"$(date -u +%F)\",\"driver\":\"$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -1)\",${parts[*]}}") >"$base.json"
echo "$base.json" >&2
exit "$status"
