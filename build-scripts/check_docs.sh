#!/usr/bin/env bash
# Checks that the listings in the documents equal the sources that they quote, and that relative
# links lead somewhere. sync_docs.sh brings the listings up to date.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need check

source_files '*.md' | xargs -0 -r python3 build-scripts/docs.py check
