# shellcheck shell=bash
# What the scripts of this directory share. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly root

# die MESSAGE: one line on standard error, then exit status 1.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# need GROUP...: has the Debian packages of these groups installed.
need() {
  "$root/build-scripts/install_packages.sh" "$@"
  use_ccache
}

# use_ccache: what one build has compiled, others take from a cache, if ccache is there. The builds for
# the tests, for the benchmarks and for the packages have the same libraries, by the same options.
use_ccache() {
  command -v ccache >/dev/null || return 0
  export CMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER-ccache}
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
  export CCACHE_DIR=${CCACHE_DIR-$root/build/ccache}
  # The build directory, which debug information has, is no reason to compile again: the paths of the
  # sources are whole ones.
  export CCACHE_NOHASHDIR=1
  # The compiler's own list of what it has read spares a run of the preprocessor.
  export CCACHE_DEPEND=1
}

# quietly LOG COMMAND...: keeps what the command prints in LOG, and shows it only when it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 100 "$log" >&2
    die "failed: $* (the whole output: $log)"
  fi
}

# build_program TARGET: builds a program of the preset release, which needs no tests, nor what they
# depend on. In a build directory that test.sh has made they stay.
build_program() {
  local build=$root/build/release tests=OFF
  if grep -qs '^EVCORO_BUILD_TESTS:BOOL=ON' "$build/CMakeCache.txt"; then tests=ON; fi
  echo "building $1 in build/release ..." >&2
  quietly "$build/build.log" cmake -S "$root" --preset release -DEVCORO_BUILD_TESTS=$tests \
    -DEVCORO_BUILD_PROGRAMS=ON -DEVCORO_BUILD_TUTORIAL=ON
  quietly "$build/build.log" cmake --build "$build" --target "$1"
}

# apt ARGUMENT...: apt-get, which asks nothing, as root. Servers that it installs are not to be started:
# in runlevel 1 there are none.
apt() {
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then as_root=(sudo); fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@"
}

# source_files PATTERN...: the tree's files of these names, NUL-terminated, relative to the root:
# what git tracks, and what is new and not ignored.
source_files() {
  local file
  # Whoever owns the checkout: a CI's container often runs as somebody else.
  git -C "$root" -c safe.directory="$root" ls-files -z --deduplicate --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do
      # A file that was deleted and not yet committed is still tracked.
      if [[ -e $root/$file ]]; then printf '%s\0' "$file"; fi
    done
}

# public_headers: the headers for users, NUL-terminated, as they are spelled after #include.
public_headers() {
  source_files '*.hpp' '*.h' | grep -zE '^(stacks|corothread|evcoro)/' | grep -zvE '/(detail|capi)/' |
    sed -z 's,^evcoro/compat/,,'
}

# in_parallel FUNCTION: calls FUNCTION, which must be exported, with each of the NUL-terminated words
# of standard input, on all processors; fails if any call does.
in_parallel() {
  # shellcheck disable=SC2016  # "$@" is the inner shell's
  xargs -0 -r -n 1 -P "$(nproc)" bash -c '"$@"' _ "$1"
}
