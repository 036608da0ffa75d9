#!/usr/bin/env bash
# Takes the measurements of kernels and steps that docs/PERFORMANCE.md shows of the CPU, into bench/results: about ten minutes that the
# machine should have to itself. The peer is a Python with PyTorch; how to set it up well is in docs/PERFORMANCE.md.
#
#   dotnet build -c Release && bash bench/cpu/run.sh /usr/bin/python3
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?usage: bench/cpu/run.sh PYTHON [BENCH …]}
shift
kfac=src/KFac.Cli/bin/Release/net10.0/kfac
wanted=("$@")

# measure NAME SECONDS-A-ROUND ARGUMENTS…: kfac bench ARGUMENTS, three rounds, into bench/results/bench-NAME.json.
measure() {
    local name=$1 seconds=$2
    shift 2
    if [ ${#wanted[@]} -gt 0 ] && [[ ! " ${wanted[*]} " == *" $name "* ]]; then return; fi
    echo "### kfac bench $*"
    "$kfac" bench "$@" --rounds "${ROUNDS:-3}" --round-seconds "$seconds" --out "bench/results/bench-$name.json"
}

peer=(--against "$python")
measure step-mnist-mlp 0.5 step mnist-mlp --batch 100 "${peer[@]}"
ROUNDS=6 measure step-cifar10-vit 1 step cifar10-vit --batch 64 "${peer[@]}"
measure step-shakespeare-gpt 0.5 step shakespeare-gpt "${peer[@]}"
ROUNDS=3 measure step-cifar10-wrn16-4 2 step cifar10-wrn16-4 "${peer[@]}"
measure factors 0.1 factors "${peer[@]}"
measure precondition 0.1 precondition --size 1000 --size 1024 --rows 100 "${peer[@]}"
measure inverse-cholesky 0.1 inverse --kind cholesky --size 256 --size 512 --size 1024 --size 2048 "${peer[@]}"
measure inverse-wrn16-4 0.1 inverse --set wrn16-4 "${peer[@]}"
measure inverse-eigh 0.1 inverse --kind eigh --size 64 --size 128 --size 256 --size 512 --size 1024 --size 2048 "${peer[@]}"
warm=(inverse --kind eigh --warm 0.999 --size 64 --size 256 --size 512 --size 1024)
measure inverse-eigh-warm 0.1 "${warm[@]}" --power 1.5 "${peer[@]}"
measure inverse-eigh-warm-flat 0.1 "${warm[@]}" "${peer[@]}"
measure gemm 0.05 gemm "${peer[@]}"
measure convolution 0.05 convolution "${peer[@]}"
measure elementwise 0.05 elementwise "${peer[@]}"
for width in 256 128; do
    measure "gemm-$width" 0.1 gemm --vector-width $width --shape 1024,1024,1024
    measure "factors-$width" 0.1 factors --vector-width $width --shape 64,196,384 --shape 8,1024,768 --shape 64,1024,64
    measure "inverse-cholesky-$width" 0.1 inverse --vector-width $width --kind cholesky --size 512 --size 1024
done
