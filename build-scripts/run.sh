#!/usr/bin/env bash
# Builds the server program, installing what that takes, and becomes it: an echo server, and a web
# server with a page that shows the live state.
#
#   run.sh [OPTION...]                the server's options; run.sh --help lists them
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need build run
build_program evcoro_server
exec "$root/build/release/programs/evcoro_server" "$@"
