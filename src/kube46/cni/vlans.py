"""Pure: the VLANs of a pod's port on a bridge, from the keys `vlan` and `vlanTrunk` (reference: bridge.go)."""

from kube46.cni.configurations import Network, VlanRange
from kube46.cni.errors import CniError, Code

FIRST, LAST = 1, 4094
NATIVE = 1  # untagged frames of a port that has a trunk only


def wanted(network: Network) -> bool:
    """Whether the network uses VLANs, so that its bridge has to tell them apart."""
    return bool(network.vlan or network.vlan_trunk)


def untagged(network: Network) -> int:
    """The VLAN of a port's untagged frames. Raises CniError 7 when the number is none of a VLAN."""
    if network.vlan and not FIRST <= network.vlan <= LAST:
        raise _invalid(f"vlan: is {network.vlan}, must be {FIRST} to {LAST}, or 0 for none")
    return network.vlan or NATIVE


def tagged(network: Network) -> tuple[tuple[int, int], ...]:
    """The spans of VLANs that a port sends and takes tagged, sorted and joined. Raises CniError 7."""
    numbers = sorted({number for one in network.vlan_trunk for number in _numbers(one)})
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    return tuple(spans)


def _numbers(one: VlanRange) -> set[int]:
    found = set() if one.id is None else {one.id}
    if (one.min_id is None) != (one.max_id is None):
        raise _invalid("vlanTrunk: minID and maxID go together; give both or neither")
    if one.min_id is not None and one.max_id is not None:
        if one.min_id > one.max_id:
            raise _invalid(f"vlanTrunk: minID {one.min_id} is greater than maxID {one.max_id}")
        found |= set(range(max(one.min_id, FIRST - 1), min(one.max_id, LAST + 1) + 1))
    for number in found:
        if not FIRST <= number <= LAST:
            raise _invalid(f"vlanTrunk: {number} is no VLAN; give numbers from {FIRST} to {LAST}")
    return found


def _invalid(details: str) -> CniError:
    return CniError(Code.INVALID_CONFIG, "Invalid network configuration", f"{details}.")
