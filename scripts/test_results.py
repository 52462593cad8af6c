#!/usr/bin/env python3
"""Counts what a suite did: prints "PASSED FAILED SKIPPED", and names what failed on stderr.

usage: test_results.py meson FILE    the testlog.json of `meson test`; counts the cmocka tests of each program
       test_results.py junit FILE    the XML report of pytest

Nothing counts as passed that did not say so: a program that ends well but reports fewer results than it announced, one
that crashes or times out, and an empty or missing report are failures.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET

GOOD = ("OK", "EXPECTEDFAIL")
ANNOUNCED = re.compile(r"^\[=+\] .*?Running (\d+) test\(s\)", re.M)
PASSED = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M)
FAILED = re.compile(r"^\[  FAILED  \] (?:.*: )?(\d+) test\(s\), listed below", re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] (?:.*: )?(\d+) test\(s\), listed below", re.M)


def total(pattern, text):
    return sum(int(n) for n in pattern.findall(text))


def program(test):
    """Counts of one test program: (passed, failed, skipped)."""
    text = test.get("stdout", "") + "\n" + test.get("stderr", "")
    announced = total(ANNOUNCED, text)
    passed, failed, skipped = total(PASSED, text), total(FAILED, text), total(SKIPPED, text)
    if test["result"] == "SKIP":
        return 0, 0, 1
    if test["result"] in GOOD:
        if announced == 0:
            return 1, 0, 0
        return passed, max(failed, announced - passed - skipped), skipped
    return passed, max(failed, 1), skipped


def meson(path):
    counts = [0, 0, 0]
    with open(path, encoding="utf-8") as f:
        tests = [json.loads(line) for line in f if line.strip()]
    for test in tests:
        one = program(test)
        counts = [a + b for a, b in zip(counts, one)]
        if one[1]:
            tail = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()[-40:]
            print("FAILED %s: %s" % (test["name"], test["result"]), *tail, sep="\n    ", file=sys.stderr)
    return counts


def junit(path):
    counts = [0, 0, 0]
    for case in ET.parse(path).getroot().iter("testcase"):
        outcome = {child.tag for child in case}
        counts[1 if outcome & {"failure", "error"} else 2 if "skipped" in outcome else 0] += 1
        if outcome & {"failure", "error"}:
            print("FAILED %s::%s" % (case.get("classname"), case.get("name")), file=sys.stderr)
        for skip in case.iter("skipped"):
            print("skipped %s: %s" % (case.get("name"), skip.get("message")), file=sys.stderr)
    return counts


def main(kind, path):
    try:
        counts = {"meson": meson, "junit": junit}[kind](path)
    except (OSError, ValueError, KeyError, ET.ParseError) as e:
        print("no report that can be read: %s" % e, file=sys.stderr)
        counts = [0, 1, 0]
    if sum(counts) == 0:
        print("%s: not one test was run" % path, file=sys.stderr)
        counts = [0, 1, 0]
    print(*counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
