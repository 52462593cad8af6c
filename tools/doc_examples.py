#!/usr/bin/env python3
"""Runs the examples of pages and compares their output with what the page shows.

usage: doc_examples.py [--write] PROGRAM PAGE.md...

A fenced block is used when a comment stands before it:
  <!-- run -->            sh: run by bash; must succeed
  <!-- run status=1 -->   sh: must end with this status
  <!-- file NAME -->      any: written to the file NAME
The examples of a page run one after the other in one new folder, with PROGRAM as `finops`. A ```text block right after
one that was run is its output, standard error included; --write puts the real one there when they differ. Times, seconds
and sizes may differ, hashes of places too; the folder is shown as /home/ana/finops.
"""
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MARK = re.compile(r"<!-- (run|file)(?: status=(\d+)| (\S+))? -->$")
SHOWN_FOLDER = "/home/ana/finops"
VARYING = [
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?(?![\d.-])"), "TIME"),
    (re.compile(r"\d+(\.\d+)? (GiB free|bytes)"), r"N \2"),
    (re.compile(r"PID \d+"), "PID N"),
    (re.compile(r"_[0-9a-f]{6}(?![0-9a-z])"), "_HASH"),  # of where a bill lies
]


class Block:
    """Lines [first, last) of a page between two fences."""

    def __init__(self, lines, fence):
        self.language = lines[fence][3:].strip()
        self.first = fence + 1
        self.last = next(i for i in range(self.first, len(lines)) if lines[i].rstrip() == "```")

    def text(self, lines):
        return "".join(lines[self.first:self.last])


def block_after(lines, line):
    """The fenced block that begins right after a line, blank lines apart, or None."""
    while line < len(lines) and not lines[line].strip():
        line += 1
    return Block(lines, line) if line < len(lines) and lines[line].startswith("```") else None


def comparable(output):
    for pattern, replacement in VARYING:
        output = pattern.sub(replacement, output)
    if re.search(r"\bseconds\b", output):
        output = re.sub(r"(?<=\s)\d+\.\d\d(?=\s|$)", "S", output)
    return [re.sub(r" +", " ", line).strip() for line in output.rstrip().splitlines()]


def environment(program, scratch):
    (scratch / "bin").mkdir()
    (scratch / "bin" / "finops").symlink_to(pathlib.Path(program).resolve())
    (scratch / "home").mkdir()
    kept = {k: v for k, v in os.environ.items() if k in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
    return {**kept, "PATH": f"{scratch}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": f"{scratch}/home", "LANG": "C.UTF-8"}


def run_block(script, folder, env):
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], cwd=folder, env=env, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.replace(str(folder), SHOWN_FOLDER)


def run_page(page, program, write, scratch):
    """The page's problems, a text each."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    env, folder, problems = environment(program, scratch), scratch / "work", []
    folder.mkdir()
    at = 0
    while at < len(lines):
        mark = MARK.match(lines[at].strip())
        at += 1
        if not mark:
            continue
        where = f"{page}:{at}"
        block = block_after(lines, at)
        if not block:
            problems.append(f"{where}: no fenced block follows")
            continue
        at = block.last + 1
        if mark[1] == "file":
            (folder / mark[3]).write_text(block.text(lines), encoding="utf-8")
            continue
        status, output = run_block(block.text(lines), folder, env)
        if status != int(mark[2] or 0):
            problems.append(f"{where}: exit status {status}\n{block.text(lines)}{output}")
        shown = block_after(lines, at)
        if not shown or shown.language != "text":
            continue
        want, got = comparable(shown.text(lines)), comparable(output)
        if want != got and write:
            lines[shown.first:shown.last] = [line.rstrip() + "\n" for line in output.rstrip().splitlines()]
        elif want != got:
            diff = "\n".join(difflib.unified_diff(want, got, "shown", "real", lineterm=""))
            problems.append(f"{where}: another output\n{diff}")
        at = block_after(lines, at).last + 1
    if write:
        page.write_text("".join(lines), encoding="utf-8")
    return problems


def main(args):
    write = args[:1] == ["--write"]
    args = args[write:]
    if len(args) < 2:
        sys.exit(__doc__)
    problems = []
    for page in args[1:]:
        with tempfile.TemporaryDirectory(prefix="finops-docs-") as scratch:
            problems += run_page(pathlib.Path(page), args[0], write, pathlib.Path(scratch))
    sys.exit("\n".join(problems) if problems else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
