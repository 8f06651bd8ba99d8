"""Start, stop and delete a cluster: joins the settings, the rules and the drivers.

`up` leaves at every moment a state from which `up` or `down` go on; each takes the cluster's lock first.
"""

import os
import pwd
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from kube46.cni.installation import install
from kube46.lab import (
    hierarchies,
    hostpaths,
    kubeconfigs,
    listeners,
    mountpoints,
    mounts,
    outside,
    pki,
    processes,
    rules,
    supervisor,
    topology,
    userconfig,
)
from kube46.lab.hostpaths import HostPath
from kube46.lab.kubelet import cgroupfs
from kube46.lab.paths import RUN_ROOT, STATE_ROOT, Paths
from kube46.lab.settings import RESERVED_NAMES, Settings, decoded
from kube46.netlink import namespaces

GRACE = 2.0  # seconds that processes of pods have to end after SIGTERM
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BIND_USER = "bind"
CRASHES = 4  # so many ends of one part, and it does not only stumble at the start
Daemon = subprocess.Popen[bytes]
"""The supervisor, a child of the command that started it."""


class ClusterError(RuntimeError):
    """A cluster could not be started or stopped; the message says why and what to do."""


def kept_settings(paths: Paths) -> Settings | None:
    """The settings of an existing cluster; None when there is none of that name. Raises BadSettings."""
    try:
        return decoded(paths.settings.read_bytes())
    except FileNotFoundError:
        return None


def names() -> list[str]:
    """All clusters of this machine, half-made ones too."""
    found = {path.name for root in (STATE_ROOT, RUN_ROOT) if root.exists() for path in root.iterdir() if path.is_dir()}
    return sorted(found - RESERVED_NAMES)


def is_running(paths: Paths) -> bool:
    """Whether a supervisor keeps the cluster's parts alive."""
    report = supervisor.read_report(paths)
    return (
        report is not None
        and processes.is_alive(report.pid, report.started)
        and processes.has_mark(report.pid, paths.name)
    )


def start(settings: Settings, paths: Paths, port: int) -> Daemon:
    """Make what the cluster lacks, start its parts and return their supervisor; under the cluster's lock.

    Raises OSError and this part's errors.
    `port`: of the API server on the host; 0 keeps the one it has, or chooses a free one.
    """
    adopted = _is_built(settings, paths)
    if adopted:
        _end_supervision(settings, paths)
    else:
        _tear_down(paths)
    chosen = listeners.choose_port(paths, port)
    if not paths.settings.exists():
        _forget(paths.state)
    pki.write(paths.port, str(chosen).encode())
    pki.write(paths.settings, settings.encoded())
    if not paths.owner.exists():
        pki.write(paths.owner, str(userconfig.invoking_user(os.environ).uid).encode())
    mountpoints.ensure()
    _make_directories(settings, paths)
    daemon = _start_supervisor(paths)
    if not adopted:
        _build(settings, paths)
    install(paths.plugins, helpers=None)  # every node has an agent, and nothing may outlive the cluster
    pki.ensure(settings, paths, chosen)
    assert daemon.stdin is not None
    daemon.stdin.write(supervisor.GO)
    daemon.stdin.close()
    return daemon


def stop(paths: Paths) -> None:
    """End the cluster's processes and take away its namespaces; its state stays. Raises ClusterError, OSError."""
    _tear_down(paths)


def delete(paths: Paths) -> None:
    """Stop the cluster and delete all that belongs to it, from whatever state it is in. Raises as `stop`."""
    _tear_down(paths)
    with suppress(userconfig.UserConfigError):  # a file of the user's that is damaged is none of our business
        userconfig.remove(paths)
    paths.settings.unlink(missing_ok=True)  # from here on there is no cluster, whatever of its files is left
    if paths.state.exists():
        shutil.rmtree(paths.state)


def merge_kubeconfig(paths: Paths) -> Path:
    """Merge the cluster's context into the invoking user's kubeconfig; returns the file. Raises UserConfigError."""
    user = userconfig.invoking_user(os.environ)
    path = userconfig.choose(os.environ, user)
    userconfig.add(paths, msgspec.json.decode(paths.kubeconfig("admin").read_bytes()), path, user)
    return path


def context(paths: Paths) -> str:
    """The name of the cluster's context."""
    return kubeconfigs.context_name(paths.name)


def log_tail(paths: Paths, lines: int = 5) -> str:
    """The supervisor's last lines, for error messages."""
    try:
        return "\n".join(supervisor.log_path(paths).read_text().splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def crashing(paths: Paths) -> str:
    """What to say of a part that ends again and again: its name and its last words; empty when there is none."""
    report = supervisor.read_report(paths)
    for part in report.parts if report else ():
        if part.restarts >= CRASHES:
            log = paths.log(part.place, part.name)
            said = log.read_text(errors="replace").split("\n") if log.exists() else []
            last = next((line.strip() for line in reversed(said) if line.strip()), "nothing")
            return f"{part.name} ended {part.restarts} times, exit status {part.exit}; its last words in {log}: {last}"
    return ""


def _forget(state: Path) -> None:
    """Empty the state directory, on which our lock lies: what a killed `down` left there is no cluster's any more."""
    for path in state.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _is_built(settings: Settings, paths: Paths) -> bool:
    """Whether all namespaces of this boot stand, so that only the supervision has to begin anew."""
    try:
        if paths.built.read_text() != BOOT_ID.read_text():
            return False
    except FileNotFoundError:
        return False
    return all(
        namespaces.exists(paths.namespace(place)) and paths.mount_namespace(place).exists()
        for place in rules.place_names(settings)
    )


def _build(settings: Settings, paths: Paths) -> None:
    places = rules.plan(settings, paths, bridge_filter=Path("/proc/sys/net/bridge").exists())
    for place in places:
        _write_resolver(settings, paths, place.name)
    _write_outside(paths)
    topology.build(places, paths)
    mounts.build(places, paths)
    pki.write(paths.built, BOOT_ID.read_bytes())


def _make_directories(settings: Settings, paths: Paths) -> None:
    paths.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    paths.data.parent.mkdir(mode=0o700, exist_ok=True)
    paths.host_path.mkdir(mode=0o755, exist_ok=True)
    if not paths.host_paths.exists():
        hostpaths.allow(paths.host_paths, [HostPath(str(paths.host_path))])
    for place in rules.plan(settings, paths):
        paths.place_run(place.name).mkdir(mode=0o755, exist_ok=True)
        for bind in place.binds:
            if bind.target != Path("/etc/resolv.conf"):
                bind.source.mkdir(mode=0o755, parents=True, exist_ok=True)
    for directory in paths.state.glob("nodes/*/bind"):
        _give_to_bind(directory)


def _give_to_bind(path: Path) -> None:
    """BIND runs as a user of its own; as root where Debian's package made none."""
    with suppress(KeyError):
        owner = pwd.getpwnam(BIND_USER)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _write_resolver(settings: Settings, paths: Paths, place: str) -> None:
    """A place's /etc/resolv.conf: the outside's resolver, over the families that the place has."""
    lines = [f"nameserver {address}" for address in rules.resolver_addresses(settings)]
    (paths.place_run(place) / "resolv.conf").write_text("\n".join(lines) + "\n")


def _write_outside(paths: Paths) -> None:
    directory = paths.node_state(rules.OUTSIDE_PLACE) / "bind"
    texts = {
        "named.conf": outside.configuration(),
        "root.zone": outside.root_zone(),
        f"{outside.ZONE}.zone": outside.zone(),
    }
    for name, text in texts.items():
        (directory / name).write_text(text)


def _start_supervisor(paths: Paths) -> Daemon:
    """The daemon, in a session of its own; it waits for the word that the places stand."""
    with supervisor.log_path(paths).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "kube46.lab.supervisor", paths.name],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            env={**os.environ, processes.VARIABLE: paths.name},
        )


def _tear_down(paths: Paths) -> None:
    """All processes, namespaces, mounts and runtime files."""
    _end_supervisor(paths)
    _end_all(paths, GRACE)
    mounts.destroy(paths)
    topology.destroy(paths)
    cgroupfs.remove_all(paths.cgroup, hierarchies.mounted())
    if paths.run.exists():
        shutil.rmtree(paths.run)


def _end_supervision(settings: Settings, paths: Paths) -> None:
    """The supervisor and the parts it started; pods and name servers live on, to be adopted."""
    _end_supervisor(paths)
    programs = {name[: processes.COMM_LENGTH] for name in settings.upstream.programs} if settings.upstream else set()

    def parts() -> dict[int, int]:
        members = processes.members(paths.name, ()).items()
        names = {pid: processes.comm(pid) for pid, _ in members}
        return {pid: started for pid, started in members if names[pid].startswith("k46:") or names[pid] in programs}

    processes.end(parts, grace=GRACE)


def _end_supervisor(paths: Paths) -> None:
    """Let it stop its parts in order, and see that it is gone: it would start again what we end."""
    report = supervisor.read_report(paths)
    if report is None or not processes.has_mark(report.pid, paths.name):
        return
    processes.send(report.pid, report.started, processes.TERM)
    if not processes.wait(report.pid, report.started, 4 * supervisor.STOP_SECONDS):
        processes.send(report.pid, report.started, processes.KILL)
        processes.wait(report.pid, report.started, supervisor.STOP_SECONDS)


def _end_all(paths: Paths, grace: float) -> None:
    pods = _pod_namespaces(paths)
    try:
        processes.end(lambda: processes.members(paths.name, topology.inodes(paths) | pods), grace=grace)
    except TimeoutError as error:
        raise ClusterError(f"cluster {paths.name}: {error}; try again, or reboot") from error


def _pod_namespaces(paths: Paths) -> set[int]:
    """The pods' network namespaces, which only the nodes' own mount namespaces show."""
    found: set[int] = set()
    if not paths.mount_namespaces.exists():
        return found
    for namespace in paths.mount_namespaces.glob("node*"):
        with suppress(mounts.MountError, OSError):
            found |= {int(text) for text in mounts.call_in(namespace, _list_namespaces).split()}
    return found


def _list_namespaces() -> str:
    return " ".join(str(path.stat().st_ino) for path in namespaces.DIRECTORY.iterdir())
