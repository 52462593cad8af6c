"""Writes a random CSV file, or takes one that exists, and prints "fields rows sha256" of what Python's csv module reads from it.

usage: csv_random.py FILE [SEED]

The digest is over the records as lines, sorted: each cell is its UTF-8 in upper case hex, "-" when it is empty.
Records of different lengths make it "ragged". A name that ends with .gz is written as gzip of several members.
"""
import csv
import gzip
import hashlib
import io
import random
import sys

ALPHABET = list('aaaaaaabcxyz0123456789      ,,""\n\r\t;\'') + ["\r\n", "é", "ß", "€", "漢", "😀", "\u2028", '""', "NULL"]


def cell(rng):
    kind = rng.random()
    if kind < 0.45:
        return ""
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 90 if kind > 0.97 else 14)))


def stored(rng, text):
    must = any(c in text for c in ",\n\r") or text.startswith('"')
    if must or rng.random() < 0.2:
        return '"' + text.replace('"', '""') + '"'
    return text


def make(rng):
    columns = rng.choice([1, 2, 3, 5, 8])
    end = rng.choice(["\n", "\r\n"])
    rows = [[cell(rng) for _ in range(columns)] for _ in range(rng.randint(0, 700))]
    lines = [",".join(f"c{i}" for i in range(columns))]
    # One empty cell alone is an empty line, which Python skips and we do not.
    lines += [",".join(stored(rng, c) for c in row) or '""' for row in rows]
    return ("\ufeff" if rng.random() < 0.3 else "") + end.join(lines) + (end if rng.random() < 0.7 else "")


def write(path, rng):
    data = make(rng).encode()
    if path.endswith(".gz"):
        cuts = sorted(rng.randint(0, len(data)) for _ in range(3))
        parts = [data[a:b] for a, b in zip([0] + cuts, cuts + [len(data)])]
        data = b"".join(gzip.compress(part, mtime=0) for part in parts) + bytes(rng.choice([0, 512]))
    with open(path, "wb") as file:
        file.write(data)


def main():
    path = sys.argv[1]
    if len(sys.argv) > 2:
        write(path, random.Random(int(sys.argv[2])))
    with open(path, "rb") as file:
        data = file.read()
    text = (gzip.decompress(data) if path.endswith(".gz") else data).decode("utf-8-sig")
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    lines = sorted(",".join(c.encode().hex().upper() or "-" for c in record) for record in records[1:])
    if any(len(record) != len(records[0]) for record in records):
        print(len(records[0]), len(lines), "ragged")
        return
    print(len(records[0]), len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest())


main()
