#!/usr/bin/env bash
# Configures and builds one preset of CMakePresets.json into build/PRESET; installs nothing.
#
#   build.sh [PRESET]                 PRESET: release (default), debug, asan, ...
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

preset=${1:-release}
cmake --preset "$preset"
cmake --build --preset "$preset"

echo
echo "Built in build/$preset:"
find "build/$preset" -path '*/CMakeFiles' -prune -o \
  -type f \( -name 'lib*.so*' -o -name 'lib*.a' -o -path '*/programs/*' -executable \) -print |
  sort | sed 's/^/  /'
