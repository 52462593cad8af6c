# Shared by the scripts of this folder; sourced, not run.
# shellcheck shell=bash

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/finops
lock=$root/deps.lock
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

say() { printf '%s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The machine's name in deps.lock.
machine() {
    case $(uname -m) in
    x86_64 | amd64) echo x86_64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) die "no dependencies are locked for $(uname -m); deps.lock has x86_64 and arm64" ;;
    esac
}

# Rows of deps.lock for one use on this machine: kind package version file digest.
lock_rows() {
    awk -v use="$1" -v machine="$(machine)" \
        '/^[^#[:space:]]/ && $7 == use && ($2 == machine || $2 == "any") { print $1, $3, $4, $5, $6 }' "$lock"
}

# What is taken out of one file: lines "SOURCE -> TARGET".
lock_takes() {
    awk -v file="$1" '/^[^#[:space:]]/ { on = ($5 == file) } /^[[:space:]]+[^#[:space:]]/ && on { print $1, "->", $3 }' "$lock"
}

# Every place that one use fills.
lock_targets() {
    awk -v use="$1" -v machine="$(machine)" '/^[^#[:space:]]/ { on = ($7 == use && ($2 == machine || $2 == "any")) }
        /^[[:space:]]+[^#[:space:]]/ && on { print $3 }' "$lock"
}

# Seconds since the script began, for progress lines.
elapsed() { printf '%dm%02ds' $((SECONDS / 60)) $((SECONDS % 60)); }
