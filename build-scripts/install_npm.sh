#!/usr/bin/env bash
# Fetches the npm packages that tests run and Debian doesn't have, those of build-scripts/npm, into
# build/npm/node_modules. install_packages.sh calls it.
#
# It is "npm ci", without npm, which is 366 packages of Debian. Where npm's registry can't be reached it
# says so and fetches nothing: the tests that need them are skipped.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lock=$root/build-scripts/npm/package-lock.json
target=$root/build/npm
if cmp -s "$lock" "$target/package-lock.json"; then exit 0; fi

work=$(mktemp -d -t evcoro-npm.XXXXXX)
trap 'rm -rf "$work"' EXIT

# registry: its URL, with a slash at the end, as the settings of npm say.
registry() {
  if command -v npm >/dev/null; then
    npm config get registry | sed 's,/*$,/,'
  else
    # Debian's modules of the newer kind find each other only in a folder of that name.
    ln -s /usr/share/nodejs "$work/node_modules"
    (cd "$work" && node --preserve-symlinks --input-type=module \
      -e 'import registry from "registry-url"; console.log(registry())')
  fi
}

# packages: a line for each package of the lock: its folder, its file in the registry, the file's SHA-512.
packages() {
  # shellcheck disable=SC2016  # what node expands
  node -e '
    for (const [folder, { version, integrity }] of Object.entries(require(process.argv[1]).packages)) {
      if (folder === "") continue;
      const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
      const sum = Buffer.from(integrity.match(/sha512-(\S+)/)[1], "base64").toString("hex");
      console.log(folder, `${name}/-/${name.replace(/.*\//, "")}-${version}.tgz`, sum);
    }' "$lock"
}

url=$(registry)
list=$(packages)
number=0
while read -r _ file sum; do
  number=$((number + 1))
  printf 'url = "%s%s"\noutput = "%s/%d.tgz"\n' "$url" "$file" "$work" "$number" >>"$work/urls"
  printf '%s  %s/%d.tgz\n' "$sum" "$work" "$number" >>"$work/sums"
done <<<"$list"

echo "fetching $number packages of npm's registry ..." >&2
if ! curl -fsSL --no-progress-meter --parallel --fail-early --retry 2 --connect-timeout 20 --max-time 120 \
  -K "$work/urls" 2>"$work/errors"; then
  head -n 1 "$work/errors" >&2
  echo "npm's registry can't be reached: tests that need its packages are skipped" >&2
  exit 0
fi
sha512sum --check --strict --quiet "$work/sums" >&2 || die "a package is not the one that $lock names"

rm -rf "$target"
number=0
while read -r folder _; do
  number=$((number + 1))
  mkdir -p "$target/$folder"
  tar -xzf "$work/$number.tgz" -C "$target/$folder" --strip-components=1 --no-same-owner
done <<<"$list"
cp "$lock" "$target/"
