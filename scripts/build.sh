#!/usr/bin/env bash
# Builds finops: installs the packages that are missing (as root or with sudo), fetches and verifies what deps.lock
# names, and leaves the program at build/finops, runnable in place. Again with nothing changed: under a second.
#
# usage: scripts/build.sh
. "$(dirname "$0")/lib.sh"
. "$root/scripts/packages.sh"
[ $# = 0 ] || die "takes no arguments"

cd "$root"
install_packages build
scripts/fetch.sh

# Warnings are errors for who changes the code (scripts/test.sh), not for who builds it with another compiler.
if [ ! -f build/build.ninja ]; then
    say "build.sh: configuring"
    fresh=()
    if [ -d build/meson-private ]; then fresh=(--wipe); fi
    log=$(mktemp)
    if ! meson setup build "${fresh[@]}" --buildtype=debugoptimized -Db_ndebug=false -Dwerror=false >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        rm -f "$log"
        die "meson setup failed; the whole log is in build/meson-logs"
    fi
    rm -f "$log"
fi
ninja -C build finops
if [ "$SECONDS" -gt 2 ]; then say "build.sh: build/finops is ready ($(elapsed))"; fi
