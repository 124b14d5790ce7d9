#!/usr/bin/env bash
# Checks that every public header compiles on its own, and twice in a row, with both compilers: the
# .hpp files as C++20, the .h files as C11 too.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need build check

# compile HEADER COMPILER LANGUAGE STANDARD
compile() {
  # Headers that need another include directory than the root are not self-contained. In C a file has
  # to declare something, which a header of macros does not.
  printf '%s\n' "#include <$1>" "#include <$1>" 'extern int something;' |
    "$2" -x "$3" -std="$4" -I. -Ievcoro/compat -Wall -Wextra -Wpedantic -Werror -fsyntax-only - || {
    echo "$1 does not compile on its own ($2 -std=$4)" >&2
    return 1
  }
}

check_header() {
  compile "$1" g++ c++ c++20 && compile "$1" clang++ c++ c++20 || return
  if [[ $1 == *.h ]]; then
    compile "$1" gcc c c11 && compile "$1" clang c c11 || return
  fi
}
export -f compile check_header

mapfile -t -d '' headers < <(public_headers)
[[ ${#headers[@]} -gt 0 ]] || die "no public headers found"
printf '%s\0' "${headers[@]}" | in_parallel check_header ||
  die "some headers are not self-contained"
echo "headers: ${#headers[@]} files"
