#!/usr/bin/env bash
# Builds a chapter of the tutorial, installing what that takes, and becomes its program.
#
#   tutorial.sh CHAPTER [ARGUMENT...]       CHAPTER: its number, or the name of a program of it, such
#                                           as 38_coroutines; the arguments are the program's
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ ${1:-} =~ ^0?([1-9][0-9]*)(_[a-z_]+)?$ ]] || die "give the number of a chapter: tutorial/README.md lists them"
number=$(printf '%02d' "${BASH_REMATCH[1]}") rest=${BASH_REMATCH[2]}
shift
sources=("$root/tutorial/$number$rest".c*)
[[ -n $rest ]] || sources=("$root/tutorial/${number}"_*.c*)
[[ -e ${sources[0]} ]] || die "no chapter $number$rest: tutorial/README.md lists them"
[[ ${#sources[@]} -eq 1 ]] || die "chapter $number has several programs: name one of $(basename -s .cpp "${sources[@]}" | xargs)"
name=$(basename "${sources[0]%.*}")

need build
build_program "tutorial_$name"
exec "$root/build/release/tutorial/$name" "$@"
