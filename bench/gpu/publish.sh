#!/usr/bin/env bash
# Packs what a GPU machine without the .NET SDK needs: the command, the conformance suite, and the .NET runtime of this
# machine's SDK, so that nothing has to be downloaded.
#   bench/gpu/publish.sh     -> artifacts/gpu/kfac-gpu.tar.xz, at most 64 MiB
# Run bench/gpu/run.sh on the machine then, in a copy of this tree with that file.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=artifacts/gpu
limit=$((64 << 20))
rm -rf "$target"
mkdir -p "$target/stage"
for project in src/KFac.Cli tests/KFac.Conformance; do
    dotnet publish "$project" -c Release --no-self-contained -p:DebugType=none -nologo -v q -o "$target/stage"
done
version="$(dotnet --list-runtimes | sed -n 's/^Microsoft\.NETCore\.App \(10\.[^ ]*\) .*/\1/p' | tail -1)"
root="$(dotnet --list-runtimes | sed -n "s|^Microsoft\.NETCore\.App $version \[\(.*\)/shared/Microsoft.NETCore.App\]|\1|p")"
for part in host/fxr "shared/Microsoft.NETCore.App/$version"; do
    mkdir -p "$target/stage/dotnet/$part"
    cp -r "$root/$part/." "$target/stage/dotnet/$part"
done
cp "$root/dotnet" "$target/stage/dotnet/"
find "$target/stage" -name '*.xml' -delete
tar -C "$target/stage" -cf - . | xz -T0 -6 >"$target/kfac-gpu.tar.xz"
rm -rf "$target/stage"
size=$(stat -c %s "$target/kfac-gpu.tar.xz")
[ "$size" -le "$limit" ] || { echo "$target/kfac-gpu.tar.xz has $size bytes, more than $limit." >&2; exit 1; }
echo "$target/kfac-gpu.tar.xz: $((size >> 20)) MiB"
