"""Storage drivers driven from Python through tests/support/storage_tool.c, a line of JSON an operation."""

import base64
import json
import os
import pathlib
import subprocess
import threading

import pytest

from network import Gate

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tool:
    def __init__(self, program, driver, options, env=None):
        settings = ["%s=%s" % (k, v) for k, v in options.items() if v is not None]
        self.process = subprocess.Popen([program, driver, *settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TZ": "UTC",
                                             "AWS_EC2_METADATA_DISABLED": "true", **(env or {})})

    def __call__(self, op, code="ok", **fields):
        """The answer; `data`, `parts` and what comes back are bytes. `code` is what it must end with (None: any)."""
        for name in ("data",):
            if name in fields:
                fields[name] = base64.b64encode(fields[name]).decode()
        if "parts" in fields:
            fields["parts"] = [base64.b64encode(part).decode() for part in fields["parts"]]
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the tool ended: " + self.process.stderr.read()
        answer = json.loads(line)
        if "data" in answer:
            answer["data"] = base64.b64decode(answer["data"])
        if code is not None:
            assert answer["code"] == code, answer
        return answer

    def keys(self, **fields):
        return [o["key"] for o in self("list", **fields)["objects"]]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0, self.process.stderr.read()


@pytest.fixture(scope="session")
def storage_tool():
    build = pathlib.Path(os.environ.get("FINOPS", ROOT / "build" / "finops")).parent
    subprocess.run(["ninja", "-C", build, "tests/storage_tool"], check=True, capture_output=True)
    return str(build / "tests" / "storage_tool")


def suite_tool(storage_tool):
    program = pathlib.Path(storage_tool).parent / "suite_tool"
    subprocess.run(["ninja", "-C", program.parent.parent, "tests/suite_tool"], check=True, capture_output=True)
    return program


def create_twice(storage_tool, address, options, endpoint, words, path):
    """Creates an object over a connection that breaks when the server has it and its answer has not come, then once
    more: what the program said each time. `words` are in the request alone."""
    def lose_the_answer(link):
        link.stall("down")
        threading.Timer(0.3, link.reset).start()

    path.write_bytes(b"mine")
    with Gate(endpoint.partition("://")[2].partition("/")[0]) as gate:
        gate.at(words, lose_the_answer)
        place = endpoint.replace(gate.target, gate.host)
        command = [suite_tool(storage_tool), address, *["%s=%s" % item for item in options.items()],
                   "endpoint_url=" + place, "create", "mine", path]
        first, second = [subprocess.run(command, capture_output=True, text=True, timeout=60) for _ in range(2)]
        assert gate.seen == 1
    return first.stderr, second.stderr


def run_suite(storage_tool, address, options, filter=None):  # noqa: A002
    """The conformance suite over a place: a dict a case."""
    command = [suite_tool(storage_tool), address, *["%s=%s" % item for item in options.items()], "suite", *([filter] if filter else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
