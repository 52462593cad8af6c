#!/usr/bin/env python3
"""Two states of a month in a lake compared: seconds, CPU seconds and peak memory of `finops lake diff`.

    python3 tests/bench/lake_diff_bench.py --program build/finops

The month is one of `finops sample` (115 columns), the other state its restatement; --all also compares with a state in which
every line has another price and another id. Nothing but the standard library is needed. The folder is kept with --folder and
is used again when it is there.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ENV = {"PATH": os.environ["PATH"], "OPEN_FINOPS_DATABASE_BACKEND": "ducklake"}
LIMIT = "OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_MEMORY_LIMIT"


def run(home, *args, **env):
    """Standard output, seconds, CPU seconds and peak MiB of one command."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(a) for a in args], cwd=home, env={**ENV, "HOME": str(home), **env}, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{args}: exit status {process.returncode}")
        out.seek(0)
        return out.read(), time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def states(home, program):
    return [s["snapshot_id"] for s in json.loads(run(home, program, "lake", "snapshots", "--format", "json")[0])]


def make(home, program, rows, every):
    """The numbers of the states: old, restated, all lines repriced."""
    kept = home / "states.json"
    found = json.loads(kept.read_text()) if kept.exists() else []
    if not found:
        sample = ["sample", "--out", "bills", "--quiet", "--rows", rows, "--months", 1, "--start", "2026-05"]
        for args in (sample, [*sample, "--restate", "2026-05"]):
            run(home, program, *args)
            run(home, program, "aws", "import-cur", "--bucket", "bills/sample-billing", "--quiet")
            found.append(states(home, program)[-1])
    if every and len(found) < 3:
        run(home, program, "query", "--write", "UPDATE aws_billing.sample_cur SET identity_line_item_id = 'n' || identity_line_item_id, "
            "line_item_unblended_cost = line_item_unblended_cost * 1.01, line_item_unblended_rate = line_item_unblended_rate * 1.01")
        found.append(states(home, program)[-1])
    kept.write_text(json.dumps(found))
    return found


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--program", default="build/finops")
    args.add_argument("--rows", type=int, default=5_000_000)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--memory", default="2GB", help="memory_limit of the engine")
    args.add_argument("--folder", type=pathlib.Path)
    args.add_argument("--all", action="store_true", help="also a state in which every line has another price")
    o = args.parse_args()
    home = o.folder or pathlib.Path(tempfile.mkdtemp(prefix="lake-diff-"))
    home.mkdir(parents=True, exist_ok=True)
    program = pathlib.Path(o.program).resolve()
    found = make(home, program, o.rows, o.all)
    for name, ends in (("restated", found[:2]), *([("all repriced", found[1:3])] if o.all else [])):
        for by in ("service", "resource", "account,tag:team"):
            for _ in range(o.rounds):
                text, seconds, cpu, memory = run(home, program, "lake", "diff", "--from", ends[0], "--to", ends[1], "--by", by,
                                                 "--limit", 20, "--format", "json", **{LIMIT: o.memory})
                rows = json.loads(text)
                counts = {n: sum(r[n] for r in rows) for n in ("added", "removed", "repriced")}
                print(f"{name}, by {by}: {seconds:.1f} s, {cpu:.1f} CPU seconds, {memory:.0f} MiB, load {os.getloadavg()[0]:.1f}, {counts}",
                      flush=True)


if __name__ == "__main__":
    main()
