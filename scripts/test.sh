#!/usr/bin/env bash
# Builds finops and runs every test; the last line is "N passed, N failed" (", N skipped" where some were).
#
# usage: scripts/test.sh [SUITE...]     suites: unit asan tsan fuzz e2e; all when none is named
#
#   unit   the C unit tests, as the program is built
#   asan   the same under the address and undefined-behaviour sanitizers, warnings being errors
#   tsan   the same under the thread sanitizer
#   fuzz   the parsers of configuration and manifests under libFuzzer for FUZZ_SECONDS (60), the others for half of that
#   e2e    the program and the scripts, from outside, with pytest
#
# Suites that do not need each other run side by side. Logs: build/test-logs.
. "$(dirname "$0")/lib.sh"
. "$root/scripts/packages.sh"
cd "$root"
logs=$root/build/test-logs
venv=$cache/venv
fuzz_seconds=${FUZZ_SECONDS:-60}
wrap=() # what the unit tests run under

unit_tests_of() { # BUILD-FOLDER [meson test argument...]
    local folder=$1
    shift
    ninja -C "$folder"
    rm -f "$folder/meson-logs/testlog.json"
    local status=0
    "${wrap[@]}" meson test -C "$folder" --no-rebuild --print-errorlogs "$@" || status=$?
    python3 scripts/test_results.py meson "$folder/meson-logs/testlog.json" >"$result"
    return $status
}

configure() { # FOLDER [meson setup argument...]
    [ -f "$1/build.ninja" ] || meson setup "$@"
}

suite_unit() { unit_tests_of build; }

suite_asan() {
    configure build-asan -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    unit_tests_of build-asan --timeout-multiplier 5
}

# The engine is not instrumented: what it does inside cannot be judged and is left out. Its allocator takes hundreds of
# locks before a fork, more than the deadlock detector can hold.
suite_tsan() {
    configure build-tsan -Db_sanitize=thread -Db_lundef=false -Doptimization=1
    export TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:detect_deadlocks=0:suppressions=$root/tests/support/tsan.supp
    if setarch -R true 2>/dev/null; then wrap=(setarch -R); fi # gcc 12 and kernels with 32 random bits
    unit_tests_of build-tsan --timeout-multiplier 10
}

fuzz_one() { # PROGRAM: 0 when it found nothing
    local name=${1##*/} corpus=$cache/fuzz/${1##*/} seeds seconds=$fuzz_seconds
    case $name in *config* | *manifest*) ;; *) seconds=$(((seconds + 1) / 2)) ;; esac
    seeds=tests/fuzz/corpus/${name#fuzz_}
    mkdir -p "$corpus" "$logs/fuzz"
    [ -d "$seeds" ] || seeds=
    # shellcheck disable=SC2086
    "$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$logs/fuzz/$name-" "$corpus" $seeds >"$logs/fuzz/$name.log" 2>&1
}

suite_fuzz() {
    local target targets=() pids=() i passed=0 failed=0
    CC=clang CXX=clang++ configure build-fuzz -Dfuzz=true -Dwerror=false -Db_sanitize=address,undefined \
        -Db_lundef=false -Doptimization=1
    ninja -C build-fuzz
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    for target in build-fuzz/tests/fuzz/fuzz_*; do
        [ -f "$target" ] && [ -x "$target" ] || continue
        targets+=("$target")
        fuzz_one "$target" &
        pids+=($!)
    done
    for i in "${!pids[@]}"; do
        if wait "${pids[i]}"; then
            passed=$((passed + 1))
            say "${targets[i]##*/}: $(awk '/number_of_executed_units/ { print $2 }' "$logs/fuzz/${targets[i]##*/}.log") runs"
        else
            failed=$((failed + 1))
            say "FAILED ${targets[i]##*/}"
            tail -n 40 "$logs/fuzz/${targets[i]##*/}.log" >&2
        fi
    done
    [ $((passed + failed)) -gt 0 ] || die "there is no fuzz target"
    echo "$passed $failed 0" >"$result"
}

make_venv() {
    local want
    want=$(cat tests/requirements.txt <(python3 --version) | sha256sum | cut -d' ' -f1)
    [ -f "$venv/.stamp" ] && [ "$(<"$venv/.stamp")" = "$want" ] && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --require-hashes --only-binary :all: -r tests/requirements.txt
    echo "$want" >"$venv/.stamp"
}

# Half of the tests: most of them wait for servers and timers, so two halves at once take little more than one.
half_of_e2e() { # NAME FILE...
    local name=$1 status=0
    shift
    "$venv/bin/python" -m pytest "$@" -q --durations=15 --junit-xml="$logs/$name.xml" || status=$?
    python3 scripts/test_results.py junit "$logs/$name.xml" >"$logs/$name.half" || status=1
    return $status
}

suite_e2e() {
    make_venv
    local status=0 other=0 file waiting=() rest=() passed=0 failed=0 skipped=0 one p f k
    export FINOPS_TEST_SERVERS=1 # what needs a server comes last and waits for it to be built
    while read -r file; do # wherever it lies: one that is in neither half would not be run
        case ${file##*/} in
        *postgresql* | *storage* | *s3* | *adbc* | *audit* | *plugin* | *lake_*) waiting+=("$file") ;;
        *) rest+=("$file") ;;
        esac
    done < <(find tests -name 'test_*.py' | sort)
    half_of_e2e e2e-servers "${waiting[@]}" >"$logs/e2e-servers.log" 2>&1 &
    half_of_e2e e2e-others "${rest[@]}" || status=$?
    wait $! || other=$?
    cat "$logs/e2e-servers.log"
    for one in servers others; do
        read -r p f k <"$logs/e2e-$one.half" || { p=0 f=1 k=0; }
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + k))
    done
    echo "$passed $failed $skipped" >"$result"
    [ $status = 0 ] && [ $other = 0 ]
}

# One suite in a shell of its own. One that ended badly, or wrote no counts, has failed whatever it counted.
run_suite() { # NAME
    local began=$SECONDS status=0 passed=0 failed=0 skipped=0
    say "test.sh: $1 begins"
    FINOPS_TEST_RESULT=$logs/$1.result "$root/scripts/test.sh" --suite "$1" >"$logs/$1.log" 2>&1 || status=$?
    read -r passed failed skipped 2>/dev/null <"$logs/$1.result" || status=1
    if [ "$status" != 0 ] && [ "${failed:-0}" = 0 ]; then failed=1; fi
    passed=${passed:-0} skipped=${skipped:-0}
    echo "$passed $failed $skipped" >"$logs/$1.result"
    if [ "$failed" != 0 ]; then tail -n 150 "$logs/$1.log" | sed "s/^/$1| /" >&2; fi
    if [ "$skipped" != 0 ]; then grep '^skipped ' "$logs/$1.log" >&2 || true; fi
    say "test.sh: $1: $passed passed, $failed failed, $skipped skipped ($((SECONDS - began)) s)"
}

lane() { # SUITE...: those that were asked for, one after the other
    local suite
    for suite in "$@"; do
        case " $wanted " in *" $suite "*) run_suite "$suite" ;; esac
    done
}

if [ "${1-}" = --suite ]; then
    result=$FINOPS_TEST_RESULT
    "suite_$2"
    exit 0
fi

wanted=${*:-unit asan tsan fuzz e2e}
for suite in $wanted; do
    [ "$(type -t "suite_$suite")" = function ] || die "there is no suite $suite"
done
install_packages build test
rm -rf "$logs"
mkdir -p "$logs"
if [[ " $wanted " = *" e2e "* ]]; then # mostly downloads: side by side with the compiler
    scripts/test-servers.sh >"$logs/test-servers.log" 2>&1 &
    (make_venv) >"$logs/venv.log" 2>&1 &
    preparing=$!
fi
if ! scripts/build.sh; then
    echo "0 passed, 1 failed"
    exit 1
fi
lane asan tsan fuzz &
if [ -n "${preparing-}" ]; then wait "$preparing" || true; fi # e2e makes it again, and says why it cannot
lane unit e2e
wait

total=(0 0 0)
for suite in $wanted; do
    read -r passed failed skipped <"$logs/$suite.result" || { passed=0 failed=1 skipped=0; }
    total=($((total[0] + passed)) $((total[1] + failed)) $((total[2] + skipped)))
done
say "test.sh: done in $(elapsed)"
line="${total[0]} passed, ${total[1]} failed"
if [ "${total[2]}" != 0 ]; then line+=", ${total[2]} skipped"; fi
echo "$line"
[ "${total[1]}" = 0 ] && [ "${total[0]}" -gt 0 ]
