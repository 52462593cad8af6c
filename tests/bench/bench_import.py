#!/usr/bin/env python3
"""Imports against DuckDB's own command: the same files, the same machine, in turn.

  python tests/bench/bench_import.py [--rows 5000000] [--rounds 3] [--only parquet,csv,noop,dlt,memory,s3] [--work DIR]

Prints one line a figure: wall seconds of `finops aws import-cur` and of `duckdb` doing CREATE TABLE AS from the same files, their
ratio, and peak memory. Nothing here is asserted; docs/benchmarks.md records what came out. `memory` repeats the import with ten times (--times)
the rows. `s3` imports from a MinIO that it starts (scripts/test-servers.sh), with the Python of the tests.
Needs the packages of tests/bench/requirements.txt in the Python that runs it.
"""
import argparse
import glob
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FINOPS = os.environ.get("FINOPS", str(ROOT / "build" / "finops"))
DUCKDB = str(pathlib.Path(sys.executable).parent / "duckdb")
FORMATS = {"parquet": ("v2", "parquet", "read_parquet"), "csv": ("v1", "csv", "read_csv")}


def timed(command, cwd, stdin=None, env=None):
    """Wall seconds and peak resident MiB of one process."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if stdin:
        process.stdin.write(stdin.encode())
    process.stdin.close()
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed: {errors}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def sample(work, name, rows, months=1, fmt="parquet", version="v2", export="bench"):
    out = work / name
    if not (out / "expected.json").exists():
        subprocess.run([FINOPS, "sample", "--out", str(out), "--rows", str(rows), "--months", str(months), "--accounts", "20", "--seed", "1",
                        "--start", "2024-01", "--format", fmt, "--cur-version", version, "--export-name", export, "--bucket", "bench-bucket",
                        "--quiet"], check=True)
    return out / "bench-bucket"


def data_files(bucket, fmt):
    ending = ".parquet" if fmt == "parquet" else ".csv.gz"
    return sorted(f for f in glob.glob(f"{bucket}/**/*{ending}", recursive=True))


def ours(bucket, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return timed([FINOPS, "aws", "import-cur", "--bucket", str(bucket), "--quiet"], folder)


def peers(files, reader, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = ", ".join("'" + f.replace("'", "''") + "'" for f in files)
    return timed([DUCKDB, "peer.duckdb"], folder, f"CREATE TABLE t AS SELECT * FROM {reader}([{names}]);\n")


def compare(work, kind, rows, rounds):
    version, fmt, reader = FORMATS[kind]
    bucket = sample(work, f"{kind}-{rows}", rows, fmt=fmt, version=version)
    files = data_files(bucket, fmt)
    results = []
    for n in range(rounds):
        a, b = ours(bucket, work / "ours"), peers(files, reader, work / "peer")
        results.append((a, b))
        print(f"  {kind} round {n + 1}: finops {a[0]:.1f} s {a[1]:.0f} MiB, duckdb {b[0]:.1f} s {b[1]:.0f} MiB, ratio {a[0] / b[0]:.2f}",
              flush=True)
    ratio = statistics.median(a[0] / b[0] for a, b in results)
    mib = max(a[1] for a, _ in results)
    print(f"{kind}: {rows} rows in {len(files)} files, median ratio finops/duckdb {ratio:.2f}, "
          f"{rows / statistics.median(a[0] for a, _ in results):.0f} rows/s, peak {mib:.0f} MiB", flush=True)


def s3(work, rows, rounds):
    """The same import from MinIO, in turn with another build that $FINOPS_BEFORE names, and from the folder."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from servers import running_minio
    programs = {name: path for name, path in (("before", os.environ.get("FINOPS_BEFORE")), ("now", FINOPS)) if path}
    with running_minio() as minio:
        env = {**os.environ, **minio.env()}
        for kind, (version, fmt, _) in FORMATS.items():
            bucket = sample(work, f"{kind}-{rows}", rows, fmt=fmt, version=version)
            minio.new_bucket("bench-bucket-" + kind)
            address = "s3://bench-bucket-" + kind
            subprocess.run([FINOPS, "storage", "cp", "--recursive", "--quiet", f"{bucket}/", address + "/"], check=True, env=env)
            for manifest in bucket.rglob("*-Manifest.json"):  # which name their bucket
                text = manifest.read_text().replace("bench-bucket", "bench-bucket-" + kind)
                minio.put("bench-bucket-" + kind, manifest.relative_to(bucket).as_posix(), text.encode())
            results = {name: [] for name in (*programs, "folder")}
            for _ in range(rounds):
                for name in results:
                    program, source = programs.get(name, FINOPS), bucket if name == "folder" else address
                    shutil.rmtree(work / "ours", ignore_errors=True)
                    (work / "ours").mkdir()
                    results[name].append(timed([program, "aws", "import-cur", "--bucket", str(source), "--quiet"], work / "ours", env=env))
            now = statistics.median(t for t, _ in results["now"])
            for name, all_of in results.items():
                median = statistics.median(t for t, _ in all_of)
                print(f"s3 {kind} {name}: {rows} rows, {' '.join('%.1f' % t for t, _ in all_of)} s, median {median:.1f} s, "
                      f"peak {max(m for _, m in all_of):.0f} MiB, now takes {now / median:.2f} of it", flush=True)


def many_times(bucket, target, times):
    """The same month with every file listed several times: hard links, so that the rows cost no disk and no time to make."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(bucket, target, copy_function=os.link)
    for manifest in target.rglob("*-Manifest.json"):
        text = json.loads(manifest.read_text())
        member = "reportKeys" if "reportKeys" in text else "dataFiles"
        keys = []
        for key in text[member]:
            local = target / key.removeprefix("s3://bench-bucket/")
            for n in range(times):
                copy = local.with_name(f"{n}-{local.name}")
                if not copy.exists():
                    os.link(local, copy)
                keys.append(key[:-len(local.name)] + copy.name)
        text[member] = keys
        manifest.unlink()
        manifest.write_text(json.dumps(text))
    return target


def memory(work, rows, times):
    for kind in FORMATS:
        version, fmt, _ = FORMATS[kind]
        bucket = sample(work, f"{kind}-{rows}", rows, fmt=fmt, version=version)
        for n, source in ((1, bucket), (times, many_times(bucket, work / "many" / "bench-bucket", times))):
            seconds, mib = ours(source, work / "ours")
            print(f"memory {kind}: {rows * n} rows, peak {mib:.0f} MiB, {seconds:.1f} s", flush=True)


def noop(work, rounds):
    bucket = work / "noop" / "bench-bucket"
    for i in range(10):
        one = sample(work, f"noop-{i}", 300, months=36, fmt="csv", version="v1", export=f"export-{i}")
        shutil.copytree(one, bucket, dirs_exist_ok=True)
    folder = work / "noop-db"
    ours(bucket, folder)
    times = [timed([FINOPS, "aws", "import-cur", "--bucket", str(bucket), "--quiet"], folder) for _ in range(rounds * 3)]
    print(f"re-run with nothing new: 36 months x 10 exports, median {statistics.median(t for t, _ in times):.3f} s", flush=True)


def dlt_slice(work, rows=20000):
    """The way of the earlier Python tool: DuckDB reads the report, rows become dicts, dlt writes them."""
    import dlt
    import duckdb
    bucket = sample(work, f"dlt-{rows}", rows, fmt="csv", version="v1")
    cursor = duckdb.connect().sql(f"SELECT * FROM read_csv('{bucket}/**/*.csv.gz')")
    columns = cursor.columns
    target = work / "dlt.duckdb"
    target.unlink(missing_ok=True)
    start = time.monotonic()
    pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(str(target)), dataset_name="aws_billing",
                            pipelines_dir=str(work / "dlt-pipelines"))
    pipeline.run((dict(zip(columns, row)) for row in cursor.fetchall()), table_name="bench", write_disposition="replace")
    dlt_rate = rows / (time.monotonic() - start)
    seconds, _ = ours(bucket, work / "ours")
    print(f"dlt: {dlt_rate:.0f} rows/s; finops on the same {rows} rows {rows / seconds:.0f} rows/s", flush=True)


def apart(work_of):
    """In a process of its own: a child's peak memory begins at its parent's, and dlt makes this one large."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        work_of()
        sys.stdout.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("the dlt slice failed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=10, help="memory: how many times the rows")
    parser.add_argument("--only", default="noop,dlt,parquet,csv")
    parser.add_argument("--work", default="/tmp/finops-bench")
    a = parser.parse_args()
    work = pathlib.Path(a.work)
    work.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([FINOPS, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    print(f"{version}, {platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d', time.gmtime())}", flush=True)
    for what in a.only.split(","):
        if what in FORMATS:
            compare(work, what, a.rows, a.rounds)
        else:
            {"noop": lambda: noop(work, a.rounds), "dlt": lambda: apart(lambda: dlt_slice(work)), "memory": lambda: memory(work, a.rows, a.times),
             "s3": lambda: s3(work, a.rows, a.rounds)}[what]()


if __name__ == "__main__":
    main()
