"""A server whose replies are written byte by byte: what no library would send."""

import json
import sys
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


def reply(text="The answer is 3", **changes):
    """The body of a good reply; `changes` replace parts of it, `finish` the reason why it ended."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if "finish" in changes:
        choice["finish_reason"] = changes.pop("finish")
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    return json.dumps({"id": "r", "model": "m", "choices": [choice], "usage": usage, **changes}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send(200, b'{"data": [{"id": "m"}]}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.server.answer(self)

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pour(self, count, packed):
        """A good reply after so many MiB of blanks, in chunks, packed or not; the client may hang up."""
        pack = zlib.compressobj(1, wbits=31) if packed else None
        self.send_response(200)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for part in (*[b" " * 2**20] * count, reply()):
                self._chunk(pack.compress(part) if pack else part)
            self._chunk(pack.flush() if pack else b"")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        self.close_connection = True

    def _chunk(self, data):
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_):
        pass


class HostileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.arrived = answer, []
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(answer):
    """A server that gives every request to `answer`, for as long as the block lasts."""
    server = HostileServer(answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def main():
    """Pour as the arguments say, as a process of its own, so that its memory is not the client's."""
    count, packed = int(sys.argv[1]), sys.argv[2] == "packed"
    server = HostileServer(lambda handler: handler.pour(count, packed))
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
