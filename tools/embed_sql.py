#!/usr/bin/env python3
"""Turns .sql files into one C header of string constants: sql/load_state.sql becomes fo_sql_load_state.

usage: embed_sql.py OUT.h FILE.sql...
Comment lines (--) at a file's start explain the statement and are left out of the constant.
"""
import json
import os
import sys


def constant(path):
    name = "fo_sql_" + os.path.splitext(os.path.basename(path))[0]
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    while lines and (lines[0].startswith("--") or not lines[0].strip()):
        lines.pop(0)
    body = "\n".join("    " + json.dumps(line.rstrip() + "\n") for line in lines)
    return f"static const char {name}[] __attribute__((unused)) =\n{body};\n"


def main():
    out, files = sys.argv[1], sys.argv[2:]
    text = "/* Made from the sql folder by tools/embed_sql.py. */\n\n" + "\n".join(map(constant, files))
    with open(out, "w", encoding="utf-8") as f:
        f.write(text)


main()
