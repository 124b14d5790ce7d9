#!/usr/bin/env bash
# Builds the echo server, installing what that takes, and becomes it.
#
#   run.sh [OPTION...]                the server's options; run.sh --help lists them
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need build run
build_program evcoro_echo_server
exec "$root/build/release/programs/evcoro_echo_server" "$@"
