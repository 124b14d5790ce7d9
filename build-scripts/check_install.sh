#!/usr/bin/env bash
# Checks that other projects can use the libraries in the ways of the README: installed, by find_package()
# and by pkg-config, shared and static; as sources, in a folder and fetched; from the Debian packages.
#
#   check_install.sh [--system]
#
#   --system        also install the Debian packages by apt, and remove them; so does CI=true. Without it
#                   they are only unpacked in a folder.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
need build check package

work=$root/build/install
warnings=(-Wall -Wextra -Werror -Wno-unused-parameter)

# build NAME PROJECT [CMAKE_OPTION...]: builds a project in the folder NAME of $work.
build() {
  local folder=$work/$1 project=$2
  shift 2
  quietly "$folder.log" cmake -S "$project" -B "$folder" -G Ninja \
    -DCMAKE_C_FLAGS="${warnings[*]}" -DCMAKE_CXX_FLAGS="${warnings[*]}" \
    -DEVCORO_EXPECTED_VERSION="$version" "$@"
  quietly "$folder.log" cmake --build "$folder"
}

# works PROGRAM NAME: the program prints that NAME works, in the version that was built.
works() {
  [[ $("$1") == "$2 $version works" ]] || die "$1 doesn't say that $2 $version works"
}

# echoes PROGRAM: the article's server, which prints the port that it was given, sends back what it gets.
echoes() {
  local port client answer
  coproc server { exec timeout 60 "$1"; }  # it ends, whatever becomes of this script
  local server_pid=$!
  read -r -t 30 port <&"${server[0]}" || die "$1 doesn't listen"
  exec {client}<>"/dev/tcp/127.0.0.1/$port"
  echo "and back" >&"$client"
  read -r -t 30 answer <&"$client" || die "$1 doesn't answer"
  [[ $answer == "and back" ]] || die "$1 answers '$answer'"
  exec {client}>&-
  kill "$server_pid"
  wait "$server_pid" || true
}

# delays PROGRAM: the article's delay takes its three seconds.
delays() {
  local started=${EPOCHREALTIME/./}
  [[ $("$1") == "three seconds later" && $((${EPOCHREALTIME/./} - started)) -ge 3000000 ]] ||
    die "$1 doesn't take three seconds"
}

# by_find_package NAME [CMAKE_OPTION...]
by_find_package() {
  build "$1" tests/install/find_package "${@:2}"
  works "$work/$1/consumer" evcoro
  works "$work/$1/consumer_tls" tls
  works "$work/$1/consumer_http" http
  build "$1-layers" tests/install/layers "${@:2}"
  works "$work/$1-layers/stacks_alone" stacks
  works "$work/$1-layers/corothread_alone" corothread
  works "$work/$1-layers/corothread_in_c" corothread
  build "$1-c" tests/install/c "${@:2}"
  echoes "$work/$1-c/echo"
  if ninja -C "$work/$1-layers" -t deps | grep event2/; then die "the layers include libevent"; fi
}

# by_pkg_config NAME FOLDER_OF_LIBRARIES [PKG_CONFIG_OPTION...]
by_pkg_config() {
  local flags layer program=$work/$1-by-pkg-config
  export PKG_CONFIG_PATH=$2/pkgconfig
  [[ $(pkg-config --modversion evcoro) == "$version" ]] || die "pkg-config finds another version"
  read -r -a flags < <(pkg-config --cflags --libs "${@:3}" evcoro)
  g++ -std=c++20 "${warnings[@]}" tests/install/consumer.cpp -o "$program" \
    -Wl,-rpath,"$2" "${flags[@]}"
  works "$program" evcoro
  for layer in tls http; do
    read -r -a flags < <(pkg-config --cflags --libs "${@:3}" "evcoro-$layer")
    g++ -std=c++20 "${warnings[@]}" "tests/install/consumer_$layer.cpp" -o "$program-$layer" \
      -Wl,-rpath,"$2" "${flags[@]}"
    works "$program-$layer" "$layer"
  done
  read -r -a flags < <(pkg-config --cflags --libs "${@:3}" evcoro)
  gcc -std=c11 "${warnings[@]}" tests/install/c/echo.c tests/install/c/any_port.c -o "$program-in-c" \
    -Wl,-rpath,"$2" "${flags[@]}"
  echoes "$program-in-c"
}

# has_headers FOLDER: all headers for users are in it, and what these include.
has_headers() {
  local header
  rm -f "$work"/all_headers.*
  while IFS= read -r -d '' header; do
    [[ -e $1/$header ]] || die "$header isn't installed: its layer's CMakeLists.txt doesn't name it"
    echo "#include <$header>" >>"$work/all_headers.cpp"
    if [[ $header == *.h ]]; then echo "#include <$header>" >>"$work/all_headers.c"; fi
  done < <(public_headers)
  g++ -std=c++20 "${warnings[@]}" -I"$1" -fsyntax-only "$work/all_headers.cpp"
  gcc -std=c11 "${warnings[@]}" -I"$1" -fsyntax-only "$work/all_headers.c"
}

# exports_only_ours LIBRARY...: no symbol but the API, which is marked EVCORO_API. Of the standard library's
# templates the compiler exports instances (kinds u, V, W) whatever the visibility.
exports_only_ours() {
  local ours='(evcoro::|evcoro_|EVGO$|(STACKS?|CTHREAD|VALUES|EV[A-Z]+|IPADDRESS|SOCKADDR)_)'
  local of_ours='(vtable|typeinfo|typeinfo name|VTT|non-virtual thunk|guard variable) (for|to) evcoro::'
  local others
  others=$(nm -DC --defined-only "$@" | grep -E '^[0-9a-f]+ ' |
    grep -vE "^[0-9a-f]+ [A-Za-z] ($ours|$of_ours)" | grep -vE '^[0-9a-f]+ [uVW] .*\bstd::' || true)
  [[ -z $others ]] || die "exported, but not ours: $others"
}

# as_sources: an archive of the tree, unpacked in a folder of a project, and fetched. These are unity
# builds: the quickest, and what a project may wish.
as_sources() {
  local archive=$work/evcoro.tar.gz
  source_files '*' | tar --null -T - --transform 's,^,evcoro/,' -czf "$archive"
  cp -r tests/install "$work/projects"
  tar -xzf "$archive" -C "$work/projects/add_subdirectory"
  build add_subdirectory "$work/projects/add_subdirectory" -DCMAKE_UNITY_BUILD=ON
  works "$work/add_subdirectory/consumer" evcoro
  quietly "$work/add_subdirectory.log" cmake --install "$work/add_subdirectory" --prefix "$work/nothing"
  [[ ! -e $work/nothing ]] || die "add_subdirectory(evcoro) installs what nobody asked for"
  build fetch_content "$work/projects/fetch_content" -DCMAKE_UNITY_BUILD=ON -DEVCORO_ARCHIVE="$archive"
  works "$work/fetch_content/consumer" evcoro
}

# by_apt PACKAGE_FILE...: installs, uses and removes the packages.
by_apt() {
  local file packages=()
  for file; do packages+=("$(dpkg-deb -f "$file" Package)"); done
  for file in "${packages[@]}"; do
    if dpkg-query -W "$file" >/dev/null 2>&1; then die "$file is installed already; remove it first"; fi
  done
  # shellcheck disable=SC2064  # the names are those of now
  trap "quietly '$work/purge.log' apt purge ${packages[*]}" EXIT
  quietly "$work/apt.log" apt install "$@"
  by_find_package system
  by_pkg_config system /usr/lib/"$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
  quietly "$work/purge.log" apt purge "${packages[@]}"
  trap - EXIT
}

system=${CI:-false}
case ${1:-} in
  '') ;;
  --system) system=true ;;
  *) die "no option '$1'; there is --system" ;;
esac

rm -rf "$work"
mkdir -p "$work"
mapfile -t packages < <(build-scripts/package.sh)
version=$(dpkg-deb -f "${packages[0]}" Version)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

quietly "$work/shared.log" cmake --install build/package --prefix "$work/shared"
has_headers "$work/shared/include"
# All but the one to preload, which interposes functions of libc.
exports_only_ours "$work/shared/lib/$multiarch"/libevcoro{,_corothread,_stacks,_tls,_http}.so
[[ -e $work/shared/lib/$multiarch/evcoro0.1/libevcoro_mutexcheck.so ]] || die "libevcoro_mutexcheck.so is missing"
by_find_package by-shared -DCMAKE_PREFIX_PATH="$work/shared"
delays "$work/by-shared-c/delay"
by_pkg_config by-shared "$work/shared/lib/$multiarch"

quietly "$work/static.log" cmake --preset release -B "$work/static-build" -DBUILD_SHARED_LIBS=OFF \
  -DEVCORO_BUILD_TESTS=OFF -DEVCORO_BUILD_PROGRAMS=OFF -DEVCORO_BUILD_TUTORIAL=OFF
quietly "$work/static.log" cmake --build "$work/static-build"
quietly "$work/static.log" cmake --install "$work/static-build" --prefix "$work/static"
by_find_package by-static -DCMAKE_PREFIX_PATH="$work/static"
by_pkg_config by-static "$work/static/lib" --static

as_sources

lintian --fail-on error "${packages[@]}" >"$work/lintian.log" 2>&1 || {
  cat "$work/lintian.log"
  die "lintian finds errors in the packages"
}
quietly "$work/simulate.log" apt install --simulate "${packages[@]}"
for package in "${packages[@]}"; do dpkg-deb -x "$package" "$work/unpacked"; done
by_find_package by-unpacked -DCMAKE_PREFIX_PATH="$work/unpacked/usr"
by_pkg_config by-unpacked "$work/unpacked/usr/lib/$multiarch"
if [[ $system == true ]]; then by_apt "${packages[@]}"; fi
echo "install: find_package, pkg-config, sources, Debian packages"
