#!/usr/bin/env bash
# Runs the tests under AddressSanitizer, ThreadSanitizer and Valgrind, and says after each which
# tests were skipped there and why. Goes on after a failure, and fails at the end.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

# log_of PRESET: what ctest keeps of its last run.
log_of() {
  printf 'build/%s/Testing/Temporary/LastTest.log' "${1/#valgrind/release}"
}

# report_skipped PRESET: lists the test cases that were skipped and why, which is what they printed
# ("SKIPPED: ..."). ctest keeps that in its log.
report_skipped() {
  awk -v preset="$1" '
    /^[0-9]+\/[0-9]+ Testing: / { sub(/^[^:]*: /, ""); test = name = $0 }
    /^TEST CASE: / { name = test ": " substr($0, 12) }
    sub(/^SKIPPED: /, "") { skipped[++count] = name ": " $0 }
    END {
      printf "%s: %d tests skipped\n", preset, count
      for (i = 1; i <= count; ++i) print "  " skipped[i]
    }' "$(log_of "$1")"
}

failed=()
for preset in asan-clang tsan valgrind; do
  rm -f "$(log_of "$preset")"
  build-scripts/test.sh "$preset" || failed+=("$preset")
  if [[ -e $(log_of "$preset") ]]; then report_skipped "$preset"; fi
done
[[ ${#failed[@]} -eq 0 ]] || die "failed: ${failed[*]}"
