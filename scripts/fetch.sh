#!/usr/bin/env bash
# Fetches what deps.lock names, verifies every file's SHA-256, and installs it into deps/.
#
# usage: scripts/fetch.sh            the libraries of the build, into deps/
#        scripts/fetch.sh --tool T   "npm" or "go" for machines without one; prints the folder it is in
#
# Downloads are kept in $XDG_CACHE_HOME/finops/downloads. A second run finds the stamp and ends in milliseconds.
. "$(dirname "$0")/lib.sh"

downloads=$cache/downloads
deps=$root/deps
work=

clean_up() { if [ -n "$work" ]; then rm -rf "$work"; fi; }
trap clean_up EXIT

# Checks a file; a wrong one is removed, so that the next run starts with a fresh download.
verify() { # FILE PACKAGE VERSION EXPECTED
    local found
    found=$(sha256sum <"$1" | cut -d' ' -f1)
    [ "$found" = "$4" ] || reject "$@" "$found"
}

reject() { # FILE PACKAGE VERSION EXPECTED FOUND
    rm -f "$1"
    say "fetch.sh: $2 $3: the SHA-256 of ${1##*/} is not the one in deps.lock"
    say "  expected $4"
    say "  found    $5"
    say "  the file was removed and deps/ left as it was; run this again, and if it stays different do not use it"
    exit 1
}

npm_client() {
    if command -v npm >/dev/null; then
        npm "$@"
    else
        local node=$cache/tools/npm
        PATH=$node/bin:$PATH node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"
    fi
}

# pip checks the digest too, before it looks into a source distribution; scripts/sdist says why no backend is run.
pip_client() { # KIND PACKAGE VERSION DIGEST FOLDER
    local how=(--only-binary "$2")
    if [ "$1" = pypi-sdist ]; then
        how=(--no-binary "$2" --no-build-isolation)
    fi
    printf '%s==%s --hash=sha256:%s\n' "$2" "$3" "$4" >"$5/requirements.txt"
    PYTHONPATH=$root/scripts/sdist python3 -m pip download --quiet --no-deps --require-hashes "${how[@]}" \
        --dest "$5" --requirement "$5/requirements.txt"
}

download() { # KIND PACKAGE VERSION FILE DIGEST
    local part=$work/get.$4 log=$work/$4.log got
    mkdir -p "$part"
    say "fetch.sh: getting $2 $3"
    case $1 in
    npm) (cd "$part" && npm_client pack --silent "$2@$3") >"$log" 2>&1 ;;
    pypi-*) pip_client "$1" "$2" "$3" "$5" "$part" >"$log" 2>&1 ;;
    *) die "deps.lock: $2 has the unknown kind $1" ;;
    esac || {
        got=$(awk '$1 == "Got" { print $2; exit }' "$log")
        if [ -n "$got" ]; then reject "$part/$4" "$2" "$3" "$5" "$got"; fi
        tail -n 15 "$log" >&2
        die "cannot get $2 $3; is the network or the package registry's configuration of npm and pip right?"
    }
    [ -f "$part/$4" ] || die "$2 $3 came as $(ls "$part"), deps.lock expects $4"
    verify "$part/$4" "$2" "$3" "$5"
    mv "$part/$4" "$downloads/$4"
}

# One file into the cache: found there and right, or downloaded.
get() {
    if [ -f "$downloads/$4" ]; then
        verify "$downloads/$4" "$2" "$3" "$5"
    else
        download "$@"
    fi
}

get_all() { # USE: all files at the same time
    local kind package version file digest pids=() failed=0 pid
    while read -r kind package version file digest; do
        get "$kind" "$package" "$version" "$file" "$digest" &
        pids+=($!)
    done < <(lock_rows "$1")
    [ ${#pids[@]} -gt 0 ] || die "deps.lock has nothing for $1"
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
    [ $failed = 0 ] || exit 1
}

unpack_all() { # USE FOLDER
    local file
    while read -r _ _ _ file _; do
        lock_takes "$file" | python3 "$root/scripts/unpack.py" "$downloads/$file" "$2"
    done < <(lock_rows "$1")
}

# Every target moves by a rename on the same disk; the stamp goes first and comes last, so an interrupted
# run leaves no stamp and the next one starts over.
swap_in() { # TREE
    local target
    rm -f "$deps/.stamp"
    while read -r target; do
        mkdir -p "$(dirname "$deps/$target")"
        if [ -d "$deps/$target" ]; then mv "$deps/$target" "$work/old.${target//\//_}"; fi
        mv -T "$1/$target" "$deps/$target"
    done < <(lock_targets build)
    stamp >"$work/stamp"
    mv "$work/stamp" "$deps/.stamp"
}

stamp() { printf '%s %s\n' "$(sha256sum <"$lock" | cut -d' ' -f1)" "$(machine)"; }

is_current() {
    local target
    [ -f "$deps/.stamp" ] && [ "$(<"$deps/.stamp")" = "$(stamp)" ] || return 1
    while read -r target; do
        [ -e "$deps/$target" ] || return 1
    done < <(lock_targets build)
}

begin() { # FOLDER: work beside the place things go to, so that renames stay renames
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 ||
        die "python3 with pip is needed (scripts/build.sh installs it)"
    mkdir -p "$downloads"
    exec 9>"$downloads/.lock"
    flock 9 # two builds at once download once
}

fetch_tool() { # npm or go
    local folder=$cache/tools/$1 want
    want=$(lock_rows "$1" | cut -d' ' -f5)
    if [ ! -f "$folder/.stamp" ] || [ "$(<"$folder/.stamp")" != "$want" ]; then
        mkdir -p "$cache/tools"
        work=$(mktemp -d "$cache/tools/.new.XXXXXX")
        get_all "$1"
        unpack_all "$1" "$work/tree"
        printf '%s\n' "$want" >"$work/tree/.stamp"
        rm -rf "$folder"
        mv -T "$work/tree" "$folder"
        rm -rf "$work"
    fi
}

if [ "${1-}" = --tool ]; then
    begin
    fetch_tool "${2:?}"
    echo "$cache/tools/$2"
    exit 0
fi
[ $# = 0 ] || die "unknown argument $1"

is_current && exit 0
begin
is_current && exit 0
command -v npm >/dev/null || fetch_tool npm
work=$(mktemp -d "$cache/downloads/.new.XXXXXX")
get_all build
rm -rf "$work"
mkdir -p "$deps"
work=$(mktemp -d "$deps/.new.XXXXXX")
unpack_all build "$work/tree"
swap_in "$work/tree"
say "fetch.sh: deps/ is complete ($(elapsed))"
