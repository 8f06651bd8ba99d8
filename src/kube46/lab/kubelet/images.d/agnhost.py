#!/usr/bin/python3
"""`agnhost netexec|liveness|serve-hostname|porter|pause` for pods without a registry: Kubernetes' test server.

netexec answers over HTTP: / /hostname /clientip /echo?msg= /header?key= /healthz /exit?code=
/dial?host=&port=&request=&protocol=http|udp&tries=, and over UDP: `hostname`, `clientip`, `echo TEXT`.
liveness is healthy for ten seconds; serve-hostname says its name on port 9376; porter says what the variable
SERVE_PORT_n (SERVE_TLS_PORT_n, by HTTPS) holds on each such port n. Standard library only.
Source: the commands and answers of kubernetes/test/images/agnhost.
"""

import argparse
import functools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

PATIENCE = 5.0  # seconds that a dialled server has to answer
HEALTHY = 10.0  # seconds that `liveness` says it is well
STARTED = time.monotonic()


def joined(host, port):
    """A host and port as one text, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain(address):
    """A client's address and port as Go writes them: no IPv4-mapped addresses."""
    return joined(address[0].removeprefix("::ffff:"), address[1])


class Handler(BaseHTTPRequestHandler):
    """One HTTP request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answers by the path."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        answer = getattr(self, "on_" + (url.path.strip("/").lower() or "root"), None)
        if answer is None:
            self.reply("404 page not found\n", 404)
            return
        try:
            self.reply(*answer(query))
        except (KeyError, ValueError) as error:
            self.reply(f"bad request: {error!r}\n", 400)

    do_POST = do_GET  # noqa: N815

    def reply(self, text, status=200):
        """The whole answer."""
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def on_root(self, query):
        """The time."""
        return (f"NOW: {time.strftime('%Y-%m-%d %H:%M:%S %z')}",)

    def on_hostname(self, query):
        """The pod's name."""
        return (socket.gethostname(),)

    def on_clientip(self, query):
        """Whom we see."""
        return (plain(self.client_address),)

    def on_echo(self, query):
        """What was said, with the wanted status."""
        return query.get("msg", ""), int(query.get("code") or 200)

    def on_header(self, query):
        """One of the request's headers."""
        return (self.headers.get(query["key"], ""),)

    def on_healthz(self, query):
        """Well."""
        return ("",)

    def on_exit(self, query):
        """Ends the program."""
        os._exit(int(query.get("code") or 0))

    def on_dial(self, query):
        """Asks another netexec, several times over; who answered, and what went wrong."""
        responses, errors = [], []
        for _ in range(int(query.get("tries") or 1)):
            try:
                responses.append(dialled(query))
            except OSError as error:
                errors.append(str(error))
        return (json.dumps({"responses": responses} | ({"errors": errors} if errors else {})),)


class Liveness(Handler):
    """The server of the documentation's liveness probe."""

    def on_root(self, query):
        """For how long it runs."""
        return self.on_started(query)

    def on_started(self, query):
        """For how long it runs."""
        return (f"{time.monotonic() - STARTED:.6f}s",)

    def on_healthz(self, query):
        """Well, for a while."""
        age = time.monotonic() - STARTED
        return (f"error: {age:.6f}", 500) if age > HEALTHY else ("ok",)


class HostName(Handler):
    """A server that knows its name and nothing else."""

    def do_GET(self):
        """Its name."""
        self.reply(socket.gethostname())


class Porter(Handler):
    """A server that always says the same."""

    def do_GET(self):
        """What the environment says, to any request."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = self.server.text
        self.reply(json.dumps({"Method": self.command, "Body": text}) if self.server.json else text)

    do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = do_GET  # noqa: N815

    def reply(self, text, status=200):
        """The whole answer; Go's guess of its type."""
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"text/{'html' if text.startswith('<a') else 'plain'}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def dialled(query):
    """The answer of another server to /dial's request. Raises OSError."""
    host, port, request = query["host"], int(query["port"]), query["request"]
    if query.get("protocol", "http") == "http":
        url = f"http://{joined(host, port)}/{quote(request, safe='/?=&')}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as got:
            return got.read().decode()
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, number) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.send(request.encode())
        return client.recv(65535).decode()


class Server(ThreadingHTTPServer):
    """HTTP on all addresses of both families, or of the one there is."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, handler):
        self.address_family = family()
        super().__init__(("::" if self.address_family == socket.AF_INET6 else "0.0.0.0", port), handler)

    def server_bind(self):
        """For both families at once."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = socket.gethostname(), self.server_address[1]


def family():
    """IPv6, which takes IPv4 along, where the kernel has it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return socket.AF_INET
    return socket.AF_INET6


def datagrams(port):
    """Answers UDP for ever, from the address that was asked (a wildcard socket might choose another)."""
    with socket.socket(family(), socket.SOCK_DGRAM) as server:
        if server.family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        server.bind(("::" if server.family == socket.AF_INET6 else "0.0.0.0", port))
        while True:
            data, ancillary, _, client = server.recvmsg(65535, 256)
            asked_at = [item for item in ancillary if item[:2] == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)]
            verb, _, rest = data.decode(errors="replace").strip().partition(" ")
            answers = {"hostname": socket.gethostname(), "clientip": plain(client), "echo": rest}
            if verb.lower() in answers:
                server.sendmsg([answers[verb.lower()].encode()], asked_at, 0, client)


def netexec(options):
    """Serves until it is told to end."""
    if options.udp_port >= 0:
        threading.Thread(target=datagrams, args=(options.udp_port,), daemon=True).start()
    if options.http_port >= 0:
        serve(options, Handler)
        print(f"Started HTTP server on port {options.http_port}", flush=True)
    pause(options)


def serve(options, handler):
    """Answers HTTP beside what else is done."""
    threading.Thread(target=Server(options.http_port, handler).serve_forever, daemon=True).start()


def liveness(options):
    """Is well, then not."""
    serve(options, Liveness)
    pause(options)


def serve_hostname(options):
    """Says its name."""
    serve(options, HostName)
    print(f"Serving on port {options.http_port}.", flush=True)
    pause(options)


def porter(options):
    """Says on each port what the environment has for it."""
    for name, text in os.environ.items():
        found = re.fullmatch(r"SERVE_(TLS_|)PORT_([0-9]+)", name)
        if found:
            server = Server(int(found[2]), Porter)
            server.text, server.json = text, options.json_response
            if found[1]:
                server.socket = certified().wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
    pause(options)


@functools.cache
def certified():
    """TLS with a certificate that nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
        made = subprocess.run([*making, "-keyout", "-"], check=True, capture_output=True)
        file.write(made.stdout)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def pause(options):
    """Waits to be told to end."""
    number = signal.sigwait({signal.SIGTERM, signal.SIGINT})
    time.sleep(options.delay_shutdown if number == signal.SIGTERM else 0)


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="agnhost")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("netexec")
    serving.add_argument("--http-port", type=int, default=8080)
    serving.add_argument("--udp-port", type=int, default=8081)
    serving.add_argument("--delay-shutdown", type=int, default=0)
    commands.add_parser("pause").set_defaults(delay_shutdown=0)
    commands.add_parser("liveness").set_defaults(delay_shutdown=0, http_port=8080)
    naming = commands.add_parser("serve-hostname")
    naming.add_argument("--port", type=int, default=9376, dest="http_port")
    naming.set_defaults(delay_shutdown=0)
    porting = commands.add_parser("porter")
    porting.add_argument("--json-response", action="store_true")
    porting.set_defaults(delay_shutdown=0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    options = parser.parse_args()
    doing = {"netexec": netexec, "liveness": liveness, "serve-hostname": serve_hostname, "porter": porter}
    doing.get(options.command, pause)(options)


if __name__ == "__main__":
    main()
