#!/usr/bin/env bash
# Builds the Debian packages of the libraries in build/packages, installing what that takes, and prints
# their names.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$root/build/package
folder=$root/build/packages

need build package
quietly "$build/build.log" cmake -S "$root" --preset release -B "$build" \
  -DCMAKE_INSTALL_PREFIX=/usr -DEVCORO_BUILD_TESTS=OFF -DEVCORO_BUILD_PROGRAMS=OFF \
  -DEVCORO_BUILD_TUTORIAL=OFF
quietly "$build/build.log" cmake --build "$build"
rm -rf "$folder"  # another version's would be offered to apt, too
quietly "$build/package.log" cpack --config "$build/CPackConfig.cmake" -B "$folder"
rm -rf "$folder/_CPack_Packages"
ls "$folder"/*.deb
