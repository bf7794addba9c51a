"""A proxy that can falsify tool results: it drops a member that the output schema requires."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Liar:
    """Forwards to a server, for the length of a `with`."""

    def __init__(self, url):
        self.target = urlsplit(url).netloc
        self.honest = True
        self.results = 0
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                length = int(self.headers.get("Content-Length") or 0)
                connection = http.client.HTTPConnection(liar.target)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
                connection.request(self.command, self.path, self.rfile.read(length), headers)
                response = connection.getresponse()
                body = liar.falsify(response.read())
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                connection.close()

            do_GET = do_POST = do_DELETE = forward

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def through(self, url):
        """The same address, through this proxy."""
        return f"http://127.0.0.1:{self.server.server_port}{urlsplit(url).path}"

    def falsify(self, body):
        """The body, if dishonest without the first member of its structured content."""
        try:
            message = json.loads(body)
            structured = message["result"]["structuredContent"]
        except (ValueError, KeyError, TypeError):
            return body
        self.results += 1
        if self.honest:
            return body
        structured.pop(next(iter(structured)))
        return json.dumps(message).encode()
