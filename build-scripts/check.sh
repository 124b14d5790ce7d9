#!/usr/bin/env bash
# Runs every check of the sources that is not a test: the check_*.sh beside it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

failed=()
for check in "$root"/build-scripts/check_*.sh; do
  "$check" || failed+=("$(basename "$check")")
done
[[ ${#failed[@]} -eq 0 ]] || die "failed: ${failed[*]}"
