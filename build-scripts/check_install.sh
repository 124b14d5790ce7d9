#!/usr/bin/env bash
# Checks that what `cmake --install` puts into a directory of its own serves other projects: by
# find_package() and by pkg-config, the shared libraries and the static ones.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need build

# says_it_works PROGRAM
says_it_works() {
  [[ $("$1") == 'evcoro is installed' ]] || die "$1 doesn't work"
}

for shared in ON OFF; do
  build=build/install-shared-$shared
  prefix=$root/$build/prefix
  rm -rf "$prefix" "$build/consumer"
  quietly "$build/build.log" cmake --preset release -B "$build" -DBUILD_SHARED_LIBS=$shared \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DEVCORO_BUILD_TESTS=OFF -DEVCORO_BUILD_PROGRAMS=OFF \
    -DEVCORO_BUILD_TUTORIAL=OFF
  quietly "$build/build.log" cmake --build "$build"
  quietly "$build/build.log" cmake --install "$build"

  quietly "$build/consumer.log" cmake -S tests/install -B "$build/consumer" -G Ninja \
    -DCMAKE_PREFIX_PATH="$prefix"
  quietly "$build/consumer.log" cmake --build "$build/consumer"
  says_it_works "$build/consumer/consumer"
  says_it_works "$build/consumer/consumer_c"

  export PKG_CONFIG_PATH
  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name evcoro.pc)")
  static=()
  if [[ $shared == OFF ]]; then static=(--static); fi
  read -r -a flags < <(pkg-config --cflags --libs "${static[@]}" evcoro)
  g++ -std=c++20 -Wall -Wextra -Werror tests/install/consumer.cpp -o "$build/by-pkg-config" \
    -Wl,-rpath,"$(dirname "$PKG_CONFIG_PATH")" "${flags[@]}"
  says_it_works "$build/by-pkg-config"
  # In C the C++ run-time comes along: of a static library as Libs.private.
  gcc -std=c11 -Wall -Wextra -Werror tests/install/consumer.c -o "$build/by-pkg-config-c" \
    -Wl,-rpath,"$(dirname "$PKG_CONFIG_PATH")" "${flags[@]}"
  says_it_works "$build/by-pkg-config-c"
done
echo "install: find_package and pkg-config, shared and static"
