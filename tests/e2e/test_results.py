"""scripts/test_results.py counts nothing as passed that did not say so."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def count(kind, path):
    command = [sys.executable, str(ROOT / "scripts" / "test_results.py"), kind, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(int(n) for n in run.stdout.split()), run.stderr


def log(tmp_path, *tests):
    path = tmp_path / "testlog.json"
    path.write_text("".join(json.dumps(t) + "\n" for t in tests))
    return path


def program(result, stdout="", stderr=""):
    return {"name": "str_test", "result": result, "stdout": stdout, "stderr": stderr}


RUNNING = "[==========] tests: Running 3 test(s).\n"
DONE = "[==========] tests: 3 test(s) run.\n"


@pytest.mark.parametrize("test, counts", [
    (program("OK", RUNNING + DONE + "[  PASSED  ] 3 test(s).\n"), (3, 0, 0)),
    (program("OK", RUNNING + "[==========] 3 test(s) run.\n", "[  PASSED  ] 3 test(s).\n"), (3, 0, 0)),
    (program("FAIL", RUNNING + "[  PASSED  ] 2 test(s).\n", "[  FAILED  ] tests: 1 test(s), listed below:\n"), (2, 1, 0)),
    (program("OK", RUNNING + "[  PASSED  ] 2 test(s).\n[  SKIPPED ] tests: 1 test(s), listed below:\n"), (2, 0, 1)),
    (program("FAIL", RUNNING), (0, 1, 0)),
    (program("FAIL", RUNNING + "[  PASSED  ] 3 test(s).\n"), (3, 1, 0)),
    (program("TIMEOUT", ""), (0, 1, 0)),
    (program("OK", RUNNING), (0, 3, 0)),
    (program("OK", RUNNING + "[  PASSED  ] 1 test(s).\n"), (1, 2, 0)),
    (program("OK", "plain program"), (1, 0, 0)),
])
def test_a_program_counts_what_it_reported(tmp_path, test, counts):
    assert count("meson", log(tmp_path, test))[0] == counts


def test_a_failure_is_named_with_its_last_lines(tmp_path):
    assert "FAILED str_test: FAIL\n    boom" in count("meson", log(tmp_path, program("FAIL", "boom")))[1]


@pytest.mark.parametrize("kind", ["meson", "junit"])
def test_a_missing_or_empty_report_is_a_failure(tmp_path, kind):
    empty = tmp_path / "empty"
    empty.write_text("")
    assert count(kind, tmp_path / "absent")[0] == (0, 1, 0)
    assert count(kind, empty)[0] == (0, 1, 0)


def test_pytest_errors_count_as_failures(tmp_path):
    path = tmp_path / "report.xml"
    path.write_text(
        '<testsuites><testsuite><testcase classname="c" name="a"/><testcase classname="c" name="b"><failure/></testcase>'
        '<testcase classname="c" name="d"><error/></testcase>'
        '<testcase classname="c" name="e"><skipped message="why"/></testcase></testsuite></testsuites>')
    assert count("junit", path)[0] == (1, 2, 1)
