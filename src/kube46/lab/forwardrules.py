"""What `kube46 forward` was asked for: the target, the ports, and where their connections go. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from kube46.api.objects import Pod, Service
from kube46.lab.settings import BadSettings

HIGH, SHIFT = 1024, 8000  # ports below HIGH are offered SHIFT higher: 80 on 8080
HINT = "write svc/NAME, pod/NAME or deploy/NAME"
KINDS = {
    "svc": "svc", "service": "svc", "services": "svc",
    "pod": "pod", "pods": "pod", "po": "pod",
    "deploy": "deploy", "deployment": "deploy", "deployments": "deploy",
    "sts": "sts", "statefulset": "sts", "statefulsets": "sts",
    "ds": "ds", "daemonset": "ds", "daemonsets": "ds",
    "rs": "rs", "replicaset": "rs", "replicasets": "rs",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """KIND/NAME, the kind as kubectl shortens it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Wish:
    """[LOCAL:]REMOTE. `local` is None when it is ours to choose, 0 when any will do."""

    local: int | None
    remote: str


@dataclass(frozen=True, slots=True)
class Line:
    """A port of the host's, and where its connections go. `remote` is the target's own number."""

    local: int | None
    host: str
    port: int
    remote: int

    def candidates(self) -> Iterable[int]:
        """The host's ports to try: the wanted one, else the remote number or one near 8000, and what comes after."""
        if self.local == 0:  # several tries: a port that is free on one address may be taken on another
            return (0,) * 20
        if self.local is not None:
            return (self.local,)
        first = self.remote if self.remote >= HIGH else self.remote + SHIFT
        return range(first, min(first + 100, 65536))


def target(text: str) -> Target:
    """Raises BadSettings."""
    kind, slash, name = text.partition("/")
    if not slash:
        kind, name = "pod", text
    if kind.lower() not in KINDS:
        raise BadSettings(f"{text}: {kind!r} can't be forwarded to, {HINT}")
    if not name or "/" in name:
        raise BadSettings(f"{text}: has no name, {HINT}")
    return Target(KINDS[kind.lower()], name)


def wish(text: str) -> Wish:
    """Raises BadSettings."""
    local, colon, remote = text.rpartition(":")
    if not remote or (remote.isdecimal() and not 0 < int(remote[:6]) < 65536):
        raise BadSettings(f"{text}: is no port, write REMOTE or LOCAL:REMOTE with numbers from 1 to 65535, or a name")
    if not colon:
        return Wish(None, remote)
    if local and not (local.isascii() and local.isdecimal() and int(local[:6]) < 65536):
        raise BadSettings(f"{text}: {local!r} is no port of this machine, write a number up to 65535")
    return Wish(int(local or 0), remote)


def service_lines(service: Service, what: Target, wishes: Iterable[Wish]) -> list[Line]:
    """To the Service's own address, so that it balances as it does for pods. Raises BadSettings."""
    spec = service.spec
    if spec.type == "ExternalName":
        raise BadSettings(f"{what}: is an ExternalName Service, which has no address: ask {spec.external_name} itself")
    if spec.cluster_ip in ("", "None"):
        raise BadSettings(f"{what}: is headless, which has no address: forward to one of its pods, as pod/NAME")
    chosen = _chosen(what, [(p.port, p.name, p.protocol) for p in spec.ports], list(wishes))
    return [Line(local, spec.cluster_ip, number, number) for local, number in chosen]


def pod_lines(pod: Pod, what: Target, wishes: Iterable[Wish]) -> list[Line]:
    """To the pod's primary address; any number will do. Raises BadSettings."""
    if not pod.status.pod_ip or pod.status.phase != "Running":
        raise BadSettings(f"{what}: pod {pod.metadata.name} is {pod.status.phase or 'Pending'}, not Running")
    ports = [(p.container_port, p.name, p.protocol) for c in pod.spec.containers for p in c.ports]
    chosen = _chosen(what, ports, list(wishes), any_number=True)
    return [Line(local, pod.status.pod_ip, number, number) for local, number in chosen]


def first_ready(pods: Iterable[Pod]) -> Pod | None:
    """The pod that kubectl would take too: one that runs, rather a ready one, rather an old one."""

    def order(pod: Pod) -> tuple[bool, str, str]:
        return not pod.status.ready, pod.metadata.creation_timestamp or "", pod.metadata.name

    running = [p for p in pods if p.status.phase == "Running" and not p.metadata.deletion_timestamp]
    return min(running, key=order, default=None)


def _chosen(
    what: Target, ports: list[tuple[int, str, str]], wishes: list[Wish], *, any_number: bool = False
) -> list[tuple[int | None, int]]:
    """(local, remote) of each wish; without wishes, of each TCP port. `ports`: number, name, protocol."""
    tcp = [(number, name) for number, name, protocol in ports if protocol == "TCP"]
    if not wishes and not tcp:
        raise BadSettings(f"{what}: names no TCP port, say which, as in `kube46 forward {what} 8080`")
    if not wishes:
        return [(None, number) for number, _ in tcp]
    return [(asked.local, _number(what, ports, tcp, asked.remote, any_number=any_number)) for asked in wishes]


def _number(
    what: Target, ports: list[tuple[int, str, str]], tcp: list[tuple[int, str]], remote: str, *, any_number: bool
) -> int:
    for number, name in tcp:
        if remote in (str(number), name):
            return number
    if any_number and remote.isdecimal():
        return int(remote)
    other = next((protocol for number, name, protocol in ports if remote in (str(number), name)), "")
    if other:
        raise BadSettings(f"{what}: port {remote} is {other}, only TCP can be forwarded")
    known = ", ".join(f"{number} ({name})" if name else str(number) for number, name in tcp) or "none"
    raise BadSettings(f"{what}: has no port {remote}; it has {known}")
