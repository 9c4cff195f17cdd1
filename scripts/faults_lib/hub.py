"""A mock of the Hugging Face Hub with one model and an adjustable speed."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = "hf:owner/model"
PIECE = 1 << 10


class Hub:
    """Serves the files of `folder`, with a `pause` in seconds after each kibibyte of weights."""

    def __init__(self, folder):
        self.pause = 0
        names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
        self.files = {path.name: path.read_bytes()
                      for path in folder.iterdir() if path.name in names}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(*hub.find(self.path))

            def do_GET(self):
                body = self.answer(*hub.find(self.path))
                pause = hub.pause if self.path.endswith(".safetensors") else 0
                for start in range(0, len(body), PIECE if pause else len(body) or 1):
                    try:
                        self.wfile.write(body[start:start + PIECE] if pause else body)
                    except OSError:
                        return
                    time.sleep(pause)

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("etag", f'"{hashlib.sha256(body).hexdigest()}"')
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                return body

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """Ignores disconnects, which are part of the test."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def find(self, path):
        """Returns status and body."""
        if path.startswith("/api/models/"):
            names = [{"rfilename": name} for name in self.files]
            return 200, json.dumps({"sha": COMMIT, "siblings": names}).encode()
        body = self.files.get(path.rpartition("/")[2])
        return (404, b"") if body is None else (200, body)

    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"
