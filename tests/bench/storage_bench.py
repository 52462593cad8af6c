#!/usr/bin/env python3
"""Objects in and out of an S3 service: finops, rclone, boto3 and obstore, in turn, against the same server.

  python tests/bench/storage_bench.py [--rounds 5] [--finops build/finops] [--only small,large,list,latency]
                                      [--large 128,1024] [--keys 100000] [--delay 50]

What is timed of finops and rclone is the whole command, its start included; of the libraries the transfers alone.
Ratios are the peer's seconds divided by ours, of each round; their median and range are printed, and the peak memory of
the commands. Nothing is asserted. Needs tests/bench/requirements-storage.txt in the Python that runs it, MinIO (made by
scripts/test-servers.sh), and rclone for its rows.
"""
import argparse
import concurrent.futures
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.modules.setdefault("pytest", type(sys)("pytest"))  # the fixtures are not needed here
sys.modules["pytest"].fixture = getattr(sys.modules["pytest"], "fixture", lambda *a, **kw: (lambda f: f))
import servers  # noqa: E402

CONCURRENCY = 16


class Delay:
    """A relay that holds every chunk back for a while, in both directions together `seconds`."""

    def __init__(self, port, seconds):
        import socket
        self.target, self.seconds = port, seconds / 2
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        import socket
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for a, b in ((client, server), (server, client)):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        import queue
        chunks = queue.Queue()

        def send():
            while True:
                due, data = chunks.get()
                time.sleep(max(0, due - time.monotonic()))
                if not data:
                    return
                try:
                    b.sendall(data)
                except OSError:
                    return
        threading.Thread(target=send, daemon=True).start()
        try:
            while True:
                data = a.recv(1 << 16)
                chunks.put((time.monotonic() + self.seconds, data))
                if not data:
                    return
        except OSError:
            return


class Command:
    """Runs a program; `peak` is the most memory any of them took, in MiB."""

    def __init__(self, env):
        self.env, self.peak = {**os.environ, **env}, 0
        self.env.pop("AWS_CA_BUNDLE", None)  # nothing here is TLS

    def run(self, *args):
        start = time.monotonic()
        process = subprocess.Popen([str(a) for a in args], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        watch = threading.Thread(target=self.watch, args=(process.pid,))
        watch.start()
        errors = process.stderr.read()
        status = process.wait()
        seconds = time.monotonic() - start
        watch.join()
        if status:
            sys.exit("%s: %s" % (" ".join(map(str, args)), errors.decode()))
        return seconds

    def watch(self, pid):
        """What rusage says begins with the memory of this process, so the program's own is asked for."""
        try:
            while True:
                text = pathlib.Path("/proc/%d/status" % pid).read_text()
                self.peak = max(self.peak, int(text.split("VmHWM:")[1].split()[0]) / 1024)
                time.sleep(0.01)
        except (OSError, IndexError):
            return


class Finops(Command):
    name = "finops"

    def __init__(self, program, env):
        super().__init__(env)
        self.program = program

    def get(self, bucket, prefix, folder, parallel=CONCURRENCY):
        return self.run(self.program, "storage", "get", "--recursive", "--quiet", "--parallel", parallel,
                        f"s3://{bucket}/{prefix}/", folder)

    def put(self, folder, bucket, prefix):
        return self.run(self.program, "storage", "put", "--recursive", "--quiet", "--parallel", CONCURRENCY, folder,
                        f"s3://{bucket}/{prefix}/")

    def list(self, bucket, prefix):
        return self.run(self.program, "storage", "ls", "--recursive", "--format", "csv", f"s3://{bucket}/{prefix}/")


class Rclone(Command):
    name = "rclone"

    def __init__(self, endpoint, minio_env):
        super().__init__({"RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_M_TYPE": "s3", "RCLONE_CONFIG_M_PROVIDER": "Minio",
                          "RCLONE_CONFIG_M_ENDPOINT": endpoint,
                          "RCLONE_CONFIG_M_ACCESS_KEY_ID": minio_env["AWS_ACCESS_KEY_ID"],
                          "RCLONE_CONFIG_M_SECRET_ACCESS_KEY": minio_env["AWS_SECRET_ACCESS_KEY"]})

    def get(self, bucket, prefix, folder):
        return self.run("rclone", "copy", "--transfers", CONCURRENCY, "--checkers", CONCURRENCY, f"m:{bucket}/{prefix}", folder)

    def put(self, folder, bucket, prefix):
        return self.run("rclone", "copy", "--transfers", CONCURRENCY, "--checkers", CONCURRENCY, folder, f"m:{bucket}/{prefix}")

    def list(self, bucket, prefix):
        return self.run("rclone", "lsf", "-R", "--format", "ps", f"m:{bucket}/{prefix}")


class Boto3:
    name, peak = "boto3", 0

    def __init__(self, endpoint, env):
        import boto3
        import botocore.config
        self.client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(max_pool_connections=CONCURRENCY * 2))
        self.pool = concurrent.futures.ThreadPoolExecutor(CONCURRENCY)

    def keys(self, bucket, prefix):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/")
        return [o["Key"] for page in pages for o in page.get("Contents", ())]

    def get(self, bucket, prefix, folder):
        start = time.monotonic()
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        list(self.pool.map(lambda k: self.client.download_file(bucket, k, os.path.join(folder, os.path.basename(k))),
                           self.keys(bucket, prefix)))
        return time.monotonic() - start

    def put(self, folder, bucket, prefix):
        start = time.monotonic()
        list(self.pool.map(lambda f: self.client.upload_file(str(f), bucket, f"{prefix}/{f.name}"), pathlib.Path(folder).iterdir()))
        return time.monotonic() - start

    def list(self, bucket, prefix):
        start = time.monotonic()
        self.keys(bucket, prefix)
        return time.monotonic() - start


class Obstore:
    name, peak = "obstore", 0

    def __init__(self, endpoint, env):
        import obstore
        import obstore.store
        self.obstore, self.endpoint, self.env = obstore, endpoint, env
        self.pool = concurrent.futures.ThreadPoolExecutor(CONCURRENCY)

    def store(self, bucket):
        return self.obstore.store.S3Store(
            bucket, endpoint=self.endpoint, region="us-east-1", access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"], client_options={"allow_http": True},
            virtual_hosted_style_request=False)

    def get(self, bucket, prefix, folder):
        store = self.store(bucket)
        start = time.monotonic()
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)

        def one(meta):
            with open(os.path.join(folder, os.path.basename(meta["path"])), "wb") as out:
                for chunk in self.obstore.get(store, meta["path"]).stream():
                    out.write(chunk)
        list(self.pool.map(one, [m for page in self.obstore.list(store, prefix + "/") for m in page]))
        return time.monotonic() - start

    def put(self, folder, bucket, prefix):
        store = self.store(bucket)
        start = time.monotonic()
        list(self.pool.map(lambda f: self.obstore.put(store, f"{prefix}/{f.name}", f), pathlib.Path(folder).iterdir()))
        return time.monotonic() - start

    def list(self, bucket, prefix):
        store = self.store(bucket)
        start = time.monotonic()
        for page in self.obstore.list(store, prefix + "/"):
            pass
        return time.monotonic() - start


def rounds(n, clients, what):
    """{name: [seconds]}: everybody once a round, the order turned round after round."""
    took = {c.name: [] for c in clients}
    for k in range(n):
        for c in clients[k % len(clients):] + clients[: k % len(clients)]:
            took[c.name].append(what(c, k))
    return took


def table(title, took, clients):
    ours = took["finops"]
    print("\n%s" % title)
    for c in clients:
        ratios = [peer / own for peer, own in zip(took[c.name], ours)]
        print("  %-8s %8.0f ms  ratio %5.2f (%.2f-%.2f)%s" % (
            c.name, 1000 * statistics.median(took[c.name]), statistics.median(ratios), min(ratios), max(ratios),
            "  peak %.0f MiB" % c.peak if c.peak else ""))
    sys.stdout.flush()


def make_files(folder, n, size):
    folder.mkdir(parents=True)
    for i in range(n):
        with open(folder / ("object-%06d.bin" % i), "wb") as f:
            left = size
            while left > 0:
                f.write(os.urandom(min(left, 1 << 20)))
                left -= 1 << 20
    return folder


def files(title, n, size, clients, bucket, work, count):
    source = make_files(work / ("%d-%d" % (n, size)), n, size)
    table("put " + title, rounds(count, clients, lambda c, k: c.put(source, bucket, f"{source.name}-{c.name}-{k}")), clients)

    def get(c, k):
        target = work / "got"
        seconds = c.get(bucket, f"{source.name}-finops-0", target)
        if sum(1 for _ in target.iterdir()) != n:
            sys.exit("%s: not all came" % c.name)
        shutil.rmtree(target)
        return seconds
    table("get " + title, rounds(count, clients, get), clients)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--finops", default=str(ROOT / "build" / "finops"))
    p.add_argument("--only", default="small,large,list,latency")
    p.add_argument("--large", default="128,1024", help="MiB")
    p.add_argument("--keys", type=int, default=100000)
    p.add_argument("--delay", type=float, default=50, help="milliseconds added to each request")
    a = p.parse_args()
    only = a.only.split(",")
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as work, servers.running_minio() as minio:
        work, env = pathlib.Path(work), minio.env()
        bucket = minio.new_bucket()
        clients = [Finops(a.finops, env)]
        if shutil.which("rclone"):
            clients.append(Rclone(minio.endpoint, env))
        clients += [Boto3(minio.endpoint, env), Obstore(minio.endpoint, env)]
        print("%s, %d cores, %s" % (platform.processor() or platform.machine(), os.cpu_count(), minio.endpoint))
        if "small" in only:
            files("500 objects of 16 KiB", 500, 16 << 10, clients, bucket, work, a.rounds)
        for mib in map(int, a.large.split(",")) if "large" in only else ():
            for c in clients:
                c.peak = 0
            files("1 object of %d MiB" % mib, 1, mib << 20, clients, bucket, work, min(a.rounds, 3 if mib > 500 else a.rounds))
        if "list" in only:
            clients[0].peak = 0
            many = make_files(work / "many", a.keys, 0)
            clients[0].put(many, bucket, "many")
            clients[0].peak = 0
            table("list %d keys" % a.keys, rounds(a.rounds, clients, lambda c, k: c.list(bucket, "many")), clients)
        if "latency" in only:
            small = make_files(work / "slow", 500, 16 << 10)
            clients[0].put(small, bucket, "slow")
            relay = Delay(int(minio.endpoint.rsplit(":", 1)[1]), a.delay / 1000)
            slow = Finops(a.finops, {**env, "AWS_ENDPOINT_URL": "http://127.0.0.1:%d" % relay.port})
            many, one = slow.get(bucket, "slow", work / "a"), slow.get(bucket, "slow", work / "b", 1)
            print("\n500 objects with %.0f ms added: %.1f s at once, %.1f s one by one, 1/%.1f" % (a.delay, many, one, one / many))

if __name__ == "__main__":
    main()
