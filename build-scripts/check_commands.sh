#!/usr/bin/env bash
# Checks that the commands of the documents that are no tests work: the server's, the tutorial's, and
# the benchmarks', whose figures go to a file for other programs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

help=$(build-scripts/run.sh --help)
[[ $help == *--echo-port* ]] || die "run.sh --help doesn't list the options"

build-scripts/tutorial.sh 1 | diff tutorial/expected/01_first_coroutine.txt - ||
  die "tutorial.sh 1 doesn't print what its page says"

figures=build/check_commands.json
quietly build/check_commands.log build-scripts/bench.sh --rounds 5 --json "$figures" spawn
python3 - "$figures" <<'PYTHON' || die "$figures is not what bench.sh promises"
import json, sys

rows = json.load(open(sys.argv[1], encoding="utf-8"))
assert rows, "no rows"
for row in rows:
    assert list(row) == ["suite", "case", "metric", "value", "unit", "baseline", "ratio"], row
    assert row["value"] > 0 and row["ratio"] > 0, row
PYTHON
echo "commands: run.sh, tutorial.sh and bench.sh"
