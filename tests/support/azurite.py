"""Azurite, Microsoft's own emulator of its blob storage: real signatures, block lists, leases and ETags.

`azurite` is a pytest fixture, one server a session:

    def test_something(azurite):
        container = azurite.new_container()
        azurite.request("PUT", "/%s/key" % container, b"bytes", {"x-ms-blob-type": "BlockBlob"})
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import ssl
import time
import urllib.parse
import uuid

import pytest

from servers import Server, free_port, running, server_program

ACCOUNT = "finopstest"
VERSION = "2021-12-02"


class Azurite(Server):
    """A running Azurite: endpoint (http://127.0.0.1:PORT/ACCOUNT), account, key.

    `certs`, a folder with server.crt, server.key and ca.crt, makes it https at ACCOUNT.localhost:PORT, where it takes tokens
    too: any that entra_token() makes.
    """

    def __init__(self, program, folder, certs=None):
        self.host = "127.0.0.1:%d" % free_port()
        self.account, self.key = ACCOUNT, base64.b64encode(os.urandom(64)).decode()
        self.endpoint = "http://%s/%s" % (self.host, self.account)
        command = ["node", program, "--blobHost", "127.0.0.1", "--blobPort", self.host.split(":")[1], "--location",
                   os.path.join(folder, "data"), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        command += (["--oauth", "basic", "--cert", os.path.join(certs, "server.crt"), "--key", os.path.join(certs, "server.key")]
                    if certs else ["--disableProductStyleUrl"])
        self.tls = None
        if certs:
            self.tls = ssl.create_default_context(cafile=os.path.join(certs, "ca.crt"))
            self.tls.check_hostname = False  # not every system finds that name; curl does
            self.endpoint = "https://%s.localhost:%s" % (self.account, self.host.split(":")[1])
        env = {"PATH": os.environ["PATH"], "HOME": folder, "AZURITE_ACCOUNTS": "%s:%s" % (self.account, self.key)}
        self.start(folder, command, env=env)

    def is_ready(self):
        return self.request("GET", "/", query={"comp": "list"})[0] == 200

    def request(self, method, path, body=b"", headers=None, query=None):
        """Signed with the account's key, by the standard library alone; path is "/container/key". (status, body)"""
        path = urllib.parse.quote(path if self.tls else "/%s%s" % (self.account, path), safe="/-_.~")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": now, "x-ms-version": VERSION, **(headers or {})}
        lines = ["%s:%s" % (name, headers[name]) for name in sorted(headers) if name.startswith("x-ms-")]
        place = "/" + self.account + path
        place += "".join("\n%s:%s" % item for item in sorted((query or {}).items()))
        text = "\n".join([method, "", "", str(len(body)) if body else "", *[""] * 8, *lines, place])
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        headers["authorization"] = "SharedKey %s:%s" % (self.account, base64.b64encode(digest).decode())
        if self.tls:
            headers["host"] = urllib.parse.urlsplit(self.endpoint).netloc
        url = "%s://%s%s" % ("https" if self.tls else "http", self.host, path)
        return send(url, method, body, headers, query, self.tls)[:2]

    def expect(self, status, *args, **fields):
        got, answer = self.request(*args, **fields)
        if got != status:
            raise RuntimeError("%s: %d %s" % (args[:2], got, answer[:500].decode(errors="replace")))
        return answer

    def new_container(self):
        name = "c-" + uuid.uuid4().hex[:12]
        self.expect(201, "PUT", "/" + name, query={"restype": "container"})
        return name

    def account_sas(self, permissions, minutes=10):
        """What lets its bearer do this with every container and blob: "r", "rwdlac"."""
        expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
        expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = [self.account, permissions, "b", "sco", "", expires, "", "https,http", VERSION, "", ""]
        digest = hmac.new(base64.b64decode(self.key), "\n".join(fields).encode(), hashlib.sha256).digest()
        return urllib.parse.urlencode({"sv": VERSION, "ss": "b", "srt": "sco", "sp": permissions, "se": expires,
                                       "spr": "https,http", "sig": base64.b64encode(digest).decode()})


def entra_token(seconds=3600):
    """As Entra ID gives one for storage, signed by nobody: Azurite looks at its times, issuer and audience."""
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
              "iat": now - 60, "nbf": now - 60, "exp": now + seconds, "ver": "1.0", "jti": uuid.uuid4().hex}
    parts = [json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "nobody"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def send(url, method="GET", body=None, headers=None, query=None, tls=None):
    """(status, body, headers)"""
    parts = urllib.parse.urlsplit(url)
    text = "&".join(filter(None, (parts.query, urllib.parse.urlencode(query or {}, quote_via=urllib.parse.quote))))
    if tls:
        connection = http.client.HTTPSConnection(parts.netloc, timeout=30, context=tls)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, parts.path + ("?" + text if text else ""), body, headers or {})
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


def azurite_program():
    return server_program("azurite", "azurite-*/node_modules/.bin/azurite-blob")


def running_azurite(**options):
    return running("azurite", lambda folder: Azurite(azurite_program(), folder, **options))


@pytest.fixture(scope="session")
def azurite():
    with running_azurite() as server:
        yield server
