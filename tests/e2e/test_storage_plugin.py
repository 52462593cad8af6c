"""A storage plugin as an outsider makes it: from an installed finops and its headers alone, by the guide's own words."""
import contextlib
import json
import re
import sqlite3

import pytest

from installed import built as build_plugin, env, needs_installed_headers_only, prefix, run, run_guide  # noqa: F401


@pytest.fixture(scope="module")
def built(env, tmp_path_factory):  # noqa: F811
    return build_plugin(env, tmp_path_factory.mktemp("onefile"), "onefile")


@pytest.fixture
def with_plugin(env, built, tmp_path):  # noqa: F811
    (tmp_path / "config.toml").write_text('[storage.box]\naddress = "onefile://%s/box.db"\n' % tmp_path)
    return {**env, "OPEN_FINOPS_PLUGIN_PATH": str(built)}


def test_the_example_needs_installed_headers_only():
    needs_installed_headers_only("onefile")


def test_the_example_passes_the_conformance_suite(with_plugin, tmp_path):
    rows = json.loads(run(with_plugin, tmp_path, "finops", "storage", "test", "box", "--format", "json", "--quiet"))
    assert [r for r in rows if r["outcome"] == "FAILED"] == []
    assert sum(r["outcome"] == "ok" for r in rows) > 90
    with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as box:
        assert [box.execute("SELECT count(*) FROM %s" % t).fetchone()[0] for t in ("objects", "uploads", "chunks")] == [0, 0, 0]


def test_what_it_keeps_is_read_by_sqlite(with_plugin, tmp_path):
    (tmp_path / "large").write_bytes(bytes(range(256)) * 100_000)  # 25.6 MB: in parts
    run(with_plugin, tmp_path, "finops", "storage", "put", "large", "box:some/large")
    with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as box:
        chunks = box.execute("SELECT data FROM chunks JOIN objects ON object = id WHERE key = ? ORDER BY number",
                             (b"some/large",)).fetchall()
    assert len(chunks) > 1 and b"".join(c[0] for c in chunks) == (tmp_path / "large").read_bytes()
    run(with_plugin, tmp_path, "finops", "storage", "get", "box:some/large", "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "large").read_bytes()


def test_a_file_that_is_no_database_is_told_and_left_alone(with_plugin, tmp_path):
    (tmp_path / "box.db").write_bytes(b"my diary" * 1000)
    said = run(with_plugin, tmp_path, "finops", "storage", "ls", "box:", status=1)
    assert "not a database" in said and (tmp_path / "box.db").read_bytes() == b"my diary" * 1000


def test_an_address_with_a_host_is_refused(with_plugin, tmp_path):
    said = run(with_plugin, tmp_path, "finops", "storage", "test", "onefile://host/x.db", status=1)
    assert "is written onefile:///" in said


def test_every_command_of_the_guide_works(env, tmp_path):  # noqa: F811
    assert run_guide(env, tmp_path, "write-a-storage-plugin.md") >= 4
    assert re.search(r"box\.db", (tmp_path / "config.toml").read_text())
