"""`meson install` puts everything where it is found without environment variables."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EMPTY = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The installed tree, moved away from where it was installed: it must not know its place."""
    folder = tmp_path_factory.mktemp("install")
    command = ["meson", "install", "-C", str(ROOT / "build"), "--no-rebuild", "--quiet", "--destdir", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    moved = folder / "elsewhere"
    next(folder.rglob("bin/finops")).parents[1].rename(moved)
    return moved


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, env=EMPTY, timeout=60, **more)


def test_the_program_runs_from_where_it_was_put(prefix):
    out = run(prefix / "bin/finops", "--version")
    assert (out.returncode, out.stderr) == (0, "")
    assert out.stdout.startswith("finops ")


def test_the_engine_and_its_library_are_beside_it(prefix, tmp_path):
    linked = run("ldd", prefix / "bin/finops").stdout
    assert str(prefix / "bin/../lib/finops/libduckdb.so") in linked
    assert run(prefix / "bin/finops", "version", "--verbose", cwd=tmp_path).returncode == 0


def test_extensions_headers_licences_and_pages_are_installed(prefix):
    for name in (
        *(f"lib/finops/extensions/{name}.duckdb_extension" for name in ("azure", "ducklake", "httpfs", "postgres_scanner", "sqlite_scanner")),
        "lib/finops/libfinops.so",
        "share/doc/finops/LICENSE",
        "share/doc/finops/NOTICE",
        "share/doc/finops/licenses/duckdb.txt",
        "share/man/man1/finops.1",
        "share/bash-completion/completions/finops.bash",
        "share/zsh/site-functions/_finops",
        "share/fish/vendor_completions.d/finops.fish",
    ):
        assert (prefix / name).stat().st_size > 0, name
    ours = sorted(p.relative_to(ROOT / "include") for p in (ROOT / "include").rglob("*.h"))
    assert sorted(p.relative_to(prefix / "include") for p in (prefix / "include").rglob("*.h")) == ours


def test_the_manual_page_has_no_faults(prefix):
    if not shutil.which("man"):
        pytest.fail("man is missing: scripts/packages.txt names man-db")
    page = run("man", "--warnings", "-E", "UTF-8", "-l", prefix / "share/man/man1/finops.1")
    assert (page.returncode, page.stderr) == (0, "")
    assert "import-cur" in page.stdout


def test_completions_are_valid_shell(prefix):
    out = run("bash", "-n", prefix / "share/bash-completion/completions/finops.bash")
    assert (out.returncode, out.stderr) == (0, "")


def test_a_program_builds_against_what_is_installed(prefix, tmp_path):
    source = tmp_path / "t.c"
    source.write_text("#include <finops/error.h>\n#include <stdio.h>\nint main(void) { puts(finops_code_name(FINOPS_OK)); }\n")
    folder = next(prefix.rglob("pkgconfig/finops.pc")).parent
    flags = subprocess.run(
        ["pkg-config", "--define-variable=prefix=" + str(prefix), "--cflags", "--libs", "finops"],
        capture_output=True, text=True, check=True, env=dict(EMPTY, PKG_CONFIG_PATH=str(folder)),
    ).stdout.split()
    built = run("cc", source, "-o", tmp_path / "t", *flags)
    assert built.returncode == 0, built.stderr
    assert run(tmp_path / "t").stdout == "ok\n"
