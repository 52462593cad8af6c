"""Between the program and a server: relays that can cut, count or stall, and an HTTP proxy that counts. Loopback only.

    with Relay(minio.host, after=100_000, cuts=1) as relay:   # relay.host is the address to use instead; the first
        ...                               # connection over which the server sends so many bytes is reset there
    with Gate("127.0.0.1:5432") as gate:     # packets that are lost: nobody is told, what is sent piles up in the kernels
        gate.at(b"COMMIT", lambda link: link.stall("down"))   # the next link that sends this never sees the answer
        gate.stall(); gate.go()           # the whole network, new links as well
    with Proxy({"s3.test": minio.host}) as proxy:   # names only the proxy knows, as in a company
        proxy.requests                    # [("CONNECT", "s3.test:443"), ("GET", "http://s3.test/b/k")]
"""

import select
import socket
import socketserver
import struct
import threading
import time
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
        limit = server.after if server.cut == 0 else server.then
        limit = limit if server.cut < server.cuts else None
        with connect(server.target) as upstream:
            done = both_ways(self.request, upstream, limit)
        with server.lock:
            server.connections += 1
            server.cut += limit is not None and done >= limit


class Relay(Server):
    """Counts `connections` that ended and those it `cut`: `cuts`, or more when several come to it side by side. From the
    second cut on it is after `then` bytes instead."""

    def __init__(self, target, after=None, cuts=0, then=None):
        super().__init__(RelayHandler)
        self.then = then or after
        self.target, self.after, self.cuts, self.connections, self.cut = target, after, cuts, 0, 0


TICK = 0.01


class Link:
    """One connection through a Gate. Directions are "up", to the server, and "down"."""

    def __init__(self, gate, client, server):
        self.gate, self.sockets, self.closed, self.over = gate, {"up": (client, server), "down": (server, client)}, set(), False

    def stall(self, *directions):
        self.closed |= set(directions or ("up", "down"))

    def reset(self):
        """The client's end is reset; the server's stays open and hears nothing of it."""
        client = self.sockets["up"][0]
        self.stall()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RD)
        client.close()

    def is_open(self, direction):
        return direction not in self.closed and direction not in self.gate.closed

    def pump(self, direction):
        source, target = self.sockets[direction]
        try:
            while not self.over:
                if not self.is_open(direction) or not select.select([source], [], [], TICK * 5)[0]:
                    time.sleep(TICK)
                    continue
                data = source.recv(BLOCK)
                time.sleep(self.gate.delay)
                self.gate.see(self, direction, data)
                while not self.is_open(direction) and not self.over:
                    time.sleep(TICK)
                if not data:
                    break
                target.sendall(data)
        except (OSError, ValueError):
            pass
        self.over = True


class GateHandler(socketserver.BaseRequestHandler):
    def handle(self):
        gate = self.server
        with connect(gate.target) as upstream:
            link = Link(gate, self.request, upstream)
            gate.links.append(link)
            down = threading.Thread(target=link.pump, args=("down",), daemon=True)
            down.start()
            link.pump("up")
            while self.request.fileno() < 0 and not gate.over:
                time.sleep(TICK)  # after a reset the server hears nothing
            close_quietly(self.request)
            close_quietly(upstream)
            down.join(10)


class Gate(Server):
    """A relay whose links stall: one of them, or all, in one direction or both."""

    request_queue_size = 64

    def __init__(self, target, delay=0):
        super().__init__(GateHandler)
        self.target, self.delay, self.closed, self.links, self.rule, self.seen, self.over = target, delay, set(), [], None, 0, False

    def at(self, words, action, times=1):
        """What happens to the links, the first `times` ones, that send these bytes to the server, before they arrive."""
        self.rule, self.seen = (words, action, times), 0

    def see(self, link, direction, data):
        with self.lock:
            if not self.rule or direction != "up" or self.rule[0] not in data or self.seen == self.rule[2]:
                return
            self.seen += 1
        self.rule[1](link)

    def stall(self, *directions):
        self.closed |= set(directions or ("up", "down"))

    def go(self):
        self.closed = set()
        for link in self.links:
            link.closed = set()

    def __exit__(self, *_):
        self.over = True
        for link in self.links:
            link.over = True
        super().__exit__()


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
        time.sleep(self.server.delay)
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
        self.names, self.requests, self.headers, self.delay = names or {}, [], [], 0  # seconds before each request goes on
        self.url = "http://" + self.host

    def real(self, host):
        """Where a name leads; a bucket's name in front of it counts, as virtual addressing has it."""
        name = host.rsplit(":", 1)[0]
        for known, target in self.names.items():
            if name == known or name.endswith("." + known):
                return target
        return host if ":" in host else host + ":80"
