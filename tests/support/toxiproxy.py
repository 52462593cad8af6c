"""Between the program and a server: Shopify's toxiproxy, which makes a network bad in the ways networks are.

`toxiproxy` is a pytest fixture, one a session, skipped where it is not built:

    with toxiproxy.link(minio.host) as link:        # link.host is the address to use instead
        link.add("latency", latency=50)             # https://github.com/Shopify/toxiproxy#toxics
        link.clear(); link.down(); link.up()
"""

import contextlib
import http.client
import json
import os
import subprocess
import time

import pytest

from servers import READY_SECONDS, free_port, server_program


class Link:
    """One proxied address."""

    def __init__(self, proxy, name, target):
        self.proxy, self.name, self.n = proxy, name, 0
        self.host = proxy.call("POST", "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": target})["listen"]

    def add(self, kind, stream="downstream", toxicity=1.0, **attributes):
        """On connections that are there, too; `toxicity` is the share of them that gets it."""
        self.n += 1
        self.proxy.call("POST", "/proxies/%s/toxics" % self.name, {"name": "t%d" % self.n, "type": kind, "stream": stream,
                                                                  "toxicity": toxicity, "attributes": attributes})

    def clear(self):
        for toxic in self.proxy.call("GET", "/proxies/%s/toxics" % self.name):
            self.proxy.call("DELETE", "/proxies/%s/toxics/%s" % (self.name, toxic["name"]))

    def down(self):
        """All connections end, and new ones are refused."""
        self.proxy.call("POST", "/proxies/" + self.name, {"enabled": False})

    def up(self):
        self.proxy.call("POST", "/proxies/" + self.name, {"enabled": True})


class Toxiproxy:
    def __init__(self, program):
        self.port, self.n = free_port(), 0
        self.process = subprocess.Popen([program, "-host", "127.0.0.1", "-port", str(self.port), "-seed", "20261121"],
                                        env={"PATH": os.environ["PATH"], "LOG_LEVEL": "error"}, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            text = response.read()
            assert response.status < 300, "%s %s: %d %r" % (method, path, response.status, text)
            return json.loads(text) if text else None
        finally:
            connection.close()

    def wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                return self.call("GET", "/proxies")
            time.sleep(0.02)
        raise RuntimeError("toxiproxy is not ready")

    @contextlib.contextmanager
    def link(self, target):
        self.n += 1
        link = Link(self, "p%d" % self.n, target)
        try:
            yield link
        finally:
            self.call("DELETE", "/proxies/" + link.name)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="session")
def toxiproxy():
    server = Toxiproxy(server_program("toxiproxy", "toxiproxy-*", core=False))
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
