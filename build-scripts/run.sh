#!/usr/bin/env bash
# Builds the echo server, installing what that takes, and becomes it.
#
#   run.sh [OPTION...]                the server's options; run.sh --help lists them
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$root/build/release

need build run
# The server needs no tests, nor what they depend on. Configured once, ninja sees to the rest; so a
# build directory that test.sh has made is used as it is.
if [[ ! -e $build/build.ninja ]]; then
  echo "building the echo server in build/release ..." >&2
  quietly "$build/build.log" cmake -S "$root" --preset release -DEVCORO_BUILD_TESTS=OFF
fi
quietly "$build/build.log" cmake --build "$build" --target evcoro_echo_server

exec "$build/programs/evcoro_echo_server" "$@"
