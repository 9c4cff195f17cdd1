"""Attacks on the layers below the routes: request heads, encodings, and HTTP/2 frames. Each takes
the service and returns a list of errors."""

import socket
import struct
import time
import zlib

from .attacks import JSON, at_once, rejected, sum_of
from soak_lib.wire import Connection, Lost, message

GIBIBYTE = 1 << 30
GOOD = b'{"inputs": "Good.", "attention": false}'
HOST = b"host: 127.0.0.1\r\n"
POST = b"POST /explain HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"


def sized(*bodies):
    """POST requests with these bodies, one after the other."""
    return b"".join(POST + b"content-length: %d\r\n\r\n" % len(body) + body for body in bodies)


def chunked(rest):
    return POST + b"transfer-encoding: chunked\r\n\r\n" + rest


def get(target, *fields, host=HOST):
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"GET " + target + b" HTTP/1.1\r\n" + host + lines + b"\r\n"


WHOLE = b"%x\r\n" % len(GOOD) + GOOD + b"\r\n0\r\n"

# Bytes that a client sends, and the status of each response.
ODD = [
    (get(b"http://127.0.0.1/models"), [200]),
    (get(b"http://127.0.0.1/models", host=b""), [400]),
    (get(b"http://evil.example/models"), [400]),
    (get(b"127.0.0.1:80"), [400]),
    (get(b"*"), [404]),
    (get(b"/models/%00"), [404]),
    (get(b"/models/%ff%fe"), [400]),
    (get(b"/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), [404]),
    (get(b"/models", b"x: a\0b"), [400]),
    (get(b"/models", b"x: " + b"a" * (1 << 20)), [431]),
    (get(b"/models", *[b"x%d: y" % n for n in range(1_000)]), [431]),
    (get(b"/" + b"a" * 9_000), [414]),
    (get(b"/openapi.json", b"range: bytes=0-10"), [200]),
    (get(b"/models", b"te: trailers, gzip;q=0.5"), [200]),
    (get(b"/models", b"connection: upgrade", b"upgrade: h2c"), [200]),
    (get(b"/models", HOST.strip()), [400]),
    (get(b"/models", host=b"host : 127.0.0.1\r\n"), [400]),
    (get(b"/models", b"content-length: 3") + b"abc" + get(b"/models"), [200, 200]),
    (get(b"/models") * 50, [200] * 50),
    (sized(GOOD, b"[]", GOOD), [200, 422, 200]),
    (sized(b'{"inputs":' + b"[" * 100_000), [422]),
    (sized(b'{"inputs": "a", "inputs": "b"}', b'{"inputs": "\\ud800"}'), [422, 400]),
    (sized(b'{"inputs": "\xff"}', b'{"inputs": "a\0b"}', b'{"inputs": "a\\u0000b"}'), [400, 400, 200]),
    (POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcde", [400]),
    (POST + b"content-length: -5\r\n\r\n", [400]),
    (POST + b"transfer-encoding: xchunked\r\n\r\n", [400]),
    (chunked(b"zz\r\n"), [400]),
    (chunked(WHOLE + b"x: y\r\nhost: evil.example\r\n\r\n"), [200]),
    (chunked(WHOLE + b"x: y\r\n" * 100_000 + b"\r\n"), [400]),
    (chunked(b"1;" + b"a" * 100_000 + b"\r\n"), [400]),
    (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(190), [400]),
]


def odd_requests(service):
    """Malformed and unusual requests get the expected responses, and a log line each."""
    logged = lambda: sum("request ended" in line and "/livez" not in line and "/readyz" not in line
                         for line in service.log.read_text(errors="replace").splitlines())
    before = logged()
    errors = sum_of(at_once(*[lambda each=each: answered(service, *each) for each in ODD]))
    # Each line is written when the response has been sent.
    time.sleep(0.2)
    expected = sum(len(statuses) for _, statuses in ODD)
    lines = logged() - before
    return errors + ([] if lines == expected else [f"{lines} log lines for {expected} requests"])


def answered(service, request, statuses):
    with Connection(service.address, patience=60) as connection:
        try:
            connection.open().sendall(request)
        except OSError:
            pass  # Rejected before the end: there is an error response.
        try:
            found = [connection.answer().status for _ in statuses]
        except Lost as lost:
            found = str(lost)
    return [] if found == statuses else [f"{request[:60]!r}: {found} instead of {statuses}"]


def bombs(service):
    """Small bodies that decompress to one gibibyte."""
    encodings = {"gzip": gzip(GIBIBYTE), "zstd": zstd(GIBIBYTE)}
    ask = lambda name, body: lambda: rejected(
        service, message("POST", "/explain", [*JSON, ("content-encoding", name)], body),
        413, "payload_too_large")
    return sum_of(at_once(*[ask(*each) for each in encodings.items()] * 8))


def gzip(size):
    """The same compressed mebibyte again and again. Has no end, which would not be reached."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return bytes.fromhex("1f8b08000000000000ff") + block * (size >> 20)


def zstd(size):
    """A frame (RFC 8878) with a window of 128 MiB, of blocks that repeat one byte 131,072 times."""
    block = 1 << 17
    header = bytes.fromhex("28b52ffd") + bytes([0, (27 - 10) << 3])
    repeated = (block << 3 | 1 << 1).to_bytes(3, "little") + b" "
    return header + repeated * (size // block) + (1).to_bytes(3, "little")


def incomplete_bodies(service, count):
    """Clients that send most of a body and disconnect."""
    held = [Connection(service.address) for _ in range(count)]
    for connection in held:
        connection.open().sendall(POST + b"content-length: 30000\r\n\r\n" + b" " * 20_000)
    time.sleep(1)
    for connection in held:
        connection.close()
    return []


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name, value):
    """A header field in HPACK, neither indexed nor compressed."""
    return b"\0" + length(len(name)) + name + length(len(value)) + value


def length(number):
    if number < 127:
        return bytes([number])
    number, encoded = number - 127, b"\x7f"
    while number > 127:
        number, encoded = number >> 7, encoded + bytes([number & 127 | 128])
    return encoded + bytes([number])


DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
TARGET = b"".join(field(b":" + name, value) for name, value in [
    (b"method", b"POST"), (b"scheme", b"http"), (b"path", b"/explain"),
    (b"authority", b"127.0.0.1")]) + field(b"content-type", b"application/json")


def streams(count, last=b""):
    """Requests on streams of their own, each followed by `last` on its stream."""
    return b"".join(
        frame(HEADERS, 4, stream, TARGET) + frame(DATA, 1, stream, GOOD)
        + (frame(RESET, 0, stream, last) if last else b"")
        for stream in range(1, 2 * count, 2))


FLOODS = [
    streams(100),
    streams(20_000, last=struct.pack(">I", 8)),
    frame(HEADERS, 1, 1, TARGET) + frame(CONTINUATION, 0, 1, field(b"x", b"a" * 16_000)) * 2_000,
    frame(HEADERS, 1, 1, TARGET) + frame(CONTINUATION, 0, 1) * 50_000,
    # Refers to a field of 4,000 bytes in the dynamic table 12,000 times.
    frame(HEADERS, 5, 1, TARGET + b"\x40" + field(b"x", b"a" * 4_000)[1:] + b"\xbe" * 12_000),
    frame(HEADERS, 4, 1, TARGET) + frame(DATA, 0, 1) * 50_000,
    frame(SETTINGS, 0, 0) * 20_000,
    frame(PING, 0, 0, bytes(8)) * 20_000,
]


def http2_floods(service):
    """Frames that cost the sender little."""
    return sum_of(at_once(*[lambda flood=flood: sent(service, START + flood) for flood in FLOODS]))


def sent(service, frames):
    """Sends the frames and reads until the service closes the connection or falls silent."""
    with socket.create_connection(service.address, timeout=1) as connection:
        try:
            connection.sendall(frames)
            while connection.recv(1 << 16):
                pass
        except OSError:
            pass
    return []
