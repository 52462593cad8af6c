"""The documents say what the program does: reference pages, examples, links."""
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FINOPS", str(ROOT / "build" / "finops"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]
REFERENCE = {
    "docs/reference/cli.md": "markdown",
    "docs/reference/configuration.md": "configuration",
    "docs/finops.1": "man",
}


def printed(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=True, timeout=60).stdout


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """The names GitHub gives a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    titles = re.findall(r"^#+ +(.+?) *$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def verbs():
    """Every command that `finops help` lists, as "aws import-cur"."""
    listed = printed("help").split("Commands\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\w\S*(?: \S+)?)  ", listed, flags=re.M)


@pytest.mark.parametrize("page", sorted(REFERENCE))
def test_the_reference_is_what_the_program_says(page):
    assert (ROOT / page).read_text(encoding="utf-8") == printed("manual", REFERENCE[page]), \
        "run tools/generate_reference.sh and commit what it writes"


def test_the_script_writes_the_reference(tmp_path):
    """In a copy: the script finds its place by where it lies."""
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "generate_reference.sh"
    script.write_bytes((ROOT / "tools" / "generate_reference.sh").read_bytes())
    subprocess.run(["bash", str(script), PROGRAM], check=True, timeout=60)
    for page in REFERENCE:
        assert (tmp_path / page).read_bytes() == (ROOT / page).read_bytes(), page
    assert not list(tmp_path.rglob("*.new"))


def test_every_command_is_found():
    assert {"aws import-cur", "query", "report", "doctor", "config show"} <= set(verbs())


def test_every_command_has_its_section_and_a_place_in_a_guide():
    reference = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    written = "".join(p.read_text(encoding="utf-8") for p in PAGES if p.parent.name == "guides")
    for verb in verbs():
        assert f"### finops {verb}\n" in reference, verb
        assert f"finops {verb}" in written, f"no guide mentions finops {verb}"


def test_guides_name_commands_that_exist():
    known = set(verbs()) | {"manual"}
    groups = {v.split()[0] for v in known if " " in v}
    for page in PAGES:
        code = re.findall(r"^ *(?:\$ )?(?:sudo )?finops ([a-z][\w-]*)(?: ([a-z][\w-]*))?",
                          "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)), re.M)
        for first, second in code:
            name = f"{first} {second}" if first in groups else first
            assert name in known, f"{page.relative_to(ROOT)}: finops {name}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = urllib.parse.unquote(target).partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        if anchor:
            assert anchor in anchors(other), target


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / t.partition("#")[0]).resolve()
              for t in re.findall(r"\]\(([^)\s]+)\)", index.read_text(encoding="utf-8"))}
    assert [str(p) for p in PAGES if p.parent != ROOT and p != index and p not in linked] == []


@pytest.mark.parametrize("page", [p for p in PAGES if "<!-- run" in p.read_text(encoding="utf-8")],
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_print_what_the_page_shows(page):
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "doc_examples.py"), PROGRAM, str(page)],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stderr}\ntools/doc_examples.py --write renews the outputs"


EXAMPLES = "# T\n\n<!-- run -->\n```sh\necho a\n```\n\n```text\n%s\n```\n"


@pytest.mark.parametrize("text,status", [
    (EXAMPLES % "a", 0),
    (EXAMPLES % "b", 1),
    ("<!-- run -->\n```sh\nfalse\n```\n", 1),
    ("<!-- run status=1 -->\n```sh\nfalse\n```\n", 0),
    ("<!-- run -->\nno block\n", 1),
    ("<!-- file a.txt -->\n```toml\nx = 1\n```\n\n<!-- run -->\n```sh\ngrep -q x a.txt\n```\n", 0),
    ("```sh\nfalse\n```\n", 0),
], ids=["same", "other", "fails", "fails as said", "no block", "file", "not marked"])
def test_an_example_that_differs_is_noticed(tmp_path, text, status):
    page = tmp_path / "page.md"
    page.write_text(text)
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "doc_examples.py"), PROGRAM, str(page)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr


def test_the_real_output_is_written_on_demand(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(EXAMPLES % "b")
    subprocess.run([sys.executable, str(ROOT / "tools" / "doc_examples.py"), "--write", PROGRAM, str(page)], check=True)
    assert page.read_text() == EXAMPLES % "a"


def test_the_policy_of_the_guide_is_enough(finops, minio):
    """As printed but for the bucket's name, which other tests use; test_s3.py has what it keeps out."""
    bucket = minio.new_bucket()
    guide = (ROOT / "docs/guides/first-import.md").read_text(encoding="utf-8").replace("acme-billing", bucket)
    policies = [json.loads(b) for b in re.findall(r"^```json\n(.*?)^```", guide, re.S | re.M) if '"Statement"' in b]
    assert len(policies) == 1
    finops.run("sample", "--out", "bills", "--bucket", bucket, "--prefix", "cur", "--rows", 500, "--months", 1)
    minio.put_tree(bucket, finops.folder / "bills" / bucket)
    key, secret, token = minio.client.assume_role(policies[0])
    env = {**minio.env(), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    rows = finops.rows("aws", "import-cur", "--bucket", bucket, "--prefix", "cur", "--addressing", "path", env=env)
    assert [r["action"] for r in rows] == ["load"]
