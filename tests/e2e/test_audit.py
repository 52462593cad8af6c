"""The audit log, from outside: every change is in it, and what was done to it later shows."""
import json
import subprocess

import pytest

IMPORT = ("aws", "import-cur", "--bucket")


@pytest.fixture
def audited(finops, sample):
    finops.log = finops.folder / "audit.jsonl"
    finops.env["OPEN_FINOPS_AUDIT_FILE"] = "audit.jsonl"
    finops.bucket = sample / "sample-billing"
    return finops


def lines(finops):
    return [json.loads(line) for line in finops.log.read_text().splitlines()]


def test_every_month_that_is_loaded_is_recorded(audited):
    loaded = audited.rows(*IMPORT, audited.bucket)
    replaced = {line["object"]: line["rows"] for line in lines(audited) if line["operation"] == "replace"}
    assert sorted(replaced.values()) == sorted(int(month["rows"]) for month in loaded)
    assert {line["outcome"] for line in lines(audited)} == {"ok"}
    assert {line["backend"] for line in lines(audited)} == {"duckdb"}


def test_what_only_reads_is_not_recorded(audited):
    audited.run(*IMPORT, audited.bucket)
    before = audited.log.read_text()
    audited.run("query", "SELECT 1")
    audited.run("report")
    audited.run("aws", "show-state")
    assert audited.log.read_text() == before


def test_no_parameter_and_no_literal_is_in_it(audited):
    audited.run(*IMPORT, audited.bucket)
    assert set().union(*(line.keys() for line in lines(audited))) == {
        "prev", "time", "user", "host", "pid", "backend", "operation", "object", "rows", "ms", "outcome"}
    assert "'" not in audited.log.read_text()


def test_an_untouched_log_is_fine_and_its_last_hash_can_be_asked_for(audited):
    audited.run(*IMPORT, audited.bucket)
    shown = audited.rows("audit", "verify")[0]
    assert int(shown["lines"]) == len(lines(audited))
    audited.run(*IMPORT, audited.bucket, "--force")
    audited.run("audit", "verify", "--last", shown["last"])
    audited.log.write_text("".join(audited.log.read_text().splitlines(keepends=True)[:5]))
    audited.run("audit", "verify")
    refused = audited.run("audit", "verify", "--last", shown["last"], status=1)
    assert "no line has the hash" in refused.stderr


@pytest.mark.parametrize("change", [
    lambda text: text[:4] + [text[4].replace('"user":"', '"user":"x')] + text[5:],
    lambda text: text[:5] + text[6:],
    lambda text: text[:5] + [text[2]] + text[5:],
    lambda text: text[:4] + [text[5], text[4]] + text[6:],
], ids=["changed", "removed", "put in", "swapped"])
def test_tampering_is_found_by_line(audited, change):
    audited.run(*IMPORT, audited.bucket)
    audited.log.write_text("".join(change(audited.log.read_text().splitlines(keepends=True))))
    refused = audited.run("audit", "verify", status=1)
    assert "line 5 " in refused.stderr or "line 6 " in refused.stderr


def test_processes_at_the_same_time_make_one_chain(audited, new_finops):
    others = [audited] + [new_finops() for _ in range(3)]
    runs = [one.start(*IMPORT, audited.bucket, env={"OPEN_FINOPS_AUDIT_FILE": str(audited.log)},
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in others]
    assert [run.wait(120) for run in runs] == [0, 0, 0, 0]
    audited.run("audit", "verify")
    assert len({line["pid"] for line in lines(audited)}) == 4


def test_a_log_that_cannot_be_written_stops_the_import_before_it_changes_anything(audited):
    refused = audited.run(*IMPORT, audited.bucket, env={"OPEN_FINOPS_AUDIT_FILE": "/dev/full"}, status=None)
    assert refused.returncode != 0
    assert "audit log" in refused.stderr


def test_a_missing_log_and_none_configured_are_said(finops):
    assert "no audit log is named" in finops.run("audit", "verify", status=2).stderr
    assert "nothing.jsonl" in finops.run("audit", "verify", "nothing.jsonl", status=1).stderr
