"""The command `up`, from flags to the summary."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from kube46.api.objects import Node
from kube46.api.resources import NODES
from kube46.lab import (
    cluster,
    hostpaths,
    listeners,
    locks,
    mountpoints,
    readiness,
    requirements,
    settings,
    summary,
    upstream,
    userconfig,
)
from kube46.lab.cluster import ClusterError, Daemon
from kube46.lab.hostpaths import HostPath
from kube46.lab.listeners import PortTaken
from kube46.lab.paths import Paths
from kube46.lab.progress import Progress
from kube46.lab.settings import BadSettings, Flags, Settings
from kube46.lab.userconfig import UserConfigError

DEFAULT_NAME = "dev"
WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `up` was asked for."""

    name: str
    flags: Flags
    api_port: int = 0
    wait: bool = True
    allow: tuple[HostPath, ...] = ()
    forbid: tuple[str, ...] = ()


def up(options: Options, progress: Progress) -> bool:
    """Start the cluster, or bring it back; False when it ran already, and only what it lacked was added.

    Raises BadSettings, requirements.Missing, ClusterError, readiness.NotReady and the drivers' errors; an interrupt is
    raised again with what is left.
    """
    paths = Paths(settings.check_name(options.name))
    try:
        return _up(paths, options, progress)
    except KeyboardInterrupt:
        flag = f"--name {paths.name}"
        text = f"`kube46 up {flag}` goes on from here, `kube46 down {flag}` deletes it"
        raise KeyboardInterrupt(text if paths.settings.exists() else "nothing was changed") from None


def _up(paths: Paths, options: Options, progress: Progress) -> bool:
    wanted = _wanted(paths, options)
    if not cluster.is_running(paths):
        requirements.check()
        _check_upstream(wanted)
        listeners.check_port(options.api_port)
        _check_kubeconfig()
    with _claimed(paths, progress):
        wanted = _wanted(paths, options)  # another command may have made or deleted it meanwhile
        if cluster.is_running(paths):
            _check_kept_port(paths, options.api_port)
            added = _complete(wanted, paths, options.wait) + _host_paths(paths, options)
            text = f"added {' and '.join(added)}" if added else "nothing was changed"
            progress.say(f"{summary.heading(wanted)}: is running already, {text}.")
            return False
        progress.say(progress.bold(summary.heading(wanted)))
        found = _start(wanted, paths, options, progress)
    _tell(wanted, paths, found, progress)
    return True


@contextmanager
def _claimed(paths: Paths, progress: Progress) -> Iterator[None]:
    """The cluster's lock. What is refused under it leaves not even the directory that the lock lies on."""
    try:
        with locks.held(paths.state, partial(_say_waiting, paths, progress)):
            try:
                yield
            finally:
                if not paths.settings.exists():
                    with suppress(OSError):  # not empty: something was made, which `down` will find
                        paths.state.rmdir()
    except PortTaken:
        mountpoints.release()
        raise


def down(name: str, progress: Progress) -> None:
    """Stop and delete the cluster, from whatever state. Raises BadSettings when there is none, and drivers' errors."""
    paths = Paths(settings.check_name(name))
    existed = name in cluster.names()
    with locks.held(paths.state, partial(_say_waiting, paths, progress)):
        cluster.delete(paths)
    mountpoints.release()
    if not existed:
        raise BadSettings(f"--name {name}: there is no such cluster, `kube46 status` lists them")
    progress.say(f"{name}: deleted.")


def stop(name: str, progress: Progress) -> None:
    """Stop the cluster and keep its state. Raises BadSettings when there is none, and the drivers' errors."""
    paths = existing(name)
    with locks.held(paths.state, partial(_say_waiting, paths, progress)):
        cluster.stop(paths)
    progress.say(f"{name}: stopped; `kube46 up --name {name}` brings it back.")


def _say_waiting(paths: Paths, progress: Progress) -> None:
    progress.say(f"Waiting for another kube46 command on {paths.name}.")


def existing(name: str) -> Paths:
    """The paths of a cluster that exists. Raises BadSettings."""
    paths = Paths(settings.check_name(name))
    if not paths.settings.exists():
        raise BadSettings(f"--name {name}: there is no such cluster, `kube46 status` lists them")
    return paths


def _wanted(paths: Paths, options: Options) -> Settings:
    """The kept settings, which the flags must not contradict; else those that the flags make."""
    kept = cluster.kept_settings(paths)
    if kept is None:
        return settings.from_flags(options.name, options.flags)
    differing = settings.differences(kept, options.name, options.flags)
    if differing:
        raise BadSettings(
            f"cluster {options.name} exists with {' '.join(differing)}: "
            f"choose another --name, or delete it first with `kube46 down --name {options.name}`"
        )
    return kept


def _check_upstream(wanted: Settings) -> None:
    """Look for the real API server's programs while nothing is made yet. Raises BadSettings."""
    if wanted.upstream and (words := upstream.gone(wanted.upstream)):
        raise BadSettings(f"--name {wanted.name}: {words}")


def _check_kubeconfig() -> None:
    """Look at the user's kubeconfig while nothing is made yet. Raises BadSettings."""
    try:
        userconfig.check(os.environ)
    except UserConfigError as error:
        raise BadSettings(str(error)) from error


def _check_kept_port(paths: Paths, port: int) -> None:
    """A running cluster keeps its port. Raises BadSettings."""
    kept = paths.port.read_text()
    if port and str(port) != kept:
        flag = f"--name {paths.name}"
        raise BadSettings(f"cluster {paths.name} runs with --api-port {kept}: `kube46 stop {flag}` first, to change it")


def _complete(wanted: Settings, paths: Paths, wait: bool) -> list[str]:
    """Add what an interrupted `up` did not come to, or what was deleted since: context, DNS Service, StorageClass."""
    added = []
    if not userconfig.holds(paths):
        added.append(f"the context {cluster.context(paths)} to {cluster.merge_kubeconfig(paths)}")

    async def objects() -> None:
        async with readiness.client(paths.kubeconfig("admin")) as api:
            await readiness.until(lambda: readiness.api_missing(api), lambda: None, seconds=WAIT_SECONDS)
            made: list[str] = []
            missing = partial(readiness.objects_missing, api, wanted, made)
            await readiness.until(missing, lambda: None, seconds=WAIT_SECONDS, attempt=readiness.WRITES)
            if readiness.DNS_OBJECT in made and wait:
                await readiness.until(lambda: readiness.dns_missing(api, wanted), lambda: None, seconds=WAIT_SECONDS)
            added.extend(made)

    asyncio.run(objects())
    return added


def _host_paths(paths: Paths, options: Options) -> list[str]:
    """Change what pods may mount of the machine; returns what that is now, if it changed."""
    changes = hostpaths.forbid(paths.host_paths, options.forbid), hostpaths.allow(paths.host_paths, options.allow)
    listed = ", ".join(map(str, hostpaths.allowed(paths.host_paths))) or "none"
    return [f"the host paths of pods, which are now {listed}"] if any(changes) else []


def _start(wanted: Settings, paths: Paths, options: Options, progress: Progress) -> list[Node]:
    with progress.step("Namespaces, links, certificates"):
        daemon = cluster.start(wanted, paths, options.api_port)
        _host_paths(paths, options)
        cluster.merge_kubeconfig(paths)
    return asyncio.run(_wait(wanted, paths, daemon, options.wait, progress))


async def _wait(wanted: Settings, paths: Paths, daemon: Daemon, wait: bool, progress: Progress) -> list[Node]:
    """Wait for the API server, make the DNS Service, and wait for nodes and names if that was asked for."""

    def alive(text: str) -> None:
        progress.tick(text)
        if daemon.poll() is not None:
            raise ClusterError(f"the supervisor ended: {cluster.log_tail(paths)}")
        if words := cluster.crashing(paths):
            raise ClusterError(words)

    async with readiness.client(paths.kubeconfig("admin")) as api:
        text = "API server"
        with progress.step(text):
            await readiness.until(partial(readiness.api_missing, api), partial(alive, text), seconds=WAIT_SECONDS)
            objects = partial(readiness.objects_missing, api, wanted, [])
            await readiness.until(objects, partial(alive, text), seconds=WAIT_SECONDS, attempt=readiness.WRITES)
        if not wait:
            return []
        for text, missing in (("Nodes", readiness.nodes_missing), ("Cluster DNS", readiness.dns_missing)):
            with progress.step(text):
                await readiness.until(partial(missing, api, wanted), partial(alive, text), seconds=WAIT_SECONDS)
        return (await api.list(NODES)).items


def _tell(wanted: Settings, paths: Paths, found: list[Node], progress: Progress) -> None:
    if found:
        progress.say("\n" + summary.nodes(found))
    progress.say("\n" + summary.pools(wanted))
    progress.say(f"\nkubectl context {cluster.context(paths)} in {userconfig.location(paths)}. Try next:")
    progress.say(summary.next_steps(wanted.name, DEFAULT_NAME))
