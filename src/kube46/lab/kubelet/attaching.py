"""Sandboxes with their network: made once, kept in a record, found again after a restart of the kubelet."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube46.addresses.families import by_family, in_order
from kube46.lab.kubelet import chain, naming, sandboxes, sandboxrules
from kube46.lab.kubelet.chain import Attachment, CniError
from kube46.lab.kubelet.deleting import delete
from kube46.lab.kubelet.directories import PodDirectory, read_record, write
from kube46.lab.kubelet.manifests import ReadPod
from kube46.lab.kubelet.observed import Sandbox
from kube46.lab.kubelet.workshop import Workshop

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A sandbox that stands."""

    sandbox: Sandbox
    namespaces: dict[str, str]


async def make(
    workshop: Workshop, directory: PodDirectory, pod: ReadPod, generation: int, former: tuple[str, ...] = ()
) -> Made:
    """Make the pod's namespaces and attach them. Raises CniError, OSError; what it began is removed by `remove`.

    `former`: the addresses that it had before a reboot. It gets them again if the network's plugins can ask for
    addresses and these are free.
    """
    settings, spec = workshop.settings, pod.spec
    netns = "" if spec.host_network else sandboxrules.netns_name(pod.metadata.uid)
    hostname = sandboxrules.hostname(pod, settings.node_name, settings.cluster_domain)
    network = None if spec.host_network else chain.configuration(settings.cni_conf_dir)
    if network is None and not spec.host_network:
        raise CniError(f"no CNI network configuration in {settings.cni_conf_dir}: is the node's agent running?")
    record: dict[str, Any] = {
        "generation": generation,
        "netns": netns,
        "network": network,
        "result": None,
        "ips": former,
    }
    record["attachment"] = _attachment(pod, netns, former) if netns else None
    directory.path.mkdir(parents=True, exist_ok=True)
    write(directory.sandbox, json.dumps(record))
    sysctls = {} if spec.host_network else sandboxrules.sysctls(spec.security_context.sysctls)
    await asyncio.to_thread(sandboxes.make, directory, netns, hostname, sysctls)
    if network is not None:
        record["result"] = await _add(network, record["attachment"], settings.cni_bin_dirs)
        ips = tuple(in_order(by_family(chain.addresses(record["result"])), settings.family_order))
        if not ips:
            raise CniError(f"network {network['name']}: the plugins gave the pod no address")
    else:
        ips = settings.host_ips
    record |= {"ips": ips, "ready": True}
    _write_etc(workshop, directory, pod, hostname, ips)
    write(directory.sandbox, json.dumps(record))
    return Made(Sandbox(generation, ips), sandboxes.paths(directory, netns))


async def _add(network: Mapping[str, Any], given: dict[str, Any], directories: Iterable[Path]) -> dict[str, Any]:
    """Attach with the addresses asked for; when they can't be had, with any."""
    try:
        return await chain.add(network, Attachment(**given), directories)
    except CniError as error:
        if not given["capabilities"].pop("ips", None) or not chain.capable(network, "ips"):
            raise
        log.info("Pod's former addresses are not to be had pod=%s error=%s", given["container_id"], error)
        return await chain.add(network, Attachment(**given), directories)


def find(directory: PodDirectory) -> Made | None:
    """The sandbox that an earlier kubelet made, if it still stands."""
    record = read_record(directory.sandbox)
    if not record or not record.get("ready") or not sandboxes.stands(directory, record["netns"]):
        return None
    sandbox = Sandbox(record["generation"], tuple(record["ips"]))
    return Made(sandbox, sandboxes.paths(directory, record["netns"]))


def last_ips(directory: PodDirectory) -> tuple[str, ...]:
    """The addresses of the sandbox on record, also of one that is gone."""
    return tuple((read_record(directory.sandbox) or {}).get("ips", ()))


def generation(directory: PodDirectory) -> int:
    """The generation of the sandbox on record, -1 without one."""
    return int((read_record(directory.sandbox) or {}).get("generation", -1))


def unattached(directory: PodDirectory) -> list[tuple[str, str]]:
    """(reason, message) of what was asked of the network and no plugin of its configuration does."""
    record = read_record(directory.sandbox) or {}
    ports = ((record.get("attachment") or {}).get("capabilities") or {}).get("portMappings", ())
    if not ports or chain.capable(record["network"], "portMappings"):
        return []
    numbers = ", ".join(f"{port['hostPort']}/{port['protocol'].upper()}" for port in ports)
    text = f"hostPort {numbers}: network {record['network']['name']} has no plugin with the capability portMappings"
    return [("HostPortNotSupported", f"{text}; use a NodePort Service")]


async def remove(workshop: Workshop, directory: PodDirectory) -> None:
    """Detach and delete the sandbox, also half of one; a second time does nothing. Raises CniError."""
    record = read_record(directory.sandbox)
    if not record or record.get("removed"):
        return
    if record["attachment"] and record["network"]:
        attachment = Attachment(**record["attachment"])
        await chain.delete(record["network"], attachment, workshop.settings.cni_bin_dirs, record["result"])
    await asyncio.to_thread(sandboxes.remove, directory, record["netns"])
    write(directory.sandbox, json.dumps(record | {"removed": True, "ready": False}))


def _attachment(pod: ReadPod, netns: str, former: tuple[str, ...]) -> dict[str, Any]:
    meta = pod.metadata
    capabilities: dict[str, Any] = {"ips": list(former)} if former else {}
    ports = [
        {
            "hostPort": p.host_port,
            "containerPort": p.container_port,
            "protocol": p.protocol.lower(),
            "hostIP": p.host_ip,
        }
        for c in (*pod.spec.init_containers, *pod.spec.containers)
        for p in c.ports
        if p.host_port
    ]
    if ports:
        capabilities["portMappings"] = ports
    return {
        "container_id": meta.uid,
        "netns": f"/run/netns/{netns}",
        "arguments": {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": meta.namespace,
            "K8S_POD_NAME": meta.name,
            "K8S_POD_INFRA_CONTAINER_ID": meta.uid,
            "K8S_POD_UID": meta.uid,
        },
        "capabilities": capabilities,
    }


def _write_etc(workshop: Workshop, directory: PodDirectory, pod: ReadPod, hostname: str, ips: tuple[str, ...]) -> None:
    settings, spec = workshop.settings, pod.spec
    resolver = naming.resolver(pod, settings.cluster_dns, settings.cluster_domain, workshop.resolver())
    if spec.host_network:
        hosts = naming.host_network_hosts(_read(Path("/etc/hosts")), spec.host_aliases)
    else:
        domain_name = sandboxrules.domain_name(pod, settings.cluster_domain)
        hosts = naming.hosts(ips, hostname, domain_name, spec.host_aliases)
    for name, text in (("resolv.conf", resolver.text()), ("hosts", hosts), ("hostname", hostname + "\n")):
        write(directory.etc(name), text)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def forget(directory: PodDirectory) -> None:
    """Delete all that is kept of a pod, logs included. Raises OSError."""
    delete(directory.path)
