#!/usr/bin/env bash
# Runs the echo server for long and the tests often, installing and building what that takes, and
# says of each part whether it passed: connections that come and go; many idle ones beside some that
# are busy; the test suite again and again. The server must lose nobody, have as many descriptors in
# the end as in the beginning, and not grow.
#
#   long_run.sh [--short | --long] [OPTION...]
#
#   --short         about a minute, most of it the tests; without it, some minutes
#   --long          about two hours
#   --cycles N      connections that are opened, echo a message and are closed
#   --idle N        connections that are idle
#   --active N      connections that are busy meanwhile
#   --seconds N     how long that lasts
#   --repeats N     how often each test runs
#   --server FILE   another server than evcoro_server, which takes the same options
#
# 0 cycles, seconds or repeats leave that part out.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
build=build/release
bench=build/bench

usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

# refuse MESSAGE: one line about how the script was called, then exit status 2.
refuse() {
  printf 'long_run.sh: %s\n' "$*" >&2
  exit 2
}

declare -A value=([cycles]=200000 [idle]=5000 [active]=500 [seconds]=120 [repeats]=5)
value[server]=$build/programs/evcoro_server
while [[ $# -gt 0 ]]; do
  case $1 in
    --help)
      usage
      exit
      ;;
    --short) value+=([cycles]=50000 [idle]=1000 [active]=50 [seconds]=10 [repeats]=2) ;;
    --long) value+=([cycles]=1000000 [idle]=10000 [active]=500 [seconds]=1800 [repeats]=200) ;;
    --server)
      [[ -x ${2:-} && ! -d $2 ]] || refuse "$1 needs a program; see --help"
      value[server]=$2
      shift
      ;;
    --cycles | --idle | --active | --seconds | --repeats)
      [[ ${2:-} =~ ^(0|[1-9][0-9]*)$ ]] || refuse "$1 needs a number; see --help"
      [[ $2 != 0 || ! $1 =~ idle|active ]] || refuse "$1 needs at least one; see --help"
      value[${1#--}]=$2
      shift
      ;;
    *) refuse "unknown option '$1'; see --help" ;;
  esac
  shift
done

need build test bench
echo "building the tests and the server in $build, their client in $bench ..." >&2
quietly "$build/build.log" build-scripts/build.sh release
quietly "$bench/build.log" cmake --preset release -B "$bench" \
  -DEVCORO_BUILD_BENCH=ON -DEVCORO_BUILD_TESTS=OFF -DEVCORO_BUILD_PROGRAMS=OFF
quietly "$bench/build.log" cmake --build "$bench" --target evcoro_bench_client

options=(--client "$bench/tests/bench/client")
for name in "${!value[@]}"; do options+=("--$name" "${value[$name]}"); done
exec python3 -B tests/bench/long_run.py "${options[@]}"
