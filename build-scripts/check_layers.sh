#!/usr/bin/env bash
# Checks that the layers include one another only downwards:
# stacks <- corothread <- evcoro <- programs, tutorial, and libevent behind evcoro's .cpp files alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

readonly libevent='^[<"](event2/|event\.h|evhttp\.h|evdns\.h|evutil\.h|evrpc\.h)'
readonly cares='^[<"]ares'
readonly openssl='^[<"]openssl/'
readonly nobody='^$'

# Every include directive of the tree: file:line, a tab, the name with the delimiter before it.
mapfile -t includes < <(
  source_files '*.cpp' '*.hpp' '*.c' '*.h' '*.S' '*.inc' |
    xargs -0 -r grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' |
    sed -E 's/^([^:]*:[0-9]+):[^<"]*([<"][^>"]*).*/\1\t\2/'
)
[[ ${#includes[@]} -gt 0 ]] || die "no sources found"

violations=0

# forbid WHO EXCEPT WHAT WHY: files whose paths match WHO, but for those that match EXCEPT, include
# nothing that matches WHAT.
forbid() {
  local line file name
  for line in "${includes[@]}"; do
    file=${line%%:*}
    name=${line#*$'\t'}
    if [[ $name =~ $3 && $file =~ $1 && ! $file =~ $2 ]]; then
      echo "${line%%$'\t'*}: includes ${name:1}: $4"
      violations=$((violations + 1))
    fi
  done
}

forbid '^stacks/' "$nobody" '^[<"](corothread|evcoro)/' 'stacks depends on libc only'
forbid '^corothread/' "$nobody" '^[<"]evcoro/' 'corothread depends on stacks only'
forbid '^(stacks|corothread|evcoro|programs)/' \
  '^evcoro/(.*\.cpp|detail/[^/]*_libevent\.hpp)$' "$libevent" \
  "libevent is for evcoro's .cpp files and evcoro/detail/*_libevent.hpp"
forbid '^(stacks|corothread|evcoro|programs|tutorial)/' '^evcoro/net/.*\.cpp$' "$cares" \
  "c-ares is for evcoro/net's .cpp files"
forbid '^(stacks|corothread|evcoro|programs|tutorial)/' '^evcoro/tls/(.*\.cpp|detail/.*)$' "$openssl" \
  "OpenSSL is for evcoro/tls's .cpp files and evcoro/tls/detail"
forbid '^(stacks|corothread|evcoro|programs|tutorial)/' '^evcoro/http/.*\.cpp$' '^[<"]zlib\.h' \
  "zlib is for evcoro/http's .cpp files"
forbid '^tutorial/' '^tutorial/(12|2[0-37]|37|38_callbacks)' "$libevent" \
  'only chapters 12, 20 to 23, 27, 37 and 38 are about libevent'
forbid '^tutorial/' '^tutorial/38_' '^"' 'a chapter is one file, but the three programs of 38 share one'
forbid '^tutorial/' "$nobody" '^<(programs|tests|tutorial|catch2|support)/' \
  'a chapter uses what users have: public headers, by their whole names'
forbid '^(stacks|corothread|evcoro)/' "$nobody" '^[<"](programs|tests|tutorial)/' \
  'the libraries depend on none of their users'

# Siblings inside evcoro.
forbid '^evcoro/http/' "$nobody" '^[<"]evcoro/tls/' 'http does without tls'
forbid '^evcoro/' '^evcoro/tls/' '^[<"]evcoro/tls/' 'evcoro does without tls'
forbid '^evcoro/' '^evcoro/hook/' '^[<"]evcoro/hook/' 'nothing depends on the hooks'

# detail/ is private to its layer.
forbid . '^stacks/' '^[<"]stacks/(.*/)?detail/' 'private to stacks'
forbid . '^(corothread|evcoro|tests)/' '^[<"]corothread/(.*/)?detail/' \
  'private to corothread, evcoro and the tests'
forbid . '^(evcoro|tests/evcoro/http|tests/fuzz)/' '^[<"]evcoro/http/detail/' 'private to evcoro'
forbid . '^evcoro/' '^[<"]evcoro/([^h].*/|)detail/' 'private to evcoro'

# The rules above know names that start at the root; the libraries use no others for their files.
forbid '^(stacks|corothread|evcoro)/' "$nobody" '^"(\.|[^/]*$|detail/)|/\.\.?/' \
  "spell it from the repository's root, as users do"

[[ $violations -eq 0 ]] || die "$violations includes against the layers"
echo "layers: ${#includes[@]} includes"
