#!/usr/bin/env bash
# Builds a chapter of the tutorial, installing what that takes, and becomes its program.
#
#   tutorial.sh CHAPTER [ARGUMENT...]       CHAPTER: its number; the arguments are the program's
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ ${1:-} =~ ^0?([1-9][0-9]*)$ ]] || die "give the number of a chapter: tutorial/README.md lists them"
number=$(printf '%02d' "${BASH_REMATCH[1]}")
shift
sources=("$root/tutorial/${number}"_*.c*)
[[ -e ${sources[0]} ]] || die "no chapter $number: tutorial/README.md lists them"
name=$(basename "${sources[0]%.*}")

need build
build_program "tutorial_$name"
exec "$root/build/release/tutorial/$name" "$@"
