"""Between the program and a server: a relay that can cut or count, and an HTTP proxy that counts. Loopback only.

    with Relay(minio.host, after=100_000, cuts=1) as relay:   # relay.host is the address to use instead; the first
        ...                               # connection over which the server sends so many bytes is reset there
    with Proxy({"s3.test": minio.host}) as proxy:   # names only the proxy knows, as in a company
        proxy.requests                    # [("CONNECT", "s3.test:443"), ("GET", "http://s3.test/b/k")]
"""

import socket
import socketserver
import struct
import threading
import urllib.parse

BLOCK = 65536


def pump(source, target, limit=None):
    """Copies until one side ends, at most limit bytes; returns how many bytes went over."""
    done = 0
    try:
        while limit is None or done < limit:
            data = source.recv(BLOCK if limit is None else min(BLOCK, limit - done))
            if not data:
                break
            target.sendall(data)
            done += len(data)
    except OSError:
        pass
    return done


def both_ways(left, right, limit=None):
    """Relays until the right side ends or has sent limit bytes, which resets the left one."""
    up = threading.Thread(target=lambda: (pump(left, right), close_quietly(right)), daemon=True)
    up.start()
    done = pump(right, left, limit)
    if limit is not None and done >= limit:
        left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left.shutdown(socket.SHUT_RD)  # wakes the other thread: a socket that is read from does not close
        up.join(10)
        left.close()
    else:
        close_quietly(left)
        close_quietly(right)
        up.join(10)
    return done


def close_quietly(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def connect(host):
    name, port = host.rsplit(":", 1)
    return socket.create_connection((name, int(port)), 10)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.host = "127.0.0.1:%d" % self.server_address[1]
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that went away is what these servers are for."""


class RelayHandler(socketserver.BaseRequestHandler):
    def handle(self):
        server = self.server
        limit = server.after if server.cut < server.cuts else None
        with connect(server.target) as upstream:
            done = both_ways(self.request, upstream, limit)
        with server.lock:
            server.connections += 1
            server.cut += limit is not None and done >= limit


class Relay(Server):
    """Counts `connections` that ended and those it `cut`: `cuts`, or more when several come to it side by side."""

    def __init__(self, target, after=None, cuts=0):
        super().__init__(RelayHandler)
        self.target, self.after, self.cuts, self.connections, self.cut = target, after, cuts, 0, 0


class ProxyHandler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.request_line():
            pass

    def request_line(self):
        line = self.rfile.readline(BLOCK).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = []
        while (header := self.rfile.readline(BLOCK)) not in (b"\r\n", b"\n", b""):
            headers.append(header.decode("latin-1").rstrip("\r\n"))
        with self.server.lock:
            self.server.requests.append((line[0], line[1]))
            self.server.headers.append(headers)
        return self.tunnel(line[1]) if line[0] == "CONNECT" else self.forward(line[0], line[1], headers)

    def tunnel(self, host):
        with connect(self.server.real(host)) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            both_ways(self.connection, upstream)
        return False

    def forward(self, method, target, headers):
        """One request on a connection of its own; the server ends it, so its length need not be understood."""
        url = urllib.parse.urlsplit(target)
        path = (url.path or "/") + ("?" + url.query if url.query else "")
        hop = ("connection:", "proxy-connection:", "proxy-authorization:")
        kept = [h for h in headers if not h.lower().startswith(hop)] + ["Connection: close"]
        with connect(self.server.real(url.netloc)) as upstream:
            upstream.sendall(("\r\n".join(["%s %s HTTP/1.1" % (method, path), *kept]) + "\r\n\r\n").encode("latin-1"))
            pump(upstream, self.connection)
        return False


class Proxy(Server):
    def __init__(self, names=None):
        super().__init__(ProxyHandler)
        self.names, self.requests, self.headers = names or {}, [], []
        self.url = "http://" + self.host

    def real(self, host):
        """Where a name leads; a bucket's name in front of it counts, as virtual addressing has it."""
        name = host.rsplit(":", 1)[0]
        for known, target in self.names.items():
            if name == known or name.endswith("." + known):
                return target
        return host if ":" in host else host + ":80"
