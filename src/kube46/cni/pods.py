"""The pod's side of an attachment, for every plugin that makes one: its namespace, its interface, what is undone."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kube46.cni import wiring
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.requests import Request, check_arguments
from kube46.cni.results import Interface
from kube46.cni.wiring import Wiring
from kube46.netlink import Netlink

IPV6 = Path("/proc/sys/net/ipv6")
LONGEST_START, LONGEST_DETECTION = 3.0, 10.0  # seconds
BOOT_PROTOCOL = 3  # routes in a pod are marked as `ip route` marks its own


@contextmanager
def namespace(path: str) -> Iterator[Netlink]:
    """The pod's networking. Raises CniError 3 when there is no such namespace, 4 when it is none or the node's."""
    try:
        pod = Netlink(Path(path).absolute())
    except FileNotFoundError as error:
        details = f"CNI_NETNS: {path}: {error.strerror}."
        raise CniError(Code.UNKNOWN_CONTAINER, "The network namespace does not exist", details) from error
    except OSError as error:
        details = f"CNI_NETNS: {path}: {error.strerror}; give the path of a network namespace."
        raise CniError(Code.INVALID_ENVIRONMENT, "Invalid CNI_NETNS", details) from error
    with pod:
        if os.path.samestat(os.fstat(pod.namespace), Path("/proc/thread-self/ns/net").stat()):
            details = f"CNI_NETNS: {path} is the node's own network namespace, not a container's."
            raise CniError(Code.INVALID_ENVIRONMENT, "Invalid CNI_NETNS", details)
        yield pod


def refuse_taken(pod: Netlink, ifname: str) -> None:
    """Raises CniError 102 when the pod has an interface of that name."""
    if pod.link(ifname):
        raise CniError(Code.CONFLICT, "The interface exists", f"CNI_IFNAME: the container has an {ifname} already.")


def hardware_address(request: Request, network: Network) -> str:
    """The MAC address that the runtime asks for (runtimeConfig before args before CNI_ARGS), else a random one."""
    check_arguments(request.args)
    asked = network.runtime_config.mac or network.args.cni.mac or request.args.get("MAC", "")
    return wiring.checked_mac(asked) if asked else wiring.hardware_address()


def set_up(pod: Netlink, ifname: str, plan: Wiring, *, detect_duplicates: bool, routed: bool, mtu: int) -> None:
    """In the pod: the settings, then up, then addresses, then routes.

    `routed`: everything, neighbours included, goes through the gateways. `mtu`: the link's, in bytes; 0: the kernel's.
    """
    settings = wiring.pod_settings(ifname, plan.families, detect_duplicates=detect_duplicates, routed=routed, mtu=mtu)
    apply(pod, settings)
    pod.set_up(ifname)
    for one in plan.addresses:
        pod.add_address(ifname, str(one.address), detect_duplicates=detect_duplicates, prefix_route=not routed)
    for way in wiring.gateway_routes(plan) if routed else ():
        via = str(way.gateway) if way.gateway else None
        pod.replace_route(str(way.destination), via, ifname, BOOT_PROTOCOL, source=str(way.source))
    for route in plan.routes:
        gateway = wiring.next_hop(route, plan)
        via = str(gateway) if gateway else None
        pod.replace_route(str(route.destination), via, ifname, BOOT_PROTOCOL, source="", **route.numbers)


def announce(host: Netlink, pod: Netlink, ends: tuple[Interface, Interface]) -> None:
    """When packets pass the pair, tell the neighbours of the pod's addresses. Raises CniError 101 when none pass."""
    for connection, end in zip((host, pod), ends, strict=True):
        if not connection.await_up(end.name, LONGEST_START):
            details = f"{end.name} is not operational {LONGEST_START:g} s after it was set up."
            raise CniError(Code.KERNEL_REFUSED, "The pod's link does not come up", details)
    # Given its own MAC address again, the kernel sends a gratuitous ARP and an unsolicited neighbour advertisement.
    pod.set_hardware_address(ends[1].name, ends[1].mac)


def await_unique(pod: Netlink, ifname: str) -> None:
    """Wait until duplicate detection has ended. Raises CniError 102 when another has one of the pod's addresses."""
    deadline = time.monotonic() + LONGEST_DETECTION
    while True:
        found = pod.addresses(ifname)
        for one in found:
            if one.duplicate:
                details = f"{one.interface} of {ifname} answers already on its link."
                raise CniError(Code.CONFLICT, "The address is another's", details)
        if not any(one.tentative for one in found):
            return
        if time.monotonic() > deadline:
            details = f"duplicate detection on {ifname} did not end in {LONGEST_DETECTION:g} s."
            raise CniError(Code.KERNEL_REFUSED, "The pod's addresses are not usable", details)
        time.sleep(0.02)


def delete_interface(host: Netlink, request: Request) -> None:
    """Remove the pod's interface where the host's end has another name: one that the reference plugin made.

    One whose other end is of another attachment of ours stays.
    """
    try:
        with namespace(request.netns) as pod:
            link = pod.link(request.attachment.ifname)
            end = host.link(link.peer) if link and link.peer else None
            if link and not (end and end.peer == link.index and wiring.is_ours(end.alias)):
                pod.delete_link(link.name)
    except CniError:
        return  # gone, or the node's own, in which nothing of a pod is to be removed


def apply(connection: Netlink, settings: dict[str, str]) -> None:
    """Set sysctls; those of IPv6 are left out where the kernel has none."""
    if not IPV6.exists():
        settings = {path: value for path, value in settings.items() if "/ipv6/" not in path}
    connection.sysctls(settings)


def undoing(action: Callable[[], object]) -> Callable[[], None]:
    """The action, whose own failure must not hide the error that made it necessary."""

    def run() -> None:
        try:
            action()
        except (CniError, OSError) as error:
            error.add_note("raised while undoing an ADD")

    return run
