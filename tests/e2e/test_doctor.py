"""finops doctor: what is right is called so, what is wrong is named with what to do, and no secret is shown."""
import os
import shutil
import stat
import time

import duckdb
import pytest


def checks(finops, *flags, **kwargs):
    return {r["check"]: r for r in finops.rows("doctor", *flags, **kwargs)}


def test_a_healthy_installation_has_no_failures(loaded, sample):
    result = checks(loaded, "--bucket", sample / "sample-billing")
    assert {r["status"] for r in result.values()} == {"ok"}
    assert {"engine", "extension httpfs", "configuration", "database", "load state", "temporary space",
            "proxy", "certificates", "source"} == set(result)
    assert "v1.5.5" in result["engine"]["detail"] and "version" in result["extension httpfs"]["detail"]
    assert "3 months are loaded" in result["load state"]["detail"]
    assert "1 export, 3 months" in result["source"]["detail"]


def test_a_line_a_check_for_people(loaded, sample):
    lines = loaded.run("doctor", "--bucket", sample / "sample-billing").stdout.splitlines()
    assert len(lines) == 9 and all(line.startswith("ok ") for line in lines)


def test_nothing_is_made(finops):
    result = checks(finops)
    assert result["database"]["status"] == "ok" and "can be made" in result["database"]["detail"]
    assert result["source"]["status"] == "warning" and "--bucket" in result["source"]["advice"]
    assert list(finops.folder.iterdir()) == []


def test_a_source_that_does_not_answer_fails_with_advice(finops):
    done = finops.run("doctor", "--bucket", "./nowhere", status=1)
    line, = [line for line in done.stdout.splitlines() if line.split()[1] == "source"]
    assert line.startswith("failed") and "nowhere" in line and "to do: " in line
    assert "1 check failed" in done.stderr


def test_a_source_without_exports_is_a_warning(finops, tmp_path):
    (tmp_path / "empty").mkdir()
    assert checks(finops, "--bucket", tmp_path / "empty")["source"]["status"] == "warning"


def test_every_configured_source_is_tried(finops, sample):
    (finops.folder / "config.toml").write_text(
        f'[[aws.exports]]\nbucket = "{sample}/sample-billing"\nexport_name = "sample-cur"\n'
        '[[aws.exports]]\nbucket = "/nowhere/at/all"\nexport_name = "other"\n')
    result = checks(finops, status=1)
    assert result["source 1"]["status"] == "ok" and result["source 2"]["status"] == "failed"
    assert "config.toml" in result["configuration"]["detail"]


def test_a_file_that_is_no_database_fails(finops):
    finops.database.parent.mkdir()
    finops.database.write_text("this is not a database, whatever its name says " * 100)
    result = checks(finops, status=1)
    assert result["database"]["status"] == "failed" and result["database"]["advice"]


def test_the_process_that_holds_the_database_is_named(finops, loaded):
    finops.database.parent.mkdir()
    shutil.copy(loaded.database, finops.database)
    with duckdb.connect(str(finops.database)):
        began = time.monotonic()
        result = checks(finops)
    assert time.monotonic() - began < 5
    assert result["database"]["status"] == "warning" and str(os.getpid()) in str(result["database"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_fails(finops):
    finops.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        result = checks(finops, status=1)
    finally:
        finops.folder.chmod(0o755)
    assert result["database"]["status"] == "failed" and "writable" in result["database"]["detail"]


def test_a_missing_extension_fails_and_says_where_it_was_looked_for(finops, tmp_path):
    result = checks(finops, status=1, env={"FINOPS_EXTENSION_DIR": str(tmp_path / "none")})
    assert result["extension httpfs"]["status"] == "failed" and str(tmp_path) in result["extension httpfs"]["detail"]


def test_a_bundle_without_certificates_fails(finops, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("nothing")
    assert checks(finops, status=1, env={"AWS_CA_BUNDLE": str(bundle)})["certificates"]["status"] == "failed"
    assert checks(finops, status=1, env={"AWS_CA_BUNDLE": "/no/such.pem"})["certificates"]["status"] == "failed"


def test_credentials_are_named_by_source_and_never_shown(finops):
    env = {"AWS_ACCESS_KEY_ID": "AKIAVISIBLE", "AWS_SECRET_ACCESS_KEY": "wJalrSECRET", "AWS_SESSION_TOKEN": "tokenTOKEN",
           "HTTPS_PROXY": "http://user:hunter2@127.0.0.1:9"}
    flags = ("--bucket", "s3://nothing-there", "--region", "us-east-1", "--endpoint-url", "http://127.0.0.1:9", "--addressing", "path")
    done = finops.run("doctor", *flags, env={**env, "OPEN_FINOPS_NETWORK_RETRIES": "0"}, status=1)
    assert "env AWS_ACCESS_KEY_ID" in done.stdout and "session token" in done.stdout and "127.0.0.1:9 (env HTTPS_PROXY)" in done.stdout
    for secret in ("AKIAVISIBLE", "wJalrSECRET", "tokenTOKEN", "hunter2"):
        assert secret not in done.stdout + done.stderr


def test_credentials_that_others_can_read_are_a_warning(finops):
    (finops.folder / ".aws").mkdir()
    keys = finops.folder / ".aws" / "credentials"
    keys.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    keys.chmod(0o644)
    flags = ("--bucket", "s3://nothing-there", "--endpoint-url", "http://127.0.0.1:9", "--addressing", "path")
    env = {"OPEN_FINOPS_NETWORK_RETRIES": "0"}
    assert checks(finops, *flags, status=1, env=env)["credentials"]["status"] == "warning"
    keys.chmod(0o600)
    assert checks(finops, *flags, status=1, env=env)["credentials"]["status"] == "ok"


def test_a_bucket_is_reached_with_signed_requests(finops, minio, sample):
    bucket = minio.new_bucket()
    minio.put_tree(bucket, sample / "sample-billing")
    flags = ("--bucket", f"s3://{bucket}", "--addressing", "path")
    result = checks(finops, *flags, env=minio.env())
    assert result["source"]["status"] == "ok" and "1 export, 3 months" in result["source"]["detail"]
    wrong = checks(finops, *flags, env={**minio.env(), "AWS_SECRET_ACCESS_KEY": "wrong"}, status=1)
    assert wrong["source"]["status"] == "failed" and wrong["source"]["advice"]


def test_a_database_of_the_earlier_tool_is_recognised(finops, shared):
    finops.database.parent.mkdir()
    shutil.copy(shared / "legacy" / "finops.duckdb", finops.database)
    state = checks(finops)["load state"]
    assert state["status"] == "ok" and "2 months" in state["detail"] and "earlier tool" in state["detail"]


def test_a_configuration_that_cannot_be_used_is_explained(finops):
    (finops.folder / "config.toml").write_text("[aws]\nbuckett = 'x'\n")
    done = finops.run("doctor", status=2)
    assert "config.toml:2" in done.stderr and "bucket" in done.stderr
