#!/usr/bin/env bash
# Builds the servers the tests talk to, at the version deps.lock pins, and prints the path of each.
#
# usage: scripts/test-servers.sh
#
# MinIO comes as a Go module: the Go client verifies every module it downloads, and the sum of MinIO itself is compared
# with deps.lock. Kept in $XDG_CACHE_HOME/finops/bin, where the next run finds it; the first takes some minutes.
. "$(dirname "$0")/lib.sh"

oldest_go=1.24

# The machine's Go where it is new enough (Debian 12 has 1.19), else the one deps.lock names.
go_command() {
    local have
    if command -v go >/dev/null; then
        have=$(go env GOVERSION | sed 's/^go//')
        if [ "$(printf '%s\n%s\n' "$oldest_go" "$have" | sort -V | head -n 1)" = "$oldest_go" ]; then
            command -v go
            return
        fi
    fi
    echo "$("$root/scripts/fetch.sh" --tool go)/bin/go"
}

build() { # MODULE VERSION SUM PROGRAM TARGET
    local go work sum
    go=$(go_command)
    work=$(mktemp -d "$cache/bin/.new.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    say "test-servers.sh: building $4 $2 with $("$go" env GOVERSION); this takes some minutes"
    env GOTOOLCHAIN=local GOPATH="$work/go" GOCACHE="$work/build" GOBIN="$work" CGO_ENABLED=0 GOFLAGS=-modcacherw \
        "$go" install -trimpath -ldflags '-s -w' "$1@$2" >"$work/log" 2>&1 || {
        grep -v '^go: downloading' "$work/log" | tail -n 15 >&2
        die "$1 $2 did not build"
    }
    sum=$("$go" version -m "$work/$4" | awk '$1 == "mod" { print $4 }')
    [ "$sum" = "$3" ] || die "$1 $2: expected the sum $3, found $sum"
    mv "$work/$4" "$5"
    say "test-servers.sh: built $4 ($(elapsed))"
}

mkdir -p "$cache/bin"
exec 8>"$cache/bin/.lock"
flock 8
while read -r _ module version program sum; do
    target=$cache/bin/$program-$version
    [ -x "$target" ] || (build "$module" "$version" "$sum" "$program" "$target")
    echo "$target"
done < <(lock_rows minio)
