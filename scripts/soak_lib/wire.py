"""HTTP/1.1 on a plain socket, so that clients are cheap and can misbehave."""

import gzip
import select
import socket
import zlib
from typing import NamedTuple

HEAD_END = b"\r\n\r\n"


class Lost(Exception):
    """The connection was closed or timed out before the end of the response."""


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes

    def plain(self):
        """Returns the uncompressed body."""
        if self.headers.get("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError, zlib.error) as error:
            raise Lost(f"a body that is not gzip: {error}") from error


def message(method, path, headers=(), body=None):
    """Returns the bytes of a request. `headers` are pairs; a body adds its Content-Length."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + HEAD_END + (body or b"")


class Connection:
    """A connection that is opened when needed, also after it was closed."""

    def __init__(self, address, patience=120.0, window=None):
        self.address = address
        self.patience = patience
        self.window = window
        self.socket = None
        self.held = b""

    def open(self):
        # Like connection pools, reopens a connection that the service has closed.
        if self.socket is not None and not self.held and select.select([self.socket], [], [], 0)[0]:
            self.close()
        if self.socket is None:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.settimeout(self.patience)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.window:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.window)
            made.connect(self.address)
            self.socket, self.held = made, b""
        return self.socket

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, request):
        """Sends the bytes and returns the Answer, or raises Lost."""
        try:
            self.open().sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Rejected before the end: there is an error response.
        except OSError as error:
            self.close()
            raise Lost(str(error)) from error
        return self.answer(bodiless=request.startswith(b"HEAD "))

    def answer(self, bodiless=False):
        """Reads one response."""
        try:
            head = self._until(HEAD_END)
            first, *lines = head.decode("latin-1").split("\r\n")
            status = int(first.split(" ", 2)[1])
            if status == 100:
                return self.answer(bodiless)
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = b"" if bodiless or status in (204, 304) else self._body(headers)
        except (OSError, ValueError, IndexError) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from error
        except Lost:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body)

    def _body(self, headers):
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            chunks = []
            while size := int(self._until(b"\r\n"), 16):
                chunks.append(self._exactly(size))
                self._exactly(2)
            self._exactly(2)
            return b"".join(chunks)
        raise Lost("a response without a length")

    def _until(self, end):
        while end not in self.held:
            self.held += self.receive()
        found, self.held = self.held.split(end, 1)
        return found

    def _exactly(self, size):
        parts, missing = [self.held], size - len(self.held)
        while missing > 0:
            part = self.receive()
            parts.append(part)
            missing -= len(part)
        whole = b"".join(parts)
        self.held = whole[size:]
        return whole[:size]

    def receive(self):
        """Reads the available bytes, waiting for at least one."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise Lost("the connection was closed")
        return part
