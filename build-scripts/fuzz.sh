#!/usr/bin/env bash
# Feeds the fuzz targets with what libFuzzer makes of their corpora, installing and building what that
# takes, as many at once as there are processors. A target stops at the first input that breaks
# something, and keeps it.
#
#   fuzz.sh [--seconds N | --runs N] [TARGET...]    request response chunks url; all, for 60 seconds each
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

limit=-max_total_time=60
targets=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --seconds | --runs)
      [[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 takes a number"
      if [[ $1 == --runs ]]; then limit=-runs=$2; else limit=-max_total_time=$2; fi
      shift
      ;;
    -*) die "no option '$1'; there are --seconds and --runs" ;;
    *) targets+=("$1") ;;
  esac
  shift
done
if [[ ${#targets[@]} -eq 0 ]]; then targets=(request response chunks url); fi

need build test sanitize
for target in "${targets[@]}"; do
  [[ -d tests/fuzz/corpus/$target ]] || die "no target '$target'; there are: $(cd tests/fuzz/corpus && echo *)"
done
build=build/fuzz
echo "building ${targets[*]} (output in $build/build.log) ..."
quietly "$build/build.log" cmake --preset fuzz
quietly "$build/build.log" cmake --build "$build" --target "${targets[@]/#/fuzz_}"

# What is found goes to the build directory: the corpora of the tree stay small.
fuzz() {
  local target=$1 found=$build/corpus/$1 runs
  mkdir -p "$found"
  "$build/tests/fuzz_$target" "$limit" -max_len=4096 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$build/$target-" "$found" "tests/fuzz/corpus/$target" >"$build/$target.log" 2>&1 || {
    tail -n 60 "$build/$target.log" >&2
    printf 'fuzz.sh: %s: an input breaks it, see %s\n' "$target" "$build/$target-*" >&2
    return 1
  }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log")
  echo "fuzz: $target: $runs runs, nothing found"
}
export -f fuzz
export build limit
printf '%s\0' "${targets[@]}" | in_parallel fuzz || die "an input breaks a target"
