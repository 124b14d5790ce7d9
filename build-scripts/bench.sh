#!/usr/bin/env bash
# Builds the benchmarks, installing what that takes, runs them and prints tables of ratios: each
# figure is compared with a baseline that was measured in turns with it.
#
#   bench.sh [OPTION...] [SUITE...]
#
#   --json FILE        also write the figures to FILE, as an array of objects
#   --rounds N         how often everything is measured (default 7, at least 5); medians are reported
#   --connections N,.. how many the suites echo (default 100,1000) and http-models (1 to 10000 by
#                      tens) open; up to 10000 and more, as the limit of descriptors allows
#   --plots DIR        where http-models writes its plots and its table, such as tutorial/models;
#                      build-scripts/sync_docs.sh brings the table into the documents
#   --servers NAME,..  which servers run, next to epoll, which all are compared with (default:
#                      all that echo_servers.py lists)
#   SUITE              all of them when none is named:
#     switch, spawn, scopes, timers   of coroutines and timeouts
#     resolver                of a name that is known
#     parser                  of the head of an HTTP request
#     pipe                    CPU time of a hop over pipes that are waited for
#     sync                    of channels, select, the mutex, and a tree of a million coroutines
#     memory                  of idle connections and parked threads, and the time to start those
#     accept                  server CPU time of a connection that comes, has one echo and goes
#     evhttp                  server CPU time of an evhttp's hello, from a thread and from a callback
#     http                    an HTTP server's hello and a small file, latency, idle connections
#     tls                     the same with TLS, and handshakes
#     http-models             the tutorial's three paradigms of a server: requests a second, CPU time,
#                             memory, latencies
#     echo                    ping-pong: server CPU time and system calls per request
#     echo_loops              the same on two loops, relative to one
#     udp                     server CPU time of a datagram, one by one and in batches
#     streaming               server CPU time per MiB
#     latency                 percentiles at half load
#     instructions            those in user space, per request
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
readonly suites=(switch spawn scopes parser pipe timers resolver sync memory accept evhttp http tls http-models echo echo_loops udp streaming latency instructions)
build=$root/build/bench

usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

# refuse MESSAGE: one line about how the script was called, then exit status 2.
refuse() {
  printf 'bench.sh: %s\n' "$*" >&2
  exit 2
}

rounds=7
options=()
chosen=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --help)
      usage
      exit
      ;;
    --rounds | --json | --connections | --servers | --plots)
      [[ -n ${2:-} ]] || refuse "$1 needs a value; see --help"
      if [[ $1 == --rounds ]]; then rounds=$2; else options+=("$1" "$2"); fi
      shift
      ;;
    -*) refuse "unknown option '$1'; see --help" ;;
    *)
      [[ " ${suites[*]} " == *" $1 "* ]] || refuse "unknown suite '$1'; there are: ${suites[*]}"
      chosen+=("$1")
      ;;
  esac
  shift
done
[[ $rounds =~ ^[0-9]+$ && $rounds -ge 5 ]] || refuse "--rounds needs a number of at least 5, not '$rounds'"
[[ ${#chosen[@]} -gt 0 ]] || chosen=("${suites[@]}")

need build bench
echo "building the benchmarks in build/bench ..." >&2
quietly "$build/build.log" cmake -S "$root" --preset release -B "$build" \
  -DEVCORO_BUILD_BENCH=ON -DEVCORO_BUILD_TESTS=OFF -DEVCORO_BUILD_PROGRAMS=OFF \
  -DEVCORO_BUILD_TUTORIAL=OFF
quietly "$build/build.log" cmake --build "$build" --target evcoro_benchmarks

exec python3 -B "$root/tests/bench/run.py" --build "$build/tests/bench" --rounds "$rounds" \
  "${options[@]}" "${chosen[@]}"
