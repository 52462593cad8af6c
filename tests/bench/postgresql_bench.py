#!/usr/bin/env python3
"""Rows into PostgreSQL: our COPY, DuckDB's postgres extension, and COPY of ready-made binary files, in turn.

  python tests/bench/postgresql_bench.py [--rows 1000000] [--rounds 3] [--connections 1,2,4] [--connects 200]
                                         [--without duckdb] [--build DIR]

The same Parquet file (a bill of 100 columns) goes into the same table of the same server, which is started here: finops
appends to it over one connection, and replaces it over one or more (copy_connections). Ratios are of each round and
against the first; their median and range are printed, as the machine may be busy. And the time to connect, over the
socket beside pgbench doing only that, and over TCP with TLS. Nothing is asserted.
Needs tests/bench/requirements-postgresql.txt in the Python that runs it, `ninja tests/driver_tool`, and PostgreSQL.
"""
import argparse
import importlib.util
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.modules.setdefault("pytest", type(sys)("pytest"))  # the fixtures are not needed here
sys.modules["pytest"].fixture = getattr(sys.modules["pytest"], "fixture", lambda **kw: lambda f: f)
import postgresql  # noqa: E402

DUCKDB = str(pathlib.Path(sys.executable).parent / "duckdb")

# A bill: most columns are texts, many of them empty for most lines.
COLUMNS = (
    [("text_%02d" % n, "'value-' || (i * %d %% %d)" % (n + 7, 10 ** (n % 6 + 1)), "text") for n in range(30)]
    + [("sparse_%02d" % n, "CASE WHEN i %% %d = 0 THEN 'arn:aws:ec2:eu-central-1:123456789012:volume/vol-' || i END"
        % (n % 7 + 2), "text") for n in range(40)]
    + [("cost_%02d" % n, "((i * %d %% 1000003) / 997)::DECIMAL(38,18)" % (n + 3), "numeric(38,18)") for n in range(14)]
    + [("rate_%02d" % n, "(i %% %d) / 7.0" % (n + 11), "double precision") for n in range(4)]
    + [("time_%02d" % n, "TIMESTAMP '2026-05-01' + INTERVAL (i %% 2678400) SECOND + INTERVAL (%d) HOUR" % n, "timestamp")
       for n in range(5)]
    + [("day_%02d" % n, "DATE '2026-05-01' + (i %% %d)::INTEGER" % (n + 28), "date") for n in range(2)]
    + [("count_%02d" % n, "i * %d" % (n + 1), "bigint") for n in range(4)]
    + [("flag", "i % 2 = 0", "boolean")]
)


def make_parquet(work, rows):
    path = work / ("bill-%d.parquet" % rows)
    if not path.exists():
        selects = ", ".join('%s AS "%s"' % (sql, name) for name, sql, _ in COLUMNS)
        duckdb("COPY (SELECT %s FROM range(%d) r(i)) TO '%s' (FORMAT parquet)" % (selects, rows, path))
    return path


def duckdb(sql):
    start = time.monotonic()
    done = subprocess.run([DUCKDB, "-bail"], input=sql + ";\n", capture_output=True, text=True)
    if done.returncode or "Error" in done.stderr:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - start


def extension():
    folder = pathlib.Path(importlib.util.find_spec("duckdb_extension_postgres_scanner").origin).parent
    return next(folder.glob("extensions/*/postgres_scanner.duckdb_extension"))


def fresh_table(db, name):
    columns = ", ".join('"%s" %s' % (column, kind) for column, _, kind in COLUMNS)
    db.sql('DROP TABLE IF EXISTS "%s"; CREATE TABLE "%s" (%s)' % (name, name, columns))
    db.sql("CHECKPOINT")


def run_tool(tool, db, commands, **options):
    arguments = ["%s=%s" % pair for pair in options.items()]
    done = subprocess.run([tool, *arguments], input="".join(c + "\n" for c in commands), capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or any(line.startswith("error") for line in lines):
        sys.exit(done.stdout + done.stderr)
    return lines


def ours(tool, db, parquet, what="write\tappend\t-\tbill", **settings):
    start = time.monotonic()
    run_tool(tool, db, ["connect", "%s\tSELECT * FROM read_parquet('%s')" % (what, parquet)], **db.settings(**settings))
    return time.monotonic() - start


def replaced(tool, db, parquet, connections):
    return ours(tool, db, parquet, "replace\t-\tbill\t-\t-", copy_connections=connections)


def theirs(db, parquet):
    s = db.settings()
    address = "host=%s port=%s dbname=%s user=%s password=%s" % (s["host"], s["port"], s["database"], s["user"], s["password"])
    return duckdb("LOAD '%s'; ATTACH '%s' AS pg (TYPE postgres); INSERT INTO pg.public.bill SELECT * FROM read_parquet('%s')"
                  % (extension(), address, parquet))


def ready_made(db, path):
    start = time.monotonic()
    db.psql("-c", "\\copy bill FROM '%s' (FORMAT binary)" % path)
    return time.monotonic() - start


def ready_made_by_server(db, path):
    start = time.monotonic()
    db.sql("COPY bill FROM '%s' (FORMAT binary)" % path)
    return time.monotonic() - start


def checksum(db):
    return db.sql("SELECT count(*), sum(cost_03), sum(count_01), count(sparse_05), max(time_01), sum(length(text_03)) FROM bill")


def ratios(seconds, first, way):
    each = sorted(a / b for a, b in zip(seconds[way], seconds[first]))
    return "%.2f of its time (%.2f to %.2f)" % (statistics.median(each), each[0], each[-1])


def compare(server, work, tool, rows, rounds, connections, without):
    db, parquet = server.new_database(), make_parquet(work, rows)
    fresh_table(db, "bill")
    ours(tool, db, parquet)
    want, binary = checksum(db), server.folder / "bill.bin"
    db.sql("COPY bill TO '%s' (FORMAT binary)" % binary)
    ways = {"finops": lambda: ours(tool, db, parquet)}
    for n in connections:
        ways["finops, replace over %d" % n] = lambda n=n: replaced(tool, db, parquet, n)
    ways |= {"duckdb": lambda: theirs(db, parquet),
            "copy file": lambda: ready_made(db, binary), "copy file, by the server": lambda: ready_made_by_server(db, binary)}
    ways = {way: run for way, run in ways.items() if way not in without}
    seconds = {way: [] for way in ways}
    for n in range(rounds):
        for way, run in ways.items():
            fresh_table(db, "bill")
            seconds[way].append(run())
            assert checksum(db) == want, way
        print("  round %d: %s" % (n + 1, ", ".join("%s %.2f s" % (way, s[-1]) for way, s in seconds.items())), flush=True)
    for way in ways:
        middle = statistics.median(seconds[way])
        print("%-26s %7.2f s  %9.0f rows/s  %s" % (way, middle, rows / middle, ratios(seconds, next(iter(ways)), way)))


def pgbench_connects(name, times, host, port, user, database, password, sslmode="prefer", sslrootcert="", **_):
    """Average of pgbench doing nothing but to connect: libpq, the server's fork and the password check."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("\\set a 1\n")
        script.flush()
        done = subprocess.run([postgresql.programs() / "pgbench", "-C", "-n", "-c", "1", "-t", str(times), "-f", script.name, "-h", host,
                               "-p", str(port), "-U", user, database], capture_output=True, text=True, check=True,
                              env={**os.environ, "PGPASSWORD": password, "PGSSLMODE": sslmode, "PGSSLROOTCERT": sslrootcert})
    print("%-26s average %s ms" % (name, re.search(r"connection time = ([0-9.]+) ms", done.stdout)[1]))


def connects(tool, name, db, times, **settings):
    lines = run_tool(tool, db, ["connect"] * times, **settings)
    micros = sorted(int(line.split("\t")[1]) for line in lines if line.startswith("connected"))
    print("%-26s median %.2f ms, 99 %% under %.2f ms" % (name, micros[len(micros) // 2] / 1000,
                                                          micros[len(micros) * 99 // 100] / 1000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="1,2,4", help="of finops replacing the table, such as 1,2,4")
    parser.add_argument("--connects", type=int, default=200)
    parser.add_argument("--without", default="", help="ways to leave out, such as duckdb")
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--work", default=str(pathlib.Path(tempfile.gettempdir()) / "finops-bench"))
    a = parser.parse_args()
    work = pathlib.Path(a.work)
    work.mkdir(parents=True, exist_ok=True)
    tool = str(pathlib.Path(a.build) / "tests" / "driver_tool")
    if not os.path.exists(tool) or not shutil.which(DUCKDB):
        sys.exit("ninja -C %s tests/driver_tool, and pip install -r tests/bench/requirements-postgresql.txt" % a.build)
    print("%d rows of %d columns, %d rounds, %d cores, %s" % (a.rows, len(COLUMNS), a.rounds, os.cpu_count(), platform.platform()))
    with postgresql.running_postgresql(options=["max_wal_size=8GB", "fsync=on"]) as server:
        db = server.new_database()
        pgbench_connects("pgbench connects, socket", a.connects, **db.settings())
        connects(tool, "connect, socket", db, a.connects, **db.settings())
        if a.rounds:
            compare(server, work, tool, a.rows, a.rounds, [int(n) for n in a.connections.split(",") if n], a.without.split(","))
    with postgresql.running_postgresql(tls=True) as server:
        db = server.new_database()
        settings = db.tcp_settings(sslrootcert=server.ca_file)
        pgbench_connects("pgbench connects, TLS", a.connects, **settings)
        connects(tool, "connect, TCP with TLS", db, a.connects, **settings)


if __name__ == "__main__":
    main()
