#!/usr/bin/env bash
# Builds one preset, installing what that takes, and runs its tests.
#
#   test.sh [PRESET] [CTEST_OPTION...]          PRESET: release (default), debug, asan, valgrind ...
#   test.sh tsan -R channel                     the tests of one preset whose names match
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

preset=release
if [[ $# -gt 0 && $1 != -* ]]; then
  preset=$1
  shift
fi

build=$preset
groups=(build test)
launcher=()
case $preset in
  clang) groups+=(sanitize) ;;
  aarch64) groups+=(aarch64) ;;
  valgrind) build=release ;;
  asan* | tsan)
    groups+=(sanitize)
    # These sanitizers find no place for their shadow memory where the kernel randomises addresses
    # by more than 28 bits. Some containers forbid the remedy; most have no need of it either.
    if setarch -R true 2>/dev/null; then launcher=(setarch -R); fi
    ;;
esac
need "${groups[@]}"

echo "building preset $build (output in build/$build/build.log) ..."
quietly "build/$build/build.log" build-scripts/build.sh "$build"
exec "${launcher[@]}" ctest --preset "$preset" --output-on-failure -j2 "$@"
