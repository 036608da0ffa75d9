#!/usr/bin/env bash
# Compiles the kernels again and fails when the PTX that is committed is not what comes out. Says why where it cannot: there is
# no clang-19 and none can be installed, or it is another release than the one that made the PTX. What NVIDIA's compiler and assembler
# say where they are is CudaToolkitTests'.
set -euo pipefail
cd "$(dirname "$0")"
compiler="${KFAC_CLANG:-clang-19}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if ! command -v "$compiler" >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    timeout 300 apt-get install -y -qq clang-19 >"$work/apt" 2>&1 || true
fi

if ! command -v "$compiler" >/dev/null; then
    echo "PTX not compiled again: there is no $compiler, and it cannot be installed here."
else
    ./compile-ptx.sh "$work/ptx"
    made="$(sed -n '1s/.*clang \([0-9.]*\).*/\1/p' Ptx/*.ptx | sort -u)"
    here="$(sed -n '1s/.*clang \([0-9.]*\).*/\1/p' "$work"/ptx/*.ptx | sort -u)"
    if [ "$made" = "$here" ]; then
        diff -rq Ptx "$work/ptx" || { echo "The committed PTX differs from what its sources compile to; run compile-ptx.sh." >&2; exit 1; }
        echo "PTX compiled again: the same."
    else
        echo "PTX compiled again, but not compared: clang $here here, clang $made made it."
    fi
fi
