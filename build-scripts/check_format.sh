#!/usr/bin/env bash
# Checks that every C and C++ file is formatted as .clang-format says.
#
#   check_format.sh [--fix]           --fix formats the files instead
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need check

mode=(--dry-run -Werror)
if [[ ${1:-} == --fix ]]; then mode=(-i); fi

mapfile -t -d '' files < <(source_files '*.cpp' '*.hpp' '*.c' '*.h')
[[ ${#files[@]} -gt 0 ]] || die "no sources found"
clang-format "${mode[@]}" "${files[@]}" || die "run build-scripts/check_format.sh --fix"
echo "format: ${#files[@]} files"
