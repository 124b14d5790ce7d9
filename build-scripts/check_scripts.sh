#!/usr/bin/env bash
# Runs shellcheck over the project's own scripts.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need check

mapfile -t -d '' scripts < <(source_files '*.sh' .ci/run)
shellcheck -x -P SCRIPTDIR "${scripts[@]}"
echo "scripts: ${#scripts[@]} files"
