#!/usr/bin/env bash
# Compiles Source/*.cu to PTX with clang-19 (Debian package clang-19; no CUDA toolkit) and writes Ptx/, or the folder given.
#   compile-ptx.sh [OUTPUT]        all sources
#   compile-ptx.sh --only STEM     one source, into Ptx/
# X.cu becomes X.sm_80.ptx, which any GPU from compute capability 8.0 on runs; X.sm_90a.cu becomes X.sm_90a.ptx, for Hopper's
# own instructions. The head of each file names its sources with their SHA-256; a test fails when one of them has changed.
set -euo pipefail
cd "$(dirname "$0")"
compiler="${KFAC_CLANG:-clang-19}"
output=Ptx
only=
case "${1:-}" in
    --only) only="${2:?--only needs a stem}" ;;
    ?*) output="$(mkdir -p "$1" && cd "$1" && pwd)" ;;
esac
command -v "$compiler" >/dev/null || { echo "compile-ptx.sh: there is no $compiler; install it with: apt-get install clang-19" >&2; exit 1; }

version="$("$compiler" --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"

# The file and all that it includes from Source/, each once.
sources() {
    local queue=("$1") seen=" " file
    while [ ${#queue[@]} -gt 0 ]; do
        file="${queue[0]}"
        queue=("${queue[@]:1}")
        case "$seen" in *" $file "*) continue ;; esac
        seen="$seen$file "
        mapfile -t -O ${#queue[@]} queue < <(sed -n 's/^[[:space:]]*#[[:space:]]*include "\([^"]*\.cuh\?\)".*/\1/p' "Source/$file")
    done
    tr ' ' '\n' <<<"$seen" | sed '/^$/d' | LC_ALL=C sort
}

compile() {
    local source="$1" architecture="$2" ptx="$3" target="$4" file
    "$compiler" -x cuda --cuda-device-only -nocudainc -nocudalib "--cuda-gpu-arch=$architecture" "--cuda-feature=+$ptx" -std=c++20 -O3 \
        -ffp-contract=off -fno-ident -Wall -Wextra -Werror -Wno-unknown-cuda-version -S "Source/$source" -o "$target.tmp"
    {
        echo "// Made by compile-ptx.sh with clang $version; do not edit."
        while read -r file; do
            echo "// source $file $(sha256sum <"Source/$file" | cut -d' ' -f1)"
        done < <(sources "$source")
        cat "$target.tmp"
    } >"$target"
    rm "$target.tmp"
}

[ -n "$only" ] || rm -f "$output"/*.ptx
mkdir -p "$output"
for path in Source/*.cu; do
    file="${path##*/}"
    stem="${file%.cu}"
    [ -z "$only" ] || [ "$only" = "${stem%.sm_90a}" ] || continue
    case "$stem" in
        *.sm_90a) compile "$file" sm_90a ptx80 "$output/$stem.ptx" ;;
        *) compile "$file" sm_80 ptx70 "$output/$stem.sm_80.ptx" ;;
    esac
done
