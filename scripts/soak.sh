#!/usr/bin/env bash
# The long forms: an hour of fuzzing (FUZZ_SECONDS) and the tests that repeat themselves (FINOPS_KILLS) thousands of
# times instead of hundreds; FINOPS_SOAK=1 and FINOPS_TEST_LONG=1 tell all others. Importers and readers of one lake are
# at it for ten minutes (FINOPS_SOAK_SECONDS, FINOPS_SOAK_WRITERS, FINOPS_SOAK_READERS).
#
# usage: scripts/soak.sh [SUITE...]     as scripts/test.sh
set -euo pipefail
export FINOPS_SOAK=1 FINOPS_TEST_LONG=1 FUZZ_SECONDS=${FUZZ_SECONDS:-3600} FINOPS_KILLS=${FINOPS_KILLS:-5000}
export FINOPS_SOAK_SECONDS=${FINOPS_SOAK_SECONDS:-600}
export PYTEST_ADDOPTS="--timeout=0 ${PYTEST_ADDOPTS-}"
exec "$(dirname "$0")/test.sh" "$@"
