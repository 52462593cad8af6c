#!/usr/bin/env python3
"""Takes files and folders out of a tar.gz, tgz or wheel.

usage: unpack.py ARCHIVE FOLDER, with lines "SOURCE -> TARGET" on stdin.

Only regular files are written, each under FOLDER; a SOURCE that the archive lacks is an error. One pass over the archive.
"""

import os
import shutil
import sys
import tarfile
import zipfile


def members(archive):
    """Yields (name, executable, open file) for every regular file."""
    if archive.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as z:
            for info in z.infolist():
                if not info.is_dir():
                    with z.open(info) as f:
                        yield info.filename, bool(info.external_attr >> 16 & 0o111), f
    else:
        with tarfile.open(archive, "r|gz") as t:
            for info in t:
                if info.isreg():
                    yield info.name, bool(info.mode & 0o111), t.extractfile(info)


def target_of(name, wanted):
    for source, target in wanted.items():
        if name == source:
            return source, target
        if name.startswith(source + "/"):
            return source, os.path.normpath(os.path.join(target, name[len(source) + 1 :]))
    return None, None


def main(archive, folder):
    wanted = dict(line.strip().split(" -> ") for line in sys.stdin if line.strip())
    wanted = {source.strip(): target.strip() for source, target in wanted.items()}
    found = set()
    for name, executable, file in members(archive):
        source, target = target_of(name, wanted)
        if target is None:
            continue
        if target.startswith(("..", "/")):
            sys.exit("unpack.py: %s: %s leads outside of the folder" % (archive, name))
        found.add(source)
        path = os.path.join(folder, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            shutil.copyfileobj(file, out, 1 << 20)
        os.chmod(path, 0o755 if executable else 0o644)
    missing = sorted(set(wanted) - found)
    if missing:
        sys.exit("unpack.py: %s has no %s" % (archive, ", ".join(missing)))


if __name__ == "__main__":
    main(*sys.argv[1:])
