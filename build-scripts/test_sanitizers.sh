#!/usr/bin/env bash
# Runs the tests under AddressSanitizer, ThreadSanitizer and Valgrind, and says after each which
# tests were skipped there and why. Goes on after a failure, and fails at the end.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

# report_skipped PRESET OUTPUT: joins ctest's list of skipped tests with the reasons that they
# printed ("SKIPPED: ..."), which ctest keeps in its log.
report_skipped() {
  awk -v preset="$1" '
    FNR == NR && /^[0-9]+\/[0-9]+ Testing: / { sub(/^[^:]*: /, ""); name = $0 }
    FNR == NR && sub(/^SKIPPED: /, "") { reason[name] = reason[name] ? reason[name] "; " $0 : $0 }
    FNR != NR && /^\t *[0-9]+ - .* \(Skipped\)$/ {
      sub(/^\t *[0-9]+ - /, ""); sub(/ \(Skipped\)$/, "")
      skipped[++count] = $0 ": " ($0 in reason ? reason[$0] : "no reason given")
    }
    END {
      printf "%s: %d tests skipped\n", preset, count
      for (i = 1; i <= count; ++i) print "  " skipped[i]
    }' "build/$1/Testing/Temporary/LastTest.log" "$2"
}

failed=()
for preset in asan tsan valgrind; do
  output=build/$preset/ctest.out
  mkdir -p "build/$preset"
  if ! build-scripts/test.sh "$preset" 2>&1 | tee "$output"; then failed+=("$preset"); fi
  if grep -q 'tests passed,' "$output"; then report_skipped "$preset" "$output"; fi
done
[[ ${#failed[@]} -eq 0 ]] || die "failed: ${failed[*]}"
