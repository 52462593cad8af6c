#!/usr/bin/env bash
# The long forms: fuzzing for an hour a parser (FUZZ_SECONDS) and the tests that repeat themselves (crashes, races,
# big files) thousands of times instead of hundreds; FINOPS_SOAK=1 tells the tests.
set -euo pipefail
export FINOPS_SOAK=1 FUZZ_SECONDS=${FUZZ_SECONDS:-3600}
exec "$(dirname "$0")/test.sh" "$@"
