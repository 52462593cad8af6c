#!/usr/bin/env python3
"""What each storage backend does: the conformance suite over all of them, as docs/reference/storage-behaviours.md.

usage: tools/storage_matrix.py BUILD_FOLDER [--write] [--only NAME,...]

Servers are those of tests/support; one that cannot be had is left out, and --write refuses then. Ends with 1 when a case
failed that is not known to be the server's fault (KNOWN), which the page says.
"""
import argparse
import contextlib
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "storage-behaviours.md"
sys.path.insert(0, str(ROOT / "tests" / "support"))

# What a server does wrong, so that the case fails through no fault of the driver's: backend, case, reason.
KNOWN = [
    ("MinIO*", "K6 *", "MinIO does not list a/b beside an object a"),
    ("fake-gcs-server", "D4 one version is copied", "fake-gcs-server looks at generations in uploads only"),
    ("fake-gcs-server", "D4 a copy may only create", "fake-gcs-server looks at generations in uploads only"),
    ("fake-gcs-server", "C3 the right version is deleted*", "fake-gcs-server looks at generations in uploads only"),
]


class Missing(Exception):
    """A server that is not here."""


@contextlib.contextmanager
def files(*settings):
    with tempfile.TemporaryDirectory(prefix="finops-matrix-") as folder:
        texts = [s.replace("{}", folder) for s in settings]
        if any("key_file" in t for t in texts):
            key = pathlib.Path(folder, "key")
            key.write_text("first:" + "0123456789abcdef" * 4 + "\n")
            key.chmod(0o600)
        yield ["file://%s/root" % folder, *texts]


@contextlib.contextmanager
def memory():
    yield ["memory:"]


@contextlib.contextmanager
def minio(*settings):
    import servers

    if not list(pathlib.Path.home().glob(".cache/finops/bin/minio-*")):
        raise Missing("scripts/test-servers.sh builds MinIO")
    with servers.running_minio() as server, tempfile.TemporaryDirectory(prefix="finops-matrix-") as folder:
        bucket, env = server.new_bucket(), server.env()
        yield ["s3://%s/suite" % bucket, "region=us-east-1", "addressing=path", "endpoint_url=http://%s" % server.host,
               "access_key_id=%s" % env["AWS_ACCESS_KEY_ID"], "secret_access_key=%s" % env["AWS_SECRET_ACCESS_KEY"],
               *[s.replace("{}", folder) for s in settings]]


@contextlib.contextmanager
def azurite():
    import azurite as support

    if not list(pathlib.Path.home().glob(".cache/finops/bin/azurite-*")):
        raise Missing("scripts/test-servers.sh gets Azurite")
    with support.running_azurite() as server:
        yield ["az://%s/suite" % server.new_container(), "endpoint_url=%s" % server.endpoint, "account=%s" % server.account,
               "account_key=%s" % server.key]


@contextlib.contextmanager
def fake_gcs():
    import fake_gcs as support

    if not list(pathlib.Path.home().glob(".cache/finops/bin/fake-gcs-server-*")):
        raise Missing("scripts/test-servers.sh builds fake-gcs-server")
    with support.running_fake_gcs() as server:
        yield ["gs://%s/suite" % server.new_bucket(), "endpoint_url=%s" % server.endpoint]


@contextlib.contextmanager
def sshd():
    import sshd as support

    if not support.found():
        raise Missing("the distribution's package openssh-server has it")
    with support.running_sshd() as server:
        options = server.options()
        yield ["sftp://%s/%s" % (options.pop("host"), server.new_folder()), *["%s=%s" % item for item in options.items()]]


@contextlib.contextmanager
def hdfs():
    import minidfs as support

    if not os.environ.get("FINOPS_MINIDFS"):
        raise Missing("$FINOPS_MINIDFS names what scripts/test-servers.sh minidfs prints")
    with support.running_minidfs() as server:
        yield ["hdfs://%s/%s" % (server.host, server.new_folder()), "user=%s" % server.user]


BACKENDS = {
    "memory": memory,
    "local": files,
    "local, cached": lambda: files("cache.folder={}/cache"),
    "local, gzip": lambda: files("compress.format=gzip"),
    "local, zstd": lambda: files("compress.format=zstd"),
    "local, encrypted": lambda: files("encrypt.key_file={}/key"),
    "local, all layers": lambda: files("cache.folder={}/cache", "compress.format=zstd", "encrypt.key_file={}/key",
                                       "limits.concurrency=32", "deadline.timeout=300"),
    "MinIO": minio,
    "MinIO, cached and compressed": lambda: minio("cache.folder={}/cache", "compress.format=zstd"),
    "Azurite": azurite,
    "fake-gcs-server": fake_gcs,
    "OpenSSH (sftp)": sshd,
    "HDFS": hdfs,
}


def known(backend, row):
    for backends, cases, why in KNOWN:
        if row["outcome"] == "FAILED" and fnmatch.fnmatch(backend, backends) and fnmatch.fnmatch(row["name"], cases):
            return dict(row, outcome="known", why=why)
    return row


def run(tool, name):
    with BACKENDS[name]() as arguments:
        done = subprocess.run([tool, *arguments, "suite"], capture_output=True, text=True, timeout=1800)
    rows = [known(name, json.loads(line)) for line in done.stdout.splitlines()]
    if done.stderr or not rows or done.returncode not in (0, 1):
        sys.exit("%s: %s" % (name, done.stderr.strip() or "ended with %d" % done.returncode))
    return rows


LONG = "takes long: only with --long"


def cell(row, notes):
    """One word, and the number of its reason."""
    if row["outcome"] == "ok":
        return "yes"
    word = {"FAILED": "**FAILED**", "known": "fails", "not claimed": "no"}[row["outcome"]]
    if row["why"] == LONG:
        word = "not run"
    return "%s [%d]" % (word, notes.setdefault(row["why"], len(notes) + 1))


def page(results):
    """Markdown: a line a case, a column a backend, and the reasons below."""
    notes, lines = {}, []
    names = list(results)
    for number, row in enumerate(results[names[0]]):
        cells = [cell(results[name][number], notes) for name in names]
        ident, _, sentence = row["name"].partition(" ")
        lines.append("| %s | %s | %s |" % (ident, sentence.replace("|", "\\|"), " | ".join(cells)))
    counts = ", ".join("%s %d of %d" % (n, sum(r["outcome"] == "ok" for r in results[n]), len(results[n])) for n in names)
    return "\n".join([
        "# What storage backends do",
        "",
        "Written by `tools/storage_matrix.py build --write`, from one run of the conformance suite over each backend. A \"no\" is a lack",
        "that is declared, or a key or an option that the service refuses: never is something else done in its place. \"fails\" is a fault",
        "of the server that the driver cannot mend. The numbers lead to the reasons.",
        "",
        "Passed: %s." % counts,
        "",
        "| | behaviour | %s |" % " | ".join(names),
        "|---|---|%s" % ("---|" * len(names)),
        *lines,
        "",
        *["%d. %s" % (mark, why) for why, mark in notes.items()],
        "",
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only")
    options = parser.parse_args()
    subprocess.run(["ninja", "-C", options.build, "tests/suite_tool"], check=True, stdout=subprocess.DEVNULL)
    results, missing = {}, []
    for name in options.only.split(",") if options.only else BACKENDS:
        try:
            results[name] = run(options.build / "tests" / "suite_tool", name)
        except Missing as why:
            missing.append("%s: %s" % (name, why))
            continue
        counts = [sum(r["outcome"] == o for r in results[name]) for o in ("ok", "FAILED", "not claimed", "known")]
        print("%s: %d passed, %d failed, %d not claimed, %d failed by the server" % (name, *counts), flush=True)
        for row in results[name]:
            if row["outcome"] == "FAILED":
                print("  FAILED %s: %s" % (row["name"], row["why"]), flush=True)
    print("\n".join(missing))
    if options.write and missing:
        sys.exit("not written: a backend is missing")
    if options.write:
        PAGE.write_text(page(results), encoding="utf-8")
    return any(r["outcome"] == "FAILED" for rows in results.values() for r in rows)


if __name__ == "__main__":
    sys.exit(main())
