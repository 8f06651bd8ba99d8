"""A webhook that allows everything, run in a pod: TLS on port 8443, certificate and key from CERTIFICATE and KEY.

Standard library only.
"""

import json
import os
import ssl
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    def do_POST(self) -> None:
        """Allow it."""
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        review["response"] = {"uid": review.pop("request")["uid"], "allowed": True}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with tempfile.NamedTemporaryFile("w", dir="/dev/shm") as file:
    file.write(os.environ["CERTIFICATE"] + os.environ["KEY"])
    file.flush()
    context.load_cert_chain(file.name)
server = ThreadingHTTPServer(("", 8443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
