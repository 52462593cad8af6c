#!/usr/bin/env python3
"""A lake against a DuckDB file: the same bills, the same commands, the same machine, in turn.

  python tests/bench/lake_bench.py [--rows 5000000] [--month-rows 1000000] [--rounds 3] [--only import,months,replace,query] [--work DIR]

"import" loads one month of --rows into a DuckDB file and into lakes (snappy, zstd), and compares what is on the disk. "months" loads 12
months of --month-rows / 10, one, two and four of them at a time (max_concurrent_loads). "replace" loads a
month of --month-rows again into a lake that has 36 months and into an empty one, seconds and bytes written. "query" asks ten questions of
12 months of --month-rows each: by `finops query`, its start included, and by DuckDB's Python package, the statement alone. Ratios are the
lake's seconds divided by the DuckDB file's, of each round; medians are printed. Nothing is asserted.

Needs tests/requirements.txt in the Python that runs it (the one of scripts/test.sh has it).
"""
import argparse
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import time

import duckdb

from bench_import import FINOPS, ROOT, sample, timed

EXTENSIONS = ROOT / "deps" / "extensions"
VIEW = "aws_billing.bench_unified"
QUERIES = {
    "cost by service and month": "SELECT billing_period, product_servicecode, sum(line_item_unblended_cost) FROM {v} GROUP BY ALL ORDER BY ALL",
    "cost by account": "SELECT line_item_usage_account_id, sum(line_item_unblended_cost) FROM {v} GROUP BY 1 ORDER BY 2 DESC",
    "top resources": "SELECT line_item_resource_id, sum(line_item_unblended_cost) c FROM {v} GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "one month by day": "SELECT date_trunc('day', line_item_usage_start_date) d, sum(line_item_unblended_cost) FROM {v} "
                        "WHERE billing_period = '2024-06' GROUP BY 1 ORDER BY 1",
    "tag split": "SELECT resource_tags['user_team'] t, sum(line_item_unblended_cost) FROM {v} WHERE billing_period >= '2024-10' GROUP BY 1 ORDER BY 2 DESC",
    "usage types of a service": "SELECT line_item_usage_type, sum(line_item_usage_amount), sum(line_item_unblended_cost) FROM {v} "
                                "WHERE product_servicecode = 'AmazonEC2' GROUP BY 1 ORDER BY 3 DESC LIMIT 50",
    "discounts": "SELECT billing_period, line_item_line_item_type, sum(line_item_unblended_cost), count(*) FROM {v} "
                 "WHERE line_item_line_item_type <> 'Usage' GROUP BY ALL ORDER BY ALL",
    "regions": "SELECT product_region_code, product_servicecode, sum(line_item_unblended_cost) FROM {v} GROUP BY ALL ORDER BY 3 DESC",
    "one resource": "SELECT billing_period, sum(line_item_unblended_cost) FROM {v} WHERE line_item_resource_id = (SELECT "
                    "max(line_item_resource_id) FROM {v} WHERE billing_period = '2024-12') GROUP BY 1 ORDER BY 1",
    "everything": "SELECT count(*), sum(line_item_unblended_cost), min(line_item_usage_start_date), max(line_item_usage_end_date) FROM {v}",
}


def environment(kind):
    backend, _, compression = kind.partition(" ")
    env = {**os.environ, "OPEN_FINOPS_DATABASE_BACKEND": backend}
    return {**env, "OPEN_FINOPS_DATABASE_DUCKLAKE_COMPRESSION": compression} if compression else env


def load(bucket, folder, kind, *more, fresh=True):
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return timed([FINOPS, "aws", "import-cur", "--bucket", str(bucket), "--quiet", *more], folder, env=environment(kind))


def on_disk(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def spread(values):
    return "%.2f (%.2f to %.2f)" % (statistics.median(values), min(values), max(values))


def imports(work, rows, rounds):
    bucket, kinds = sample(work, f"one-{rows}", rows), ("duckdb", "ducklake snappy", "ducklake zstd")
    took, peak, size = {k: [] for k in kinds}, {k: 0 for k in kinds}, {}
    for n in range(rounds):
        for kind in kinds[n % 3:] + kinds[:n % 3]:
            seconds, mib = load(bucket, work / "into", kind)
            took[kind].append(seconds)
            peak[kind], size[kind] = max(peak[kind], mib), on_disk(work / "into")
    for kind in kinds:
        ratio = [a / b for a, b in zip(took[kind], took["duckdb"])]
        print(f"import {rows} rows, {kind}: {statistics.median(took[kind]):.1f} s, ratio {spread(ratio)}, peak {peak[kind]:.0f} MiB, "
              f"{size[kind] >> 20} MiB on the disk, {size[kind] / size['duckdb']:.2f} of the DuckDB file", flush=True)


def several(work, rows, rounds):
    bucket = sample(work, f"twelve-{rows}", rows, months=12)
    seconds = {n: [] for n in (0, 1, 2, 4)}
    peak = dict(seconds)
    for _ in range(rounds):
        for n in seconds:
            os.environ["OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_MAX_CONCURRENT_LOADS"] = str(n or 1)
            took, peak[n] = load(bucket, work / "twelve", "ducklake" if n else "duckdb")
            seconds[n].append(took)
    del os.environ["OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_MAX_CONCURRENT_LOADS"]
    for n, took in seconds.items():
        print(f"12 months of {rows} rows, {'a DuckDB file' if n == 0 else f'a lake, {n} at a time'}: {statistics.median(took):.1f} s, ratio "
              f"{spread([a / b for a, b in zip(took, seconds[0])])}, peak {peak[n]} MiB", flush=True)


def replaces(work, rows, rounds):
    bucket = sample(work, f"many-{rows}", rows, months=36)
    load(bucket, work / "lake36", "ducklake")
    period, fresh, again, wrote = "2026-11", [], [], []
    for _ in range(rounds):
        seconds, _ = load(bucket, work / "empty", "ducklake", "--start-date", period, "--end-date", period)
        alone, before = on_disk(work / "empty"), on_disk(work / "lake36")
        fresh.append(seconds)
        again.append(load(bucket, work / "lake36", "ducklake", "--start-date", period, "--end-date", period, "--force", fresh=False)[0])
        wrote.append((on_disk(work / "lake36") - before) / alone)
    print(f"replace one month of 36, {rows} rows each: {statistics.median(again):.1f} s, into an empty lake {statistics.median(fresh):.1f} s, ratio "
          f"{spread([a / b for a, b in zip(again, fresh)])}; bytes {spread(wrote)} of those", flush=True)


def connections(work):
    config = {"autoinstall_known_extensions": "false"}
    file = duckdb.connect(str(work / "file" / "data" / "finops.duckdb"), read_only=True, config=config)
    lake = duckdb.connect(config=config)
    lake.load_extension(str(EXTENSIONS / "ducklake.duckdb_extension"))
    lake.execute(f"ATTACH 'ducklake:{work / 'lake' / 'data' / 'finops.ducklake'}' AS finops_lake (READ_ONLY); USE finops_lake")
    return {"duckdb": file, "ducklake": lake}


def ask_command(work, kind, sql):
    return timed([FINOPS, "query", "--format", "csv", sql], work / ("file" if kind == "duckdb" else "lake"), env=environment(kind))[0]


def ask_engine(connection, sql):
    start = time.monotonic()
    connection.execute(sql).fetchall()
    return time.monotonic() - start


def queries(work, rows, rounds):
    bucket = sample(work, f"year-{rows}", rows, months=12)
    for kind, folder in (("duckdb", "file"), ("ducklake", "lake")):
        if not (work / folder).exists():
            load(bucket, work / folder, kind)
    engines = connections(work)
    ratios = {"command": [], "engine": []}
    for name, text in QUERIES.items():
        sql = text.format(v=VIEW)
        answers = [sorted(map(repr, e.execute(sql).fetchall())) for e in engines.values()]
        if answers[0] != answers[1]:
            raise SystemExit(f"{name}: the answers differ")
        line = []
        for how in ratios:
            took = {k: [ask_command(work, k, sql) if how == "command" else ask_engine(engines[k], sql) for _ in range(rounds)] for k in engines}
            ratio = statistics.median(took["ducklake"]) / statistics.median(took["duckdb"])
            ratios[how].append(ratio)
            line.append("%s %.0f ms, duckdb %.0f ms, ratio %.2f" % (how, *(1000 * statistics.median(took[k]) for k in ("ducklake", "duckdb")), ratio))
        print(f"  {name}: {'; '.join(line)}", flush=True)
    for how, values in ratios.items():
        print(f"query, {how}: geometric mean {math.prod(values) ** (1 / len(values)):.2f}, worst {max(values):.2f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=5000000)
    p.add_argument("--month-rows", type=int, default=1000000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", default="import,months,replace,query")
    p.add_argument("--work", default=str(ROOT / "build" / "bench"))
    a = p.parse_args()
    work = pathlib.Path(a.work)
    work.mkdir(parents=True, exist_ok=True)
    print(f"== {platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
          f"{subprocess.run([FINOPS, 'version'], capture_output=True, text=True).stdout.splitlines()[0]}")
    if "import" in a.only:
        imports(work, a.rows, a.rounds)
    if "months" in a.only:
        several(work, a.month_rows // 10, a.rounds)
    if "replace" in a.only:
        replaces(work, a.month_rows, a.rounds)
    if "query" in a.only:
        queries(work, a.month_rows, a.rounds)


if __name__ == "__main__":
    main()
