#!/usr/bin/env python3
"""Objects in and out of an S3 service: finops, rclone, mc, boto3 and obstore, in turn, against the same server.

  python tests/bench/storage_bench.py [--rounds 5] [--build build] [--only library,small,large,list,latency]
                                      [--servers minio,versitygw] [--large 128,1024] [--keys 100000] [--delay 50]

"library" is like for like: small objects into and from memory, by the C library (tests/storage_get_bench, which
`ninja -C build tests/storage_get_bench` makes) and by obstore and boto3, the transfers alone, connections not made before.
In the other tables objects are files, and what is timed of finops, rclone and mc is the whole command, its start included;
of the Python libraries the transfers alone. Each row has the processor time of the client, too, which other programs on the
machine change little; "bare sockets" is what the server and the kernel take, whoever asks. Ratios are the peer's seconds
divided by ours, of each round; their median and range are printed, and the peak memory of the commands. Nothing is asserted.
With TMPDIR=/dev/shm the disk is left out, which is the same for all and slow with files of which as many were just removed.

Needs tests/bench/requirements-storage.txt in the Python that runs it and MinIO (made by scripts/test-servers.sh). Rows of
rclone, of mc (scripts/test-servers.sh mc), and versitygw where it is the server, are left out where there is none.
"""
import argparse
import asyncio
import concurrent.futures
import os
import pathlib
import platform
import random
import resource
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


def cpu_seconds():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


class Command:
    """Runs a program; `peak` is the most memory any of them took, in MiB, `cpu` the processor seconds of the last."""

    def __init__(self, env):
        self.env, self.peak, self.cpu = {**os.environ, **env}, 0, 0
        self.env.pop("AWS_CA_BUNDLE", None)  # nothing here is TLS

    def run(self, *args):
        start = time.monotonic()
        process = subprocess.Popen([str(a) for a in args], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        watch = threading.Thread(target=self.watch, args=(process.pid,))
        watch.start()
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        seconds = time.monotonic() - start
        self.cpu = usage.ru_utime + usage.ru_stime
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


class Mc(Command):
    """Finds out itself how much it does at once."""

    name = "mc"

    def __init__(self, program, endpoint, env):
        super().__init__({"MC_HOST_m": "http://%s:%s@%s" % (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"],
                                                            endpoint.split("//")[1]),
                          "MC_CONFIG_DIR": tempfile.mkdtemp(prefix="mc-", dir=os.environ["BENCH_WORK"])})
        self.program = program

    def get(self, bucket, prefix, folder):
        return self.run(self.program, "cp", "--quiet", "--recursive", f"m/{bucket}/{prefix}/", str(folder) + "/")

    def put(self, folder, bucket, prefix):
        return self.run(self.program, "cp", "--quiet", "--recursive", str(folder) + "/", f"m/{bucket}/{prefix}/")

    def list(self, bucket, prefix):
        return self.run(self.program, "ls", "--recursive", f"m/{bucket}/{prefix}/")


class Library:
    """What runs in this process."""

    peak, cpu = 0, 0

    def timed(self, what):
        cpu, start = cpu_seconds(), time.monotonic()
        what()
        seconds = time.monotonic() - start
        self.cpu = cpu_seconds() - cpu
        return seconds


class Boto3(Library):
    name = "boto3"

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

    def each(self, what, items):
        return self.timed(lambda: list(self.pool.map(what, items)))

    def get(self, bucket, prefix, folder):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        return self.timed(lambda: list(self.pool.map(
            lambda k: self.client.download_file(bucket, k, os.path.join(folder, os.path.basename(k))), self.keys(bucket, prefix))))

    def put(self, folder, bucket, prefix):
        return self.each(lambda f: self.client.upload_file(str(f), bucket, f"{prefix}/{f.name}"), pathlib.Path(folder).iterdir())

    def list(self, bucket, prefix):
        return self.timed(lambda: self.keys(bucket, prefix))

    def get_memory(self, bucket, keys, size):
        return self.each(lambda k: self.client.get_object(Bucket=bucket, Key=k)["Body"].read(), keys)

    def put_memory(self, bucket, keys, size):
        data = b"x" * size
        return self.each(lambda k: self.client.put_object(Bucket=bucket, Key=k, Body=data), keys)


class Obstore(Library):
    name = "obstore"

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
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)

        def one(meta):
            with open(os.path.join(folder, os.path.basename(meta["path"])), "wb") as out:
                for chunk in self.obstore.get(store, meta["path"]).stream():
                    out.write(chunk)
        return self.timed(lambda: list(self.pool.map(one, [m for page in self.obstore.list(store, prefix + "/") for m in page])))

    def put(self, folder, bucket, prefix):
        store = self.store(bucket)
        return self.timed(lambda: list(self.pool.map(lambda f: self.obstore.put(store, f"{prefix}/{f.name}", f),
                                                     pathlib.Path(folder).iterdir())))

    def list(self, bucket, prefix):
        store = self.store(bucket)
        return self.timed(lambda: [None for page in self.obstore.list(store, prefix + "/")])

    def get_memory(self, bucket, keys, size):
        store = self.store(bucket)
        return self.timed(lambda: list(self.pool.map(lambda k: self.obstore.get(store, k).bytes(), keys)))

    def put_memory(self, bucket, keys, size):
        store, data = self.store(bucket), b"x" * size
        return self.timed(lambda: list(self.pool.map(lambda k: self.obstore.put(store, k, data), keys)))


class ObstoreAsync(Obstore):
    """The same, as programs that use asyncio do it."""

    name = "obstore, async"

    def at_once(self, one, keys):
        async def run():
            turn = asyncio.Semaphore(CONCURRENCY)

            async def next_one(key):
                async with turn:
                    await one(key)
            await asyncio.gather(*map(next_one, keys))
        return self.timed(lambda: asyncio.run(run()))

    def get_memory(self, bucket, keys, size):
        store = self.store(bucket)

        async def one(key):
            await (await self.obstore.get_async(store, key)).bytes_async()
        return self.at_once(one, keys)

    def put_memory(self, bucket, keys, size):
        store, data = self.store(bucket), b"x" * size
        return self.at_once(lambda key: self.obstore.put_async(store, key, data), keys)


class FinopsLibrary(Command):
    """tests/bench/storage_get_bench.c, which says what its transfers took."""

    name = "finops"

    def __init__(self, program, endpoint, env):
        super().__init__(env)
        self.program, self.settings = program, ["endpoint_url=" + endpoint, "region=us-east-1"]

    def tell(self, what, bucket, keys, size):
        out = subprocess.run([self.program, what, f"s3://{bucket}/{os.path.dirname(keys[0])}", str(len(keys)), str(size),
                              str(CONCURRENCY), "1", *self.settings], env=self.env, check=True, capture_output=True, text=True)
        ms, cpu_ms, _ = map(float, out.stdout.split())
        self.cpu = cpu_ms / 1000
        return ms / 1000

    def get_memory(self, bucket, keys, size):
        return self.tell("get", bucket, keys, size)

    def put_memory(self, bucket, keys, size):
        return self.tell("put", bucket, keys, size)


class Bare(FinopsLibrary):
    """No client at all: bare sockets. Nobody is faster with this server on this machine."""

    name = "(bare sockets)"

    def get_memory(self, bucket, keys, size):
        return self.tell("bare", bucket, keys, size)


def rounds(n, clients, what):
    """{name: [(seconds, processor seconds)]}: everybody once a round, in an order shuffled anew for each.

    An order that is only turned leaves everybody behind the same neighbour, and who follows a program that held much memory
    pays for getting it back from the host.
    """
    took, order = {c.name: [] for c in clients}, random.Random(n)
    for c in clients:
        c.peak = 0
    for k in range(n):
        for c in order.sample(clients, len(clients)):
            took[c.name].append((what(c, k), c.cpu))
    return took


def table(title, took, clients):
    ours = [seconds for seconds, _ in took["finops"]]
    print("\n%s" % title)
    for c in clients:
        seconds, cpu = zip(*took[c.name])
        ratios = [peer / own for peer, own in zip(seconds, ours)]
        print("  %-14s %8.0f ms  processor %6.0f ms  ratio %5.2f (%.2f-%.2f)%s" % (
            c.name, 1000 * statistics.median(seconds), 1000 * statistics.median(cpu), statistics.median(ratios), min(ratios),
            max(ratios), "  peak %.0f MiB" % c.peak if c.peak else ""))
    sys.stdout.flush()


def in_memory(title, n, size, clients, bucket, count, endpoint, env):
    keys = ["memory/object-%06d.bin" % i for i in range(n)]
    clients[0].put_memory(bucket, keys, size)
    table("put %s, from memory" % title, rounds(count, clients, lambda c, k: c.put_memory(bucket, keys, size)), clients)
    clients = clients + [Bare(clients[0].program, endpoint, env)]
    table("get %s, into memory" % title, rounds(count, clients, lambda c, k: c.get_memory(bucket, keys, size)), clients)


def make_files(folder, n, size):
    folder.mkdir(parents=True)
    for i in range(n):
        with open(folder / ("object-%06d.bin" % i), "wb") as f:
            left = size
            while left > 0:
                f.write(os.urandom(min(left, 1 << 20)))
                left -= 1 << 20
    return folder


def empty_trash(server):
    """MinIO keeps what was deleted for minutes: with TMPDIR=/dev/shm that is the memory the next client needs."""
    for folder in (pathlib.Path(server.log.name).parent / "data" / ".minio.sys" / "tmp" / ".trash").glob("*"):
        shutil.rmtree(folder, ignore_errors=True)


def files(title, n, size, clients, server, bucket, work, count):
    source = make_files(work / ("%d-%d" % (n, size)), n, size)

    def put(c, k):
        prefix = f"{source.name}-{c.name}-{k}"
        seconds = c.put(source, bucket, prefix)
        if n == 1 and (c.name, k) != ("finops", 0):  # of large ones one is enough
            server.delete(bucket, prefix + "/object-000000.bin")
            empty_trash(server)
        return seconds
    table("put " + title, rounds(count, clients, put), clients)

    def get(c, k):
        target = work / "got"
        seconds = c.get(bucket, f"{source.name}-finops-0", target)
        if sum(1 for _ in target.iterdir()) != n:
            sys.exit("%s: not all came" % c.name)
        shutil.rmtree(target)
        return seconds
    table("get " + title, rounds(count, clients, get), clients)
    shutil.rmtree(source)


def peers(endpoint, env):
    clients = []
    if shutil.which("rclone"):
        clients.append(Rclone(endpoint, env))
    mc = os.environ.get("FINOPS_MC") or next(map(str, sorted((servers.cache_folder() / "bin").glob("mc-*"))), None)
    if mc:
        clients.append(Mc(mc, endpoint, env))
    else:
        print("no mc: scripts/test-servers.sh mc builds it")
    return clients + [Boto3(endpoint, env), Obstore(endpoint, env)]


def many_keys(n, clients, bucket, work, count):
    clients[0].put(make_files(work / "many", n, 0), bucket, "many")
    table("list %d keys" % n, rounds(count, clients, lambda c, k: c.list(bucket, "many")), clients)


def far_away(program, endpoint, env, bucket, work, delay):
    near = Finops(program, env)
    near.put(make_files(work / "slow", 500, 16 << 10), bucket, "slow")
    relay = Delay(int(endpoint.rsplit(":", 1)[1]), delay / 1000)
    slow = Finops(program, {**env, "AWS_ENDPOINT_URL": "http://127.0.0.1:%d" % relay.port})
    many, one = slow.get(bucket, "slow", work / "a"), slow.get(bucket, "slow", work / "b", 1)
    print("\n500 objects with %.0f ms added: %.1f s at once, %.1f s one by one, 1/%.1f" % (delay, many, one, one / many))


def run(kind, server, a, work):
    only, build = a.only.split(","), pathlib.Path(a.build)
    env, endpoint, bucket = server.env(), server.endpoint, server.new_bucket()
    print("\n== %s, %d cores, %s, load %.1f" % (platform.processor() or platform.machine(), os.cpu_count(), kind, os.getloadavg()[0]))
    others = peers(endpoint, env)
    clients = [Finops(build / "finops", env)] + others
    if "library" in only:
        both = [FinopsLibrary(build / "tests" / "storage_get_bench", endpoint, env), others[-1], ObstoreAsync(endpoint, env), others[-2]]
        in_memory("500 objects of 16 KiB", 500, 16 << 10, both, bucket, a.rounds, endpoint, env)
    if "small" in only:
        files("500 objects of 16 KiB", 500, 16 << 10, clients, server, bucket, work, a.rounds)
    for mib in map(int, a.large.split(",")) if "large" in only else ():
        files("1 object of %d MiB" % mib, 1, mib << 20, clients, server, bucket, work, a.rounds)
    if "list" in only:
        many_keys(a.keys, clients, bucket, work, a.rounds)
    if "latency" in only:
        far_away(build / "finops", endpoint, env, bucket, work, a.delay)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--build", default=str(ROOT / "build"), help="where finops and tests/storage_get_bench are")
    p.add_argument("--only", default="library,small,large,list,latency")
    p.add_argument("--servers", default="minio,versitygw", help="of the table \"library\"; the others are of the first")
    p.add_argument("--large", default="128,1024", help="MiB")
    p.add_argument("--keys", type=int, default=100000)
    p.add_argument("--delay", type=float, default=50, help="milliseconds added to each request")
    a = p.parse_args()
    for i, kind in enumerate(a.servers.split(",")):
        if i > 0 and "library" not in a.only.split(","):
            break
        if kind != "minio" and not servers.is_cached(kind):
            print("no %s: scripts/test-servers.sh %s builds it" % (kind, kind))
            continue
        with tempfile.TemporaryDirectory(prefix="finops-bench-") as work, \
                (servers.running_minio() if kind == "minio" else servers.running_s3(kind)) as server:
            os.environ["BENCH_WORK"] = work
            if i > 0:
                a.only = "library"
            run(kind, server, a, pathlib.Path(work))


if __name__ == "__main__":
    main()
