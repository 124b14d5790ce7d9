#!/usr/bin/env bash
# Rewrites the listings in the documents from the sources that they quote; see docs.py.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need check

source_files '*.md' | xargs -0 -r python3 build-scripts/docs.py sync
