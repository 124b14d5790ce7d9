#!/usr/bin/env bash
# Runs clang-tidy over the sources of the libraries, the programs and the tutorial, and so over the
# headers that they include.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need build check

# A build directory of its own: only the compile commands are wanted, and no tests.
quietly build/tidy/configure.log cmake --preset clang -B build/tidy -DEVCORO_BUILD_TESTS=OFF

# tidy FILE: silent when all is well, where clang-tidy still counts the warnings that it suppressed.
tidy() {
  local output
  output=$(clang-tidy -p build/tidy --quiet "$1" 2>&1) || {
    grep -v 'warnings* generated\.$' <<<"$output"
    return 1
  }
}
export -f tidy

mapfile -t -d '' files < <(
  source_files 'stacks/*.cpp' 'corothread/*.cpp' 'evcoro/*.cpp' 'programs/*.cpp' 'tutorial/*.cpp'
)
[[ ${#files[@]} -gt 0 ]] || die "no sources found"
printf '%s\0' "${files[@]}" | in_parallel tidy || die "clang-tidy has complaints"
echo "tidy: ${#files[@]} files"
