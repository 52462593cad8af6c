"""The house rules that a program can check: who includes whom, what is exported, how long things are, what is never called.

STYLE.md has the reasons. `python tests/e2e/test_include_rules.py` prints the sizes.
"""

import functools
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC, INCLUDE = ROOT / "src", ROOT / "include"
INCLUDE_LINE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

# Each module may include itself and the ones named here; what is not named is forbidden.
UTILITIES = {"base", "resilience", "config", "net", "registry"}
DATA = UTILITIES | {"engine", "storage", "database"}
PRODUCT = DATA | {"conformance", "billing", "findings", "checks", "analytics", "sample"}
ALLOWED = {
    "base": set(),
    "resilience": {"base"},
    "config": {"base"},
    "net": {"base", "resilience", "config"},
    "registry": {"base", "resilience", "config"},
    "engine": UTILITIES,
    "storage": UTILITIES | {"engine"},
    "database": UTILITIES | {"engine", "storage"},
    "conformance": DATA,
    "billing": DATA,
    "findings": DATA,
    "checks": DATA | {"findings"},
    "analytics": DATA,
    "sample": DATA,
    "server": PRODUCT,
    "web": PRODUCT,
    "cli": PRODUCT | {"server"},
}
# builtins.c names every driver; the list of them is for who makes a registry.
MAKES_REGISTRIES = {"registry", "database", "cli", "server"}
BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|strtol|atoi|atol|atof|"
    r"localtime|system|alloca|setjmp|longjmp)\s*\("
)
MAX_FUNCTION, MAX_FILE = 100, 1000  # never over; what to look at again is in the report
LOOK_FILE, LOOK_HEADER, COLUMNS = 600, 250, 110


def sources(*suffixes):
    return sorted(p for top in (SRC, INCLUDE) for p in top.rglob("*") if p.suffix in suffixes)


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[str(p.relative_to(ROOT)) for p in paths])


def code_of(path):
    """The text with comments and the insides of strings blanked, line numbers kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), path.read_text())


def functions(path):
    """(name, first line, lines) of every function: STYLE.md puts both braces into the first column."""
    begin, previous = 0, ""
    for number, line in enumerate(code_of(path).splitlines(), 1):
        if line.startswith("{"):
            begin, name = number, previous
        elif line.startswith("}") and begin:
            if "(" in name or ")" in name:
                yield re.split(r"\(", name)[0].split()[-1:] or [name], begin, number - begin + 1
            begin = 0
        elif line.strip():
            previous = line


@named(sources(".c", ".cc", ".cpp", ".h"))
def test_a_file_includes_only_what_its_module_may(path):
    place = path.relative_to(ROOT).parts
    for target in INCLUDE_LINE.findall(path.read_text()):
        parts = pathlib.PurePosixPath(target).parts
        if place[0] == "include":
            assert parts[0] == "finops", "a public header includes %s, which is not installed" % target
        elif len(place) > 2 and parts[0] in ALLOWED:
            allowed = ALLOWED[place[1]] | {place[1]}
            assert parts[0] in allowed, "%s may not include %s" % (place[1], target)
        elif target == "builtins.h" and len(place) > 2:
            assert place[1] in MAKES_REGISTRIES, "%s may not include %s" % (place[1], target)


@named(sources(".c", ".h"))
def test_a_driver_includes_no_other_driver(path):
    place = path.relative_to(ROOT).parts
    drivers = {p.name for p in (SRC / "database").iterdir() if (p / "driver.h").exists()}
    if place[:2] != ("src", "database") or len(place) < 4 or place[2] not in drivers:
        return
    builds_on = {"ducklake": {"duckdb"}}.get(place[2], set())
    for target in INCLUDE_LINE.findall(path.read_text()):
        parts = pathlib.PurePosixPath(target).parts
        if parts[0] == "database" and len(parts) > 2:
            assert parts[1] not in drivers - {place[2]} - builds_on, "%s may not include %s" % (place[2], target)


@named(sources(".c", ".cc", ".cpp", ".h"))
def test_an_internal_header_stays_in_its_folder(path):
    for target in INCLUDE_LINE.findall(path.read_text()):
        if target.endswith("_internal.h"):
            folder = (SRC / target).parent if "/" in target else path.parent
            assert folder == path.parent or folder in path.parents, "%s is internal" % target


def test_every_module_has_its_rule():
    modules = {p.name for p in SRC.iterdir() if p.is_dir()}
    assert modules <= set(ALLOWED)


@named(sources(".c", ".cc", ".cpp", ".h"))
def test_a_file_calls_nothing_forbidden(path):
    found = [m.group(1) for m in BANNED.finditer(code_of(path))]
    assert not found, "calls %s" % ", ".join(found)


@named(sources(".c", ".cc", ".cpp", ".h"))
def test_a_file_keeps_to_its_size(path):
    assert len(path.read_text().splitlines()) <= MAX_FILE
    for name, line, size in functions(path):
        assert size <= MAX_FUNCTION, "%s at line %d has %d lines" % (name, line, size)


def compile_alone(path, compiler, language, standard):
    command = [compiler, "-x", language, "-std=" + standard, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               "-I", str(INCLUDE), "-include", str(path), "/dev/null"]
    return subprocess.run(command, capture_output=True, text=True)


@named(sorted(INCLUDE.rglob("*.h")))
@pytest.mark.parametrize("compiler, language, standard", [("cc", "c", "c17"), ("c++", "c++", "c++17")])
def test_a_public_header_compiles_alone(path, compiler, language, standard):
    run = compile_alone(path, compiler, language, standard)
    assert run.returncode == 0, run.stderr


@functools.cache
def outside():
    """Where the headers of others are."""
    libpq = subprocess.run(["pkg-config", "--cflags-only-I", "libpq"], capture_output=True, text=True).stdout
    folders = ["third_party/adbc", "deps/duckdb/include", "third_party", "build/third_party",
               "deps/nanoarrow/subprojects/arrow-nanoarrow/src"]
    return [word for folder in folders for word in ("-isystem", str(ROOT / folder))] + libpq.split()


@named(sorted(SRC.rglob("*.h")))
def test_an_internal_header_compiles_alone(path):
    command = ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror",
               "-fsyntax-only", "-I", str(INCLUDE), "-I", str(SRC), *outside(), "-include", str(path), "-x", "c", "/dev/null"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def exported():
    library = ROOT / "build/src/libfinops.so"
    if not library.exists():
        pytest.fail("build/src/libfinops.so is not built: scripts/build.sh and ninja -C build make it")
    assert shutil.which("nm")
    out = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[-1].split("@")[0] for line in out.splitlines())


def test_every_exported_symbol_is_ours():
    symbols = exported()
    assert symbols
    assert [s for s in symbols if not s.startswith("finops_")] == []


def test_every_exported_symbol_has_a_contract_comment():
    headers = "\n".join(p.read_text() for p in INCLUDE.rglob("*.h"))
    for symbol in exported():
        declared = re.search(r"([^;{}]*)FINOPS_API[^;]*\b%s\s*\(" % symbol, headers)
        assert declared, "%s is in no public header" % symbol
        assert "*/" in declared.group(1), "%s has no comment" % symbol


def report(limit=15):
    """What is worth a second look: the longest functions, the files over their size, the lines over the columns."""
    sized = [(size, "%s:%d" % (p.relative_to(ROOT), line)) for p in sources(".c", ".cc") for _, line, size in functions(p)]
    lengths = sorted(size for size, _ in sized)
    middle, high = lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10]
    print("%d functions, median %d lines, 90 %% under %d" % (len(lengths), middle, high))
    for size, place in sorted(sized, reverse=True)[:limit]:
        print("%5d %s" % (size, place))
    texts = {p: p.read_text().splitlines() for p in sources(".c", ".cc", ".h")}
    print("%d files, %d lines; too long:" % (len(texts), sum(len(lines) for lines in texts.values())))
    for path, lines in texts.items():
        if len(lines) > (LOOK_HEADER if path.suffix == ".h" else LOOK_FILE):
            print("%5d %s" % (len(lines), path.relative_to(ROOT)))
    wide = {p: sum(len(line) > COLUMNS for line in lines) for p, lines in texts.items()}
    print("%d lines over %d columns:" % (sum(wide.values()), COLUMNS))
    for path in sorted(wide, key=wide.get, reverse=True)[:limit]:
        print("%5d %s" % (wide[path], path.relative_to(ROOT)))


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
