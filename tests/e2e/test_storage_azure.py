"""The Azure driver against Azurite, driven by tests/support/storage_tool.c, a line of JSON an operation."""

import base64
import json
import os
import uuid

import pytest

from azurite import send
from storage_driver import Tool, create_twice, run_suite, storage_tool  # noqa: F401

MIB = 1 << 20


@pytest.fixture
def open_tool(storage_tool):  # noqa: F811
    tools = []

    def start(options, env=None):
        tools.append(Tool(storage_tool, "azure", options, env))
        return tools[-1]
    yield start
    for tool in tools:
        tool.close()


@pytest.fixture
def options(azurite):
    return {"container": azurite.new_container(), "endpoint_url": azurite.endpoint, "account": azurite.account,
            "account_key": azurite.key}


@pytest.fixture
def az(open_tool, options):
    return open_tool({**options, "prefix": "some/place"})


ODD_KEYS = ["a b", "a+b", "a%b", "a%2Fb", "q?x=1", "h#1", "&<>\"'", "!$()*,:;=@[]~", "\u00e4/\u00e9/\u65e5\u672c/\U0001f600",
            "\u00e9", "e\u0301", "line\nbreak", "tab\tstop", "\x7f", "trailing.", ".leading", " blanks ", "a//b", "a/./b"]


def test_odd_keys_are_put_read_listed_and_removed_as_they_are(az):
    for i, key in enumerate(ODD_KEYS):
        az("put", key=key, data=b"%d" % i)
    for i, key in enumerate(ODD_KEYS):
        assert az("get", key=key)["data"] == b"%d" % i
        assert az("stat", key=key)["object"]["size"] == len(str(i))
    assert az.keys() == sorted(ODD_KEYS, key=lambda k: k.encode())
    removed = az("remove_many", keys=ODD_KEYS)["removed"]
    assert sorted(r["index"] for r in removed) == list(range(len(ODD_KEYS)))
    assert {r["code"] for r in removed} == {"ok"}
    assert az.keys() == []


def test_keys_the_service_would_change_are_refused(az):
    for key in ("a\\b", "\x01"):
        az("put", code="argument", key=key, data=b"")
        az("stat", code="argument", key=key)
        az("remove_many", code="argument", keys=["a", key])


def test_a_put_tells_what_a_stat_tells(az):
    put = az("put", key="a", data=b"hello", content_type="text/plain", content_encoding="x", cache_control="no-store",
             metadata={"one-part": "1 and 2", "two": "b"})["object"]
    stat = az("stat", key="a")["object"]
    for name in ("key", "size", "version", "etag", "checksum"):
        assert put[name] == stat[name]
    assert put["size"] == 5 and put["checksum"].startswith("crc64nvme:")
    assert (stat["content_type"], stat["content_encoding"], stat["cache_control"]) == ("text/plain", "x", "no-store")
    assert stat["metadata"] == {"one-part": "1 and 2", "two": "b"}
    az("put", code="argument", key="a", data=b"", metadata={"one": " blank"})
    az("put", code="argument", key="a", data=b"", metadata={"1one": "identifiers begin with letters"})


def test_what_others_wrote_is_read_with_the_md5_the_service_keeps(az, azurite, options):
    azurite.expect(201, "PUT", "/%s/some/place/x" % options["container"], b"123456789", {"x-ms-blob-type": "BlockBlob"})
    assert az("stat", key="x")["object"]["checksum"] == "md5:25f9e794323b453885f5181f1b624d0b"
    assert az("get", key="x")["data"] == b"123456789"


@pytest.mark.parametrize("fields, want", [
    ({}, b"0123456789"), ({"length": 0}, b""), ({"offset": 3, "length": 4}, b"3456"), ({"offset": 9}, b"9"),
    ({"offset": 8, "length": 100}, b"89"), ({"suffix": 3}, "unsupported"), ({"offset": 10}, "range"),
    ({"offset": 11, "length": 1}, "range"), ({"offset": 11, "length": 0}, "range"), ({"length": 1}, b"0"),
], ids=str)
def test_ranges(az, fields, want):
    az("put", key="a", data=b"0123456789")
    if isinstance(want, str):
        az("get", code=want, key="a", **fields)
        return
    got = az("get", key="a", **fields)
    assert got["data"] == want and got["length"] == len(want) and got["object"]["size"] == 10


def test_an_empty_object_is_read_whole(az):
    az("put", key="e", data=b"")
    assert az("get", key="e")["data"] == b""
    assert az("get", key="e", length=5)["data"] == b""
    az("get", code="range", key="e", offset=1)


def test_versions_are_conditions(az):
    old = az("put", key="a", data=b"1", create_only=True)["object"]["version"]
    az("put", code="exists", key="a", data=b"2", create_only=True)
    new = az("put", key="a", data=b"3", if_version=old)["object"]["version"]
    az("put", code="precondition", key="a", data=b"4", if_version=old)
    az("put", code="precondition", key="missing", data=b"4", if_version=old)
    assert az("get", key="a", if_version=new)["data"] == b"3"
    az("get", code="precondition", key="a", if_version=old)
    az("get", code="unchanged", key="a", unless_version=new)
    assert az("get", key="a", unless_version=old)["data"] == b"3"
    az("remove", code="precondition", key="a", if_version=old)
    az("remove", key="a", if_version=new)
    az("remove", key="a")
    az("remove", key="a", if_version=new)


@pytest.mark.parametrize("racing", ["create", "replace"])
def test_of_racing_writers_one_wins(az, racing):
    condition = {"create_only": True}
    if racing == "replace":
        condition = {"if_version": az("put", key="r", data=b"0")["object"]["version"]}
    puts = [{"op": "put", "key": "r", "data": base64.b64encode(b"%d" % i).decode(), **condition} for i in range(8)]
    codes = [a["code"] for a in az("many", ops=puts)["answers"]]
    assert codes.count("ok") == 1 and codes.count("exists" if racing == "create" else "precondition") == 7, codes
    assert az("get", key="r")["data"] == b"%d" % codes.index("ok")


def test_what_is_missing_is_told_from_a_missing_container(az, options, open_tool):
    az("stat", code="not_found", key="x")
    az("get", code="not_found", key="x")
    az("remove", key="x")
    other = open_tool({**options, "container": "no-such-" + uuid.uuid4().hex[:8]})
    assert "ContainerNotFound" in other("stat", code="config", key="x")["error"]
    for op, fields in (("get", {}), ("put", {"data": b""}), ("remove", {}), ("upload", {"parts": [b"1"]})):
        other(op, code="config", key="x", **fields)
    other("list", code="config")


def test_wrong_credentials_are_told_without_secrets(options, open_tool):
    secret = base64.b64encode(b"very secret").decode()
    wrong = open_tool({**options, "account_key": secret})("get", code="auth", key="x")
    assert "failed to authenticate" in wrong["error"] and secret not in json.dumps(wrong)
    assert "SharedKey" not in json.dumps(wrong)


def test_a_connection_string_says_all(azurite, options, open_tool):
    text = "DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;" % (
        azurite.account, azurite.key, azurite.endpoint)
    az = open_tool({"container": options["container"]}, env={"AZURE_STORAGE_CONNECTION_STRING": text})
    az("put", key="a", data=b"1")
    assert az("get", key="a")["data"] == b"1"


def test_a_shared_access_signature_does_what_it_permits(azurite, options, open_tool, az):
    az("put", key="a", data=b"1")
    plain = {k: v for k, v in options.items() if k != "account_key"}
    reader = open_tool({**plain, "prefix": "some/place", "sas_token": "?" + azurite.account_sas("rl")})
    assert reader("get", key="a")["data"] == b"1" and reader.keys() == ["a"]
    refused = reader("put", code="denied", key="a", data=b"2")
    assert "sig=" not in json.dumps(refused)
    writer = open_tool({**plain, "prefix": "some/place", "sas_token": azurite.account_sas("rwdlac")})
    writer("put", key="b", data=b"2")
    writer("copy", **{"from": "b", "to": "c"})
    writer("upload", key="d", parts=[b"3"])
    writer("remove_many", keys=["b", "c"])
    assert writer.keys() == ["a", "d"]
    open_tool({**plain, "sas_token": azurite.account_sas("r", minutes=-10)})("get", code="auth", key="a")


def test_lists_come_whole_in_order_and_from_anywhere(az):
    keys = sorted(["d%02d/k%02d" % (i, j) for i in range(5) for j in range(9)] + ["top", "d01!"])
    az("many", ops=[{"op": "put", "key": k, "data": ""} for k in keys])
    for page in (0, 1, 7):
        assert az.keys(page=page) == keys
    assert az.keys(prefix="d0", children=True) == ["d00/", "d01!", "d01/", "d02/", "d03/", "d04/"]
    assert az.keys(prefix="d0", children=True, page=2) == ["d00/", "d01!", "d01/", "d02/", "d03/", "d04/"]
    assert az.keys(children=True, start_after="d01/") == ["d02/", "d03/", "d04/", "top"]
    assert az.keys(prefix="d01/", children=True) == ["d01/k%02d" % j for j in range(9)]
    assert az.keys(start_after="d04/k07") == ["d04/k08", "top"]
    assert az.keys(prefix="none") == []


def test_hundreds_of_keys_are_listed_and_removed_in_batches(az):
    """A batch takes 256; thousands are for the conformance suite."""
    keys = ["k%04d" % i for i in range(300)]
    assert az("bench", keys=keys, put=True, data=b"x")["failed"] == 0
    assert az.keys() == az.keys(page=77) == keys
    removed = az("remove_many", keys=keys + ["missing"])["removed"]
    assert sorted(r["index"] for r in removed) == list(range(301)) and {r["code"] for r in removed} == {"ok"}
    assert az.keys() == []


def test_a_batch_tells_of_each_key(az, azurite, options):
    az("put", key="leased", data=b"")
    az("put", key="free", data=b"")
    azurite.expect(201, "PUT", "/%s/some/place/leased" % options["container"], query={"comp": "lease"},
                   headers={"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"})
    removed = az("remove_many", keys=["free", "leased"])["removed"]
    assert {r["index"]: r["code"] for r in removed} == {0: "ok", 1: "precondition"}
    assert az.keys() == ["leased"]


def test_a_lease_of_somebody_else_is_a_precondition(az, azurite, options):
    az("put", key="leased", data=b"old")
    azurite.expect(201, "PUT", "/%s/some/place/leased" % options["container"], query={"comp": "lease"},
                   headers={"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"})
    assert "Lease" in az("put", code="precondition", key="leased", data=b"new")["error"]
    az("upload", code="precondition", key="leased", parts=[b"new"])
    az("remove", code="precondition", key="leased")
    assert az("get", key="leased")["data"] == b"old"


def test_parts_become_an_object_at_the_commit_with_the_sum_of_the_whole(az):
    parts = [os.urandom(MIB), os.urandom(MIB + 7), b"the end"]
    done = az("upload", key="big", parts=parts, order=[2, 3, 1], metadata={"m": "1"}, content_type="a/b")["object"]
    stat = az("stat", key="big")["object"]
    assert stat["size"] == done["size"] == 2 * MIB + 14
    assert stat["checksum"] == done["checksum"] and stat["checksum"].startswith("crc64nvme:")
    assert stat["metadata"] == {"m": "1"} and stat["content_type"] == "a/b"
    assert az("get", key="big")["data"] == b"".join(parts)
    assert az("put", key="small", data=b"".join(parts))["object"]["checksum"] == stat["checksum"]
    az("upload", key="none", parts=[])
    assert az("get", key="none")["data"] == b""


def test_conditions_hold_at_the_commit(az):
    az("upload", key="c", parts=[b"1"], create_only=True)
    az("upload", code="exists", key="c", parts=[b"2"], create_only=True)
    version = az("stat", key="c")["object"]["version"]
    az("upload", key="c", parts=[b"3"], if_version=version)
    az("upload", code="precondition", key="c", parts=[b"4"], if_version=version)
    assert az("get", key="c")["data"] == b"3"


def test_blocks_of_another_writer_are_never_committed(az, azurite, options):
    path = "/%s/some/place/shared" % options["container"]
    other = base64.b64encode(b"x" * 42).decode()
    azurite.expect(201, "PUT", path, b"of another", query={"comp": "block", "blockid": other})
    az("upload", key="shared", parts=[b"ours"])
    assert az("get", key="shared")["data"] == b"ours"
    listed = azurite.expect(200, "GET", path, query={"comp": "blocklist", "blocklisttype": "all"}).decode()
    ids = [base64.b64decode(part.split("</Name>")[0]) for part in listed.split("<Name>")[1:]]
    assert len(ids) == 1 and ids[0].startswith(b"finops-") and len(ids[0]) == 42


def test_an_upload_without_commit_shows_nothing_and_is_swept(az, azurite, options):
    az("upload", key="left/a", parts=[b"123", b"45"], stop=True)
    az("put", key="left/whole", data=b"")
    other = base64.b64encode(b"y" * 42).decode()
    azurite.expect(201, "PUT", "/%s/some/place/left/other" % options["container"], b"not ours",
                   query={"comp": "block", "blockid": other})
    az("stat", code="not_found", key="left/a")
    assert az.keys() == ["left/whole"]
    assert az("sweep", prefix="left/", before_us=1)["objects"] == []
    swept = az("sweep", prefix="left/")["objects"]
    assert [(o["key"], o["size"]) for o in swept] == [("left/a", 5)]
    assert az("sweep", prefix="left/")["objects"] == [] and az.keys() == ["left/whole"]
    listed = azurite.expect(200, "GET", "/" + options["container"],
                            query={"restype": "container", "comp": "list", "include": "uncommittedblobs"})
    assert b"left/a" not in listed and b"left/other" in listed


def test_copies_keep_content_and_metadata(az):
    version = az("put", key="from me", data=b"hello", content_type="x/y", metadata={"a": "b"})["object"]["version"]
    copied = az("copy", **{"from": "from me", "to": "to+you"})["object"]
    assert copied["key"] == "to+you" and copied["size"] == 5
    assert copied["content_type"] == "x/y" and copied["metadata"] == {"a": "b"}
    az("copy", **{"from": "from me", "to": "new", "create_only": True})
    az("copy", code="exists", **{"from": "from me", "to": "new", "create_only": True})
    az("copy", code="not_found", **{"from": "missing", "to": "x"})
    az("copy", code="argument", **{"from": "from me", "to": "from me"})
    az("copy", **{"from": "from me", "to": "x", "if_version": version})
    az("copy", code="precondition", **{"from": "from me", "to": "x", "if_version": "other"})
    assert az("get", key="new")["data"] == b"hello"


def test_presigned_addresses_read_and_write_for_a_while(az, options):
    url = az("presign", key="p q", put=True)["url"]
    assert send(url, "PUT", b"by bearer", {"x-ms-blob-type": "BlockBlob"})[0] == 201
    assert send(url)[0] == 403
    url = az("presign", key="p q")["url"]
    assert send(url)[:2] == (200, b"by bearer")
    assert send(url, "PUT", b"", {"x-ms-blob-type": "BlockBlob"})[0] == 403
    assert options["account_key"] not in url
    assert send(url.replace("p%20q", "other"))[0] == 403
    az("presign", code="argument", key="a", seconds=0)


def test_a_service_that_checks_refuses_what_changed_on_the_way(options, open_tool):
    """Azurite knows MD5 only."""
    for kind in ("md5", "none"):
        az = open_tool({**options, "checksum": kind})
        az("put", key=kind, data=b"123456789")
        assert az("stat", key=kind)["object"]["checksum"] == "crc64nvme:ae8b14860a799888"
        az("upload", key=kind + "-parts", parts=[bytes(MIB), b"123456789"])
        assert az("stat", key=kind + "-parts")["object"]["size"] == MIB + 9


@pytest.mark.parametrize("options, message", [
    ({"container": "abc"}, "azure.account is not set"),
    ({"container": "Not_Good", "account": "a"}, "azure.container"),
    ({"container": "abc", "account": "a", "account_key": "!"}, "not base64"),
    ({"container": "abc", "account_key": "aGk="}, "account is missing"),
    ({"container": "abc", "connection_string": "AccountName"}, "no Name=value"),
    ({"container": "abc", "account": "a", "credential": "client_secret"}, "needs tenant_id"),
    ({"container": "abc", "account": "a", "credential": "sas"}, "sas_token is missing"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_what_does_not_fit_together_is_told(storage_tool, options, message):  # noqa: F811
    tool = Tool(storage_tool, "azure", options)
    assert tool.process.wait(30) != 0
    assert message in tool.process.stderr.read()


def test_a_creation_whose_answer_was_lost_is_known_as_ones_own(storage_tool, options, az, tmp_path):  # noqa: F811
    rest = {k: v for k, v in options.items() if k not in ("container", "endpoint_url")}
    first, second = create_twice(storage_tool, "az://%s/some/place" % options["container"], rest, options["endpoint_url"],
                                 b"PUT /", tmp_path / "mine")
    assert first == "" and second.startswith("exists: "), (first, second)
    assert az("get", key="mine")["data"] == b"mine"


def test_the_conformance_suite_passes(storage_tool, options):  # noqa: F811
    rows = run_suite(storage_tool, "az://%s/pre fix" % options["container"],
                     {k: v for k, v in options.items() if k != "container"})
    assert len(rows) > 90
    assert [r for r in rows if r["outcome"] not in ("ok", "not claimed")] == []
