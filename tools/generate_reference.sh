#!/usr/bin/env bash
# Writes the pages that the program knows best: docs/reference/ and docs/finops.1. tests/e2e/test_docs.py fails while
# they differ from what the program says.
#
# usage: tools/generate_reference.sh [PROGRAM]     PROGRAM: build/finops unless given
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-build/finops}

page() { # FILE KIND: the file changes when all of it is there
    "$program" manual "$2" >"$1.new"
    mv "$1.new" "$1"
}

mkdir -p docs/reference
page docs/reference/cli.md markdown
page docs/reference/configuration.md configuration
page docs/finops.1 man
