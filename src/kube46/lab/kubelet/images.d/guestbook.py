#!/usr/bin/python3
"""`gb-frontend`, the front end of the guestbook example, for pods without a registry: standard library only.

/ is a page with a form; /guestbook.php?cmd=set&key=K&value=V writes to the leader's Redis, ?cmd=get&key=K reads from a
follower's. Source: the requests and answers of kubernetes/examples, web/guestbook.
"""

import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATIENCE = 5.0  # seconds that a Redis has to answer
PAGE = b"""<!doctype html><html><head><meta charset="utf-8"><title>Guestbook</title></head><body><h2>Guestbook</h2>
<form id="form"><input id="entry" placeholder="Message"><button>Submit</button></form><ul id="entries"></ul><script>
const url = "guestbook.php?key=messages&cmd=";
async function show() {
  const {data} = await (await fetch(url + "get")).json();
  entries.replaceChildren(...data.split(",").filter(Boolean).map(text => {
    const item = document.createElement("li"); item.textContent = text; return item; }));
  return data;
}
form.onsubmit = async event => {
  event.preventDefault();
  await fetch(url + "set&value=" + encodeURIComponent(await show() + "," + entry.value));
  entry.value = "";
  await show();
};
show();
</script></body></html>
"""


class RedisError(OSError):
    """What a Redis said no to."""


def redis(role, *words):
    """The answer of the leader's or a follower's Redis to a command. Raises OSError, LookupError."""
    with socket.create_connection(address(role), PATIENCE) as connection, connection.makefile("rwb") as stream:
        stream.write(b"*%d\r\n" % len(words))
        for word in words:
            data = word.encode()
            stream.write(b"$%d\r\n%s\r\n" % (len(data), data))
        stream.flush()
        kind, rest = (line := stream.readline().rstrip(b"\r\n"))[:1], line[1:]
        if kind == b"$":
            return stream.read(int(rest)).decode() if int(rest) >= 0 else ""
        if kind != b"+":
            raise RedisError(rest.decode() or "the connection was closed")
        return rest.decode()


def address(role):
    """Where a Redis is: by name, or by the Service's environment variables. The older manifests have older names."""
    names = {"leader": ("leader", "master"), "follower": ("follower", "replica", "slave")}[role]
    if os.environ.get("GET_HOSTS_FROM") == "env":
        return next(os.environ[f"REDIS_{n.upper()}_SERVICE_HOST"] for n in names
                    if f"REDIS_{n.upper()}_SERVICE_HOST" in os.environ), 6379  # fmt: skip
    for name in names:
        try:
            socket.getaddrinfo(f"redis-{name}", 6379)
        except socket.gaierror:
            continue
        return f"redis-{name}", 6379
    raise RedisError(f"no Service redis-{names[0]}")


class Handler(BaseHTTPRequestHandler):
    """One HTTP request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answers by the path."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if url.path in ("/", "/index.html"):
            self.reply(200, "text/html; charset=utf-8", PAGE)
        elif url.path == "/guestbook.php":
            self.json(query)
        else:
            self.reply(404, "text/plain", b"Not Found\n")

    def json(self, query):
        """Reads or writes the entries."""
        try:
            if query.get("cmd") == "set":
                redis("leader", "SET", query.get("key", ""), query.get("value", ""))
                answer = {"message": "Updated"}
            else:
                answer = {"data": redis("follower", "GET", query.get("key", ""))}
        except (OSError, ValueError, StopIteration) as error:
            self.reply(500, "application/json", json.dumps({"error": str(error)}).encode())
            return
        self.reply(200, "application/json", json.dumps(answer).encode())

    def reply(self, status, kind, data):
        """The whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """HTTP on all addresses of both families."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        """For both families at once."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server(("::", 80), Handler).serve_forever()
