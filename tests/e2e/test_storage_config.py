"""Storages of the configuration: named places, what they are told, and configurations from before them."""
import json
import subprocess

import pytest

OLD = """
platform:
  bronze:
    s3_bucket: %s
    s3_prefix: raw/in
    %s
  s3_connection:
    endpoint_url_env: BRONZE_URL
    access_key_env: BRONZE_KEY
    secret_key_env: BRONZE_SECRET
"""


def write(finops, name, text):
    path = finops.folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def shown(finops, *args, **kwargs):
    return {row["key"]: (row["value"], row["origin"]) for row in finops.rows("config", "show", *args, **kwargs)}


@pytest.fixture
def bronze(minio):
    """What OLD wants of the environment."""
    return {"BRONZE_URL": minio.endpoint, "BRONZE_KEY": minio.access_key, "BRONZE_SECRET": minio.secret_key}


def test_a_named_folder_is_used_as_an_address(finops):
    write(finops, "config.toml", '[storage.tray]\naddress = "./in/tray"\n')
    (finops.folder / "a").write_text("1")
    finops.run("storage", "put", "a", "tray:x/")
    assert (finops.folder / "in/tray/x/a").read_text() == "1"
    assert [row["key"] for row in finops.rows("storage", "ls", "--recursive", "tray:")] == ["x/a"]
    told = finops.run("storage", "ls", "trya:", status=2).stderr
    assert "no storage is called trya" in told and "did you mean tray?" in told


def test_a_bucket_of_its_own_service_and_keys(finops, minio):
    bucket = minio.new_bucket()
    write(finops, "config.toml", """
[storage.bronze]
backend = "s3"
bucket = "%s"
prefix = "raw"
endpoint_url = "%s"
region = "us-east-1"
access_key_id = "%s"
secret_access_key = "%s"
[storage.bronze.retry]
attempts = 2
""" % (bucket, minio.endpoint, minio.access_key, minio.secret_key))
    wrong = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "other"}
    finops.run("storage", "put", "-", "bronze:k", stdin="data", env=wrong)
    assert minio.get(bucket, "raw/k") == b"data"
    rows = shown(finops)
    assert rows["storage.bronze.secret_access_key"][0] == "<redacted>"
    assert rows["storage.bronze.address"][0] == "s3://%s/raw" % bucket
    assert rows["storage.bronze.retry.attempts"] == ("2", "config.toml:11")
    assert minio.secret_key not in finops.run("config", "show").stdout


def test_between_a_bucket_and_a_folder_bytes_go_both_ways(finops, minio):
    bucket = minio.new_bucket()
    write(finops, "config.yaml", "storage:\n  cloud:\n    address: s3://%s/p\n  disk:\n    address: %s/disk\n"
          % (bucket, finops.folder))
    finops.env.update(minio.env())
    for i in range(20):
        minio.put(bucket, "p/%d" % i, b"%d" % i * 1000)
    finops.run("storage", "sync", "cloud:", "disk:copy/")
    assert (finops.folder / "disk/copy/7").read_bytes() == b"7" * 1000
    (finops.folder / "disk/copy/new").write_bytes(b"new")
    finops.run("storage", "sync", "disk:copy/", "cloud:")
    assert minio.get(bucket, "p/new") == b"new"


def test_the_environment_makes_a_place_and_wins_over_the_file(finops):
    write(finops, "config.toml", '[storage.tray]\naddress = "./one"\n')
    env = {"OPEN_FINOPS_STORAGE_TRAY_ADDRESS": "./two", "OPEN_FINOPS_STORAGE_OTHER_ADDRESS": "./three"}
    finops.run("storage", "put", "-", "tray:k", stdin="2", env=env)
    finops.run("storage", "put", "-", "other:k", stdin="3", env=env)
    assert (finops.folder / "two/k").read_text() == "2"
    assert (finops.folder / "three/k").read_text() == "3"
    warned = finops.run("storage", "ls", "tray:", env={"OPEN_FINOPS_STORAGE_TRAY_LINKZ": "all"}, status=None).stderr
    assert "OPEN_FINOPS_STORAGE_TRAY_LINKZ is no option of storage.tray" in warned


def test_all_that_is_wrong_is_told_with_file_and_line(finops):
    write(finops, "config.toml", """[storage.a]
address = "./a"
lniks = "all"
[storage.a.retyr]
attempts = 1
[storage.b]
adress = "s3://b"
""")
    told = finops.run("config", "check", status=2).stderr
    assert "config.toml:3: storage.a.lniks: unknown key, did you mean links?" in told
    assert "config.toml:4: storage.a.retyr: unknown section, did you mean retry?" in told
    assert "config.toml:7: storage.b.adress: unknown key, did you mean address?" in told


@pytest.mark.parametrize("name", ["config.yaml", "config.toml"])
def test_a_configuration_from_before_works_unchanged(finops, minio, bronze, name):
    bucket = minio.new_bucket()
    text = OLD % (bucket, "")
    if name == "config.toml":
        text = """[platform.bronze]
s3_bucket = "%s"
s3_prefix = "raw/in"
[platform.s3_connection]
endpoint_url_env = "BRONZE_URL"
access_key_env = "BRONZE_KEY"
secret_key_env = "BRONZE_SECRET"
""" % bucket
    write(finops, name, text)
    told = finops.run("storage", "put", "-", "bronze:k", stdin="old", env=bronze).stderr
    assert "warning" not in told
    assert minio.get(bucket, "raw/in/k") == b"old"
    assert finops.run("config", "check", env=bronze).returncode == 0


def test_a_folder_of_platform_is_bronze(finops):
    write(finops, "config.yaml", "platform:\n  bronze:\n    storage_backend: local\n    local_path: ./raw\n")
    finops.run("storage", "put", "-", "bronze:k", stdin="1")
    assert (finops.folder / "raw/k").read_text() == "1"


def test_the_old_key_counts_and_warns_with_the_new_name(finops):
    write(finops, "config.yaml", OLD % ("b", "s3_enabled: false"))
    told = finops.run("storage", "ls", "bronze:", status=2).stderr
    assert "config.yaml:6: platform.bronze.s3_enabled is now called storage_enabled" in told
    assert "switched off" in told


def test_a_slip_in_platform_is_told(finops):
    write(finops, "config.yaml", "platform:\n  bronze:\n    s3_buket: b\n")
    assert "config.yaml:3: platform.bronze.s3_buket: unknown key, did you mean s3_bucket?" in \
        finops.run("config", "check", status=2).stderr


def test_the_schema_has_the_options_of_drivers_and_layers(finops):
    storage = json.loads(finops.run("config", "schema").stdout)["properties"]["storage"]
    place = storage["additionalProperties"]["properties"]
    assert {"address", "backend", "region", "path"} <= set(place)
    assert place["secret_access_key"]["writeOnly"] is True
    assert place["retry"]["properties"]["attempts"]["maximum"] == 100


def test_the_network_of_the_configuration_holds_for_storages(finops, minio):
    """Without its proxy the request would go straight there and work."""
    bucket = minio.new_bucket()
    write(finops, "config.toml", '[network]\nproxy = "http://127.0.0.1:9"\n[storage.b]\naddress = "s3://%s"\n'
          '[storage.b.retry]\nattempts = 1\n' % bucket)
    env = {**minio.env(), "NO_PROXY": "", "no_proxy": ""}
    assert finops.run("storage", "ls", "b:", status=1, env=env).stderr
    assert finops.run("storage", "ls", "b:", env={**env, "NO_PROXY": "127.0.0.1"}).returncode == 0


def test_secrets_in_a_file_that_others_read_are_refused(finops):
    path = write(finops, "config.toml", '[storage.b]\naddress = "s3://b"\naccess_key_id = "k"\nsecret_access_key = "s"\n')
    path.chmod(0o644)
    assert "a secret stands in a file that others can read" in finops.run("config", "check", status=2).stderr
    subprocess.run(["chmod", "600", path], check=True)
    finops.run("config", "check")
