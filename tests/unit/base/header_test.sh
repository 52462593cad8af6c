#!/bin/sh
# Every public header compiles alone, as C and as C++, and says what each function promises; the library
# exports nothing but finops_ names.  Usage: header_test.sh INCLUDE_DIR LIBRARY C_COMPILER CXX_COMPILER
set -u
include=$1 library=$2 cc=$3 cxx=$4
flags='-Wall -Wextra -Wshadow -pedantic -Werror -fsyntax-only'
passed=0 failed=0

check() { # check NAME COMMAND...: runs the command
    name=$1
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok: $name"
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$name" "$output"
    fi
}

# Twice, so that a missing guard shows.
compile() { # compile LANGUAGE STANDARD COMPILER HEADER
    printf '#include "%s"\n#include "%s"\ntypedef int nothing_else;\n' "$4" "$4" |
        # shellcheck disable=SC2086 # both are lists of words
        $3 $flags "-std=$2" -I "$include" -x "$1" -
}

# A declaration that is exported stands right below the end of its contract comment.
documented() { # documented FILE
    awk '/^FINOPS_API/ && last !~ /\*\/$/ { print FILENAME ":" NR ": no contract: " $0; bad = 1 }
        NF { last = $0 } END { exit bad }' "$1"
}

only_our_names() {
    names=$(nm -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ && $3 !~ /^finops_/ { print $3 }') || return 1
    [ -z "$names" ] || { echo "exported: $names"; return 1; }
}

headers=$(cd "$include" && find finops -name '*.h' | LC_ALL=C sort)
[ -n "$headers" ] || { echo "no headers below $include"; exit 1; }
for header in $headers; do
    check "$header as C11" compile c c11 "$cc" "$header"
    check "$header as C17" compile c c17 "$cc" "$header"
    check "$header as C++11" compile c++ c++11 "$cxx" "$header"
    check "$header as C++17" compile c++ c++17 "$cxx" "$header"
    check "$header documents what it exports" documented "$include/$header"
done
check "the library exports finops_ names only" only_our_names
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
