"""The two proxies of bench/proxy.py, each on a node of its own beside one API server, and what is asked of them.

api 192.0.2.1 ─ br0 ─┬─ node 192.0.2.2 ─┬─ client 10.244.0.3, fd00:10:244::3
     2001:db8:a::1   │                  └─ server 10.244.0.2, fd00:10:244::2
                     └─ node 192.0.2.3 ─ … the same again
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cluster.upstream import programs
from kube46.netlink.namespaces import open_sockets_in
from server.running import Server

PREFIX = f"k46t-q-{os.getpid()}"
API = f"{PREFIX}-api"
TICKS = os.sysconf("SC_CLK_TCK")
NODE = "node1"
NFNLGRP_NFTABLES = 7
ECHO = """
import socket, threading
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 5353))
    while True:
        d, a = s.recvfrom(2048); s.sendto(d, a)
def sink(c):
    while c.recv(1 << 20): pass
def tcp():
    s = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=sink, args=(s.accept()[0],), daemon=True).start()
threading.Thread(target=udp, daemon=True).start(); tcp()
"""


def ip(netns: str, *lines: str) -> None:
    """`ip -batch` in a namespace."""
    subprocess.run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines), text=True, check=True)


def add(netns: str) -> None:
    """A namespace that forwards."""
    subprocess.run(["ip", "netns", "add", netns], check=True)
    for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        subprocess.run(["ip", "netns", "exec", netns, "sysctl", "-qw", f"{key}=1"], check=True)
    ip(netns, "link set lo up")


def create_api() -> None:
    """The API server's place."""
    add(API)
    ip(API, "link add br0 type bridge", "link set br0 up", "addr add 192.0.2.1/24 dev br0")
    ip(API, "addr add 2001:db8:a::1/64 dev br0 nodad")


class Peer:
    """One proxy on its node, with a pod that asks and a pod that answers."""

    def __init__(self, name: str, number: int, directory: Path, server: Server) -> None:
        self.name, self.number, self.directory, self.server = name, number, directory, server
        self.node, self.client, self.pod = (f"{PREFIX}-{name}{part}" for part in ("", "-c", "-s"))
        self.process: subprocess.Popen[bytes] | None = None
        self._monitor: socket.socket | None = None
        self._create()
        command = ["ip", "netns", "exec", self.pod, sys.executable, "-c", ECHO]
        self._echo = subprocess.Popen(command)

    def _create(self) -> None:
        for name in (self.node, self.client, self.pod):
            add(name)
        ip(
            API,
            f"link add n{self.number} type veth peer name eth0 netns {self.node}",
            f"link set n{self.number} master br0 up",
        )
        ip(self.node, "link set eth0 up", f"addr add 192.0.2.{self.number}/24 dev eth0")
        ip(self.node, f"addr add 2001:db8:a::{self.number}/64 dev eth0 nodad")
        ip(self.node, "route add default via 192.0.2.1", "route add default via 2001:db8:a::1")
        for end, pod in ((3, self.client), (2, self.pod)):
            ip(self.node, f"link add p{end} type veth peer name eth0 netns {pod}", f"link set p{end} up")
            ip(self.node, f"addr add 10.244.0.1/32 dev p{end}", f"addr add fd00:10:244::1/128 dev p{end} nodad")
            ip(self.node, f"route add 10.244.0.{end}/32 dev p{end}", f"route add fd00:10:244::{end}/128 dev p{end}")
            ip(
                pod,
                "link set eth0 up",
                f"addr add 10.244.0.{end}/32 dev eth0",
                f"addr add fd00:10:244::{end}/128 dev eth0 nodad",
            )
            ip(pod, "route add 10.244.0.1/32 dev eth0", "route add default via 10.244.0.1")
            ip(pod, "route add fd00:10:244::1/128 dev eth0", "route add default via fd00:10:244::1")

    def close(self) -> None:
        """Stop all and remove it."""
        self.stop()
        self._echo.kill()
        self._echo.wait()
        for name in (self.node, self.client, self.pod):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    # the process

    def start(self) -> None:
        """From nothing."""
        programs_of = {
            "upstream": [str(programs() / "kube-proxy")],
            "kube46": [str(Path(sys.executable).with_name("kube46")), "proxy"],
        }
        command = [*programs_of[self.name], "--config", str(self._configuration(self._kubeconfig()))]
        self._monitor = open_sockets_in(self.node, _monitor)
        with (self.directory / f"{self.name}.log").open("wb") as log:
            self.began = time.time()
            self.process = subprocess.Popen(["ip", "netns", "exec", self.node, *command], stdout=log, stderr=log)

    def stop(self) -> None:
        """End the process; its tables go with the namespace, or are taken over."""
        if self.process is not None:
            self.thaw()
            self.process.terminate()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Let the other have the machine: nothing of this process runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def clean(self) -> None:
        """Nothing in the kernel."""
        subprocess.run(["ip", "netns", "exec", self.node, "nft", "flush", "ruleset"], check=True)

    def _configuration(self, kubeconfig: Path) -> Path:
        """The same file for both, with the shortest waits that kube-proxy has."""
        path = self.directory / f"{self.name}.json"
        document = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": NODE,
            "clusterCIDR": "10.244.0.0/16,fd00:10:244::/56",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "conntrack": {"maxPerCore": 0},
            "nftables": {"minSyncPeriod": "1ms"},
            "metricsBindAddress": "127.0.0.1:10249",
        }
        path.write_text(json.dumps(document))
        return path

    def _kubeconfig(self) -> Path:
        path = self.directory / f"{self.name}.kubeconfig"
        authority = str(self.server.directory / "ca.crt")
        cluster = {"server": f"https://192.0.2.1:{self.server.port}", "certificate-authority": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "t",
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
            "clusters": [{"name": "t", "cluster": cluster}],
            "users": [{"name": "t", "user": {"token": "admintoken"}}],
        }
        path.write_text(json.dumps(document))
        return path

    # what it says

    def metrics(self, name: str) -> dict[str, float]:
        """A metric by ip_family."""

        def ask() -> str:
            connection = http.client.HTTPConnection("127.0.0.1", 10249, timeout=30)
            try:
                connection.request("GET", "/metrics")
                return connection.getresponse().read().decode()
            finally:
                connection.close()

        try:
            text = open_sockets_in(self.node, ask)
        except OSError:
            return {}
        return {family: float(value) for family, value in re.findall(name + r'\{ip_family="(IPv[46])"\} (\S+)', text)}

    def await_first_sync(self) -> tuple[float, float]:
        """Seconds of the first full pass over both families, and those since the process began."""
        last: dict[str, float] = {}
        while len({family for family, at in last.items() if at}) < 2:
            if self.process is None or self.process.poll() is not None:
                raise SystemExit((self.directory / f"{self.name}.log").read_text()[-4000:])
            time.sleep(0.5)
            last = self.metrics("kubeproxy_sync_proxy_rules_last_timestamp_seconds")
        took = self.metrics("kubeproxy_sync_full_proxy_rules_duration_seconds_sum")
        end = max(last.values())
        return end - min(last[family] - took[family] for family in last), end - self.began

    def cpu(self) -> float:
        """Seconds of CPU so far, of the process and the children that it waited for."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS

    def memory(self) -> tuple[float, float]:
        """Resident MB now, and at most so far."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return tuple(int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[index,return-value]

    # what its kernel says

    def forget_changes(self) -> None:
        """Drop what the kernel has said until now."""
        assert self._monitor is not None
        self._monitor.setblocking(False)
        try:
            while True:
                try:
                    self._monitor.recv(1 << 18)
                except BlockingIOError:
                    return
                except OSError:  # it said more than the socket holds
                    continue
        finally:
            self._monitor.setblocking(True)

    def await_changes(self, wanted: set[bytes], limit: float = 60.0) -> float:
        """When the last of these addresses was in the kernel: time.monotonic()."""
        assert self._monitor is not None
        wanted = set(wanted)
        self._monitor.settimeout(limit)
        while wanted:
            data = self._monitor.recv(1 << 18)
            at = time.monotonic()
            wanted = {address for address in wanted if address not in data}
        return at


def _monitor() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 12)
    made.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
    made.bind((0, 0))
    made.setsockopt(270, 1, NFNLGRP_NFTABLES)  # NETLINK_ADD_MEMBERSHIP
    return made


class Events:
    """When the API server's watchers hear of addresses: a watch of EndpointSlices on a thread of its own."""

    def __init__(self, server: Server) -> None:
        context = ssl.create_default_context(cafile=str(server.directory / "ca.crt"))
        plain = socket.create_connection(("127.0.0.1", server.port))
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        request = (
            "GET /apis/discovery.k8s.io/v1/endpointslices?watch=1&timeoutSeconds=3600 HTTP/1.1\r\n"
            "Host: 127.0.0.1\r\nAccept: application/json\r\nAuthorization: Bearer admintoken\r\n\r\n"
        )
        self._socket.sendall(request.encode())
        self._heard = threading.Condition()
        self._wanted: set[bytes] = set()
        self._at = 0.0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def expect(self, texts: set[str]) -> None:
        """Look for these addresses from now on."""
        with self._heard:
            self._wanted = {b'"' + text.encode() + b'"' for text in texts}

    def at(self) -> float:
        """When the last of them was heard: time.monotonic()."""
        with self._heard:
            self._heard.wait_for(lambda: not self._wanted, 60)
            return self._at

    def close(self) -> None:
        """End the watch."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := self._socket.recv(1 << 18):
                at, text = time.monotonic(), rest + data
                with self._heard:
                    if self._wanted:
                        self._wanted = {wanted for wanted in self._wanted if wanted not in text}
                        self._at = at
                        if not self._wanted:
                            self._heard.notify_all()
                rest = text[-64:]  # an address may lie in two pieces
