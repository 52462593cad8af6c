"""Hooks for `finops backends test --hooks`: each a small program that asks the test, over a socket, to do it.

    with hooks.folder(tmp_path, {"restart": lambda schema, table: server.restart()}) as folder:
        finops.run("backends", "test", "postgresql", "--hooks", folder)

What the function raises is printed by the program, which then ends with status 1.
"""

import contextlib
import socketserver
import sys
import threading

PROGRAM = """#!%s -ES
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(%r)
s.sendall("\\0".join([%r] + sys.argv[1:]).encode())
s.shutdown(socket.SHUT_WR)
sys.exit(b"".join(iter(lambda: s.recv(4096), b"")).decode() or 0)
"""


@contextlib.contextmanager
def folder(place, actions):
    """A folder with a program for each of `actions`, functions of a schema and a table."""
    path, place = str(place / "hooks.socket"), place / "hooks"

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            name, *args = self.rfile.read().decode().split("\0")
            try:
                actions[name](*args)
            except Exception as e:
                self.wfile.write(("%s: %s" % (type(e).__name__, e)).encode())

    place.mkdir()
    for name in actions:
        (place / name).write_text(PROGRAM % (sys.executable, path, name))
        (place / name).chmod(0o755)
    with socketserver.UnixStreamServer(path, Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield place
        finally:
            server.shutdown()
            thread.join()
