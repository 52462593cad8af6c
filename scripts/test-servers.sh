#!/usr/bin/env bash
# Builds the servers the tests talk to, at the version deps.lock pins, and prints the path of each.
#
# usage: scripts/test-servers.sh [SERVER...]     servers: minio azurite fake-gcs versitygw toxiproxy minidfs; and mc, a client
#
# When none is named, MinIO and Azurite; with FINOPS_TEST_LONG=1 all. The others take minutes to build: tests use them
# where they are, and say so where they are not. minidfs is never among them: it needs Maven and a JDK, and its tests run
# only where FINOPS_MINIDFS is the path this prints. Nor is mc, which tests/bench/storage_bench.py measures.
# MinIO, fake-gcs-server, versitygw and toxiproxy come as Go modules: the Go client verifies every module it downloads, and the sum of the
# server itself is compared with deps.lock. Azurite comes as npm packages, each compared with the digest in
# tests/support/azurite. Kept in $XDG_CACHE_HOME/finops/bin, where the next run finds them; the first takes some minutes.
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

from_go() { # USE
    local module version program sum target
    while read -r _ module version program sum; do
        target=$cache/bin/${program#*=}-$version # "server=toxiproxy": as Go calls it, and as we do
        [ -x "$target" ] || (build "$module" "$version" "$sum" "${program%=*}" "$target")
        echo "$target"
    done < <(lock_rows "$1")
}

npm_command() {
    if command -v npm >/dev/null; then
        npm "$@"
    else
        local node
        node=$("$root/scripts/fetch.sh" --tool npm)
        PATH=$node/bin:$PATH node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"
    fi
}

# The folder's name has the digest of the lock file: another version is another folder.
from_npm() { # SERVER PROGRAM
    local from=$root/tests/support/$1 target work
    target=$cache/bin/$1-$(sha256sum <"$from/package-lock.json" | cut -c1-12)
    if [ ! -x "$target/node_modules/.bin/$2" ]; then
        work=$(mktemp -d "$cache/bin/.new.XXXXXX")
        # shellcheck disable=SC2064
        trap "rm -rf '$work'" EXIT
        say "test-servers.sh: getting $1"
        cp "$from/package.json" "$from/package-lock.json" "$work/"
        npm_command ci --prefix "$work" --ignore-scripts --no-audit --no-fund >"$work/log" 2>&1 || {
            tail -n 15 "$work/log" >&2
            die "$1 cannot be installed"
        }
        rm -rf "$target"
        mv "$work" "$target"
        say "test-servers.sh: got $1 ($(elapsed))"
    fi
    echo "$target/node_modules/.bin/$2"
}

# Hadoop's cluster for tests: the folder of its jars, each compared with a digest of the list that deps.lock has the digest of.
from_maven() { # SERVER
    local from=$root/tests/support/$1 list target work sum
    read -r _ _ _ list sum < <(lock_rows "$1")
    [ "$(sha256sum <"$from/$list" | cut -d' ' -f1)" = "$sum" ] || die "$from/$list is not what deps.lock names"
    target=$cache/bin/$1-${sum:0:12}
    if [ ! -d "$target" ]; then
        command -v mvn >/dev/null || die "$1 comes by Maven, and there is no mvn"
        work=$(mktemp -d "$cache/bin/.new.XXXXXX")
        # shellcheck disable=SC2064
        trap "rm -rf '$work'" EXIT
        say "test-servers.sh: getting $1, 79 MB"
        mvn --quiet --batch-mode --strict-checksums --file "$from/pom.xml" -DoutputDirectory="$work/lib" \
            org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies >"$work/log" 2>&1 || {
            tail -n 15 "$work/log" >&2
            die "$1 cannot be had from Maven"
        }
        (cd "$work/lib" && sha256sum --quiet --check "$from/$list") >&2 || die "$1: a jar is not the one of $list"
        [ "$(find "$work/lib" -type f | wc -l)" = "$(wc -l <"$from/$list")" ] || die "$1: there are jars that $list does not have"
        mv "$work" "$target"
        say "test-servers.sh: got $1 ($(elapsed))"
    fi
    echo "$target/lib"
}

mkdir -p "$cache/bin"
exec 8>"$cache/bin/.lock"
flock 8
servers="minio azurite"
if [ -n "${FINOPS_TEST_LONG-}" ]; then servers+=" fake-gcs versitygw toxiproxy"; fi
for server in ${*:-$servers}; do
    case $server in
    minio) from_go minio ;;
    azurite) from_npm azurite azurite-blob ;;
    fake-gcs | versitygw | toxiproxy | mc) from_go "$server" ;;
    minidfs) from_maven minidfs ;;
    *) die "there is no server $server" ;;
    esac
done
