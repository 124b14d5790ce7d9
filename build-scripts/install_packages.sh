#!/usr/bin/env bash
# Installs the Debian packages that the named groups need, and the one place that names them. What
# tests need of npm's, build-scripts/npm/package.json names, and install_npm.sh fetches.
#
#   install_packages.sh GROUP...      GROUP: build run test sanitize aarch64 check package bench
#
# Runs no apt when everything is there. On another system, install the like by hand and set
# EVCORO_INSTALL=no.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages_of() {
  case $1 in
    build) echo ccache g++ cmake ninja-build pkgconf libc-ares-dev libcli11-dev libevent-dev libssl-dev node-llhttp zlib1g-dev ;;
    run) echo curl netcat-openbsd ;; # what the server says to try it with
    # With valgrind's headers there, the build tells valgrind where the coroutine stacks are.
    # nft and ip make networks that lose packets.
    test)
      echo catch2 gdb iproute2 libssl-dev nftables procps strace valgrind
      # Clients, and proxies, of others.
      echo apache2-utils chromium curl gnutls-bin haproxy nghttp2-client nginx-light nodejs
      echo node-registry-url node-undici openssl slowhttptest sslscan testssl.sh wrk
      ;;
    sanitize) echo clang libclang-rt-dev llvm valgrind ;;
    aarch64) echo g++-aarch64-linux-gnu qemu-user-static ;;
    check) echo clang clang-format clang-tidy git lintian python3-minimal shellcheck ;;
    package) echo dpkg-dev file ;;
    bench)
      echo libbenchmark-dev libboost-context-dev libboost-fiber-dev openssl python3 strace valgrind
      echo golang-go libasio-dev libst-dev libuv1-dev nginx-light # what evcoro is compared with
      ;;
    *) die "no package group '$1'; there are: build run test sanitize aarch64 check package bench" ;;
  esac
}

# missing PACKAGE...: those that are not installed.
missing() {
  local installed
  installed=" $(dpkg-query -W -f='${Package}:${db:Status-Status} ' "$@" 2>/dev/null || true) "
  for package in "$@"; do
    [[ $installed == *" $package:installed "* ]] || echo "$package"
  done
}

[[ $# -gt 0 ]] || die "usage: install_packages.sh GROUP..."
[[ ${EVCORO_INSTALL:-yes} != no ]] || exit 0

list=$(for group in "$@"; do packages_of "$group"; done | tr ' ' '\n' | sort -u)
mapfile -t wanted <<<"$list"
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  die "not a Debian system: install the like of '${wanted[*]}' yourself and set EVCORO_INSTALL=no"
fi

list=$(missing "${wanted[@]}")
if [[ -n $list ]]; then
  mapfile -t packages <<<"$list"

  [[ $(id -u) -eq 0 ]] || command -v sudo >/dev/null ||
    die "neither root nor sudo; as root, run: apt-get install ${packages[*]}"

  echo "installing ${packages[*]}" >&2
  log=$(mktemp -t evcoro-install.XXXXXX)
  quietly "$log" apt update
  quietly "$log" apt install --no-install-recommends "${packages[@]}"
  rm -f "$log"
fi

if [[ " $* " == *" test "* ]]; then "$root/build-scripts/install_npm.sh"; fi
