#!/usr/bin/env bash
# Runs clang-tidy over the sources of the libraries, the programs and the tutorial, and so over the
# headers that they include. It sees the sources of a library as one (CMake's unity build), and those of
# the tutorial: most of its time goes into what all of them include.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need build check

# A build directory of its own: only the compile commands are wanted, and no tests. A new one each time,
# or sources that are gone would be looked for.
rm -rf build/tidy
quietly build/tidy/configure.log cmake --preset clang -B build/tidy -DEVCORO_BUILD_TESTS=OFF \
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0

# tidy FILE: silent when all is well, where clang-tidy still counts the warnings that it suppressed.
# What one source includes are the others here. Their exceptions are left to the compiler: where it
# sees what another source throws, clang-tidy doesn't see that it can't come to that.
tidy() {
  local output flags=()
  if [[ $1 == build/tidy/chapters.cpp ]]; then
    flags=(-- -std=c++20 -I. -Ievcoro/compat -Wno-return-type)  # main() in a namespace is none
  fi
  output=$(clang-tidy -p build/tidy --quiet --config-file=.clang-tidy \
    --header-filter='(stacks|corothread|evcoro|programs|tutorial)/.*\.[ch]pp$' \
    --checks=-bugprone-suspicious-include,-bugprone-exception-escape "$1" "${flags[@]}" 2>&1) || {
    grep -v 'warnings* generated\.$' <<<"$output"
    return 1
  }
}
export -f tidy

# all_chapters: one source of the chapters, each in a namespace of its own, for their names are often the
# same. What they include comes before, and does nothing where they include it again.
all_chapters() {
  local chapter
  cat "${chapters[@]}" | sed -nE 's,^#include "(.*)",#include <tutorial/\1>,; /^#include </p' | sort -u
  for chapter in "${chapters[@]}"; do
    printf 'namespace %s {\n#include "%s"\n}\n' "chapter_$(basename "$chapter" .cpp)" "$root/$chapter"
  done
}

mapfile -t -d '' chapters < <(source_files 'tutorial/*.cpp')
mapfile -t -d '' files < <(
  find build/tidy -path build/tidy/tutorial -prune -o -name 'unity_*_cxx.cxx' -print0 | sort -z
)
[[ ${#chapters[@]} -gt 0 && ${#files[@]} -gt 0 ]] || die "no sources found"
all_chapters >build/tidy/chapters.cpp
printf '%s\0' "${files[@]}" build/tidy/chapters.cpp | in_parallel tidy || die "clang-tidy has complaints"
echo "tidy: ${#files[@]} libraries and programs, ${#chapters[@]} chapters"
