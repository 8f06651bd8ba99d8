"""Beta: the fields that hold addresses of pods, nodes and endpoints. Pure.

Sources: KEP-563 "Awareness of Multiple IPs per Pod", "Awareness of Multiple NodeCIDRs per Node";
kubernetes/pkg/apis/core/v1/conversion.go, pkg/apis/core/validation, pkg/apis/discovery/validation.
"""

from collections.abc import Mapping, Sequence

from kube46.addresses.families import Family, family_of
from kube46.api import objects
from kube46.api.resources import ENDPOINT_SLICES, PODS, SERVICE_ACCOUNTS
from kube46.conformance.claims import Absent, Has, Refused
from kube46.conformance.model import Conversation, Facts, From, Level, Promise, Step, Verb

# Documentation's addresses (RFC 5737, RFC 3849): the pods that have them run nowhere.
NOWHERE = {Family.IPV4: ("192.0.2.1", "192.0.2.2"), Family.IPV6: ("2001:db8::1", "2001:db8::2")}
PODS_MEND = "the API server must fill podIP and podIPs for kubelets that know only one of them"
SLICE_MEND = "the API server must hold an EndpointSlice to its addressType"

NODE_ADDRESSES = Promise(
    "node-addresses",
    Level.BETA,
    "Nodes to support multi-CIDRs",
    "each node has an InternalIP of each family",
    "see the kubelet's --node-ip (a pair, the primary family first), or the cloud's controller",
)
NODE_RANGES = Promise(
    "node-ranges",
    Level.BETA,
    "Nodes to support multi-CIDRs",
    "each node that has pod ranges has one of each family, the first also in podCIDR",
    "see --cluster-cidr and --allocate-node-cidrs of kube-controller-manager; a node keeps the ranges it once got",
)


def node_addresses(nodes: Sequence[objects.Node], families: Sequence[Family]) -> list[str]:
    """What is wrong with the nodes' own addresses."""
    found = []
    for node in nodes:
        addresses = node.status.internal_ips
        missing = [str(family) for family in families if family not in {family_of(text) for text in addresses}]
        if missing:
            found.append(
                f"nodes/{node.metadata.name}: status.addresses has no InternalIP of {', '.join(missing)}, "
                f"only {', '.join(addresses) or 'none at all'}"
            )
    return found


def node_ranges(nodes: Sequence[objects.Node], families: Sequence[Family]) -> list[str]:
    """What is wrong with the nodes' pod ranges. Nodes without any are their network's business."""
    found = []
    for node in nodes:
        ranges = node.spec.pod_cidrs
        name = f"nodes/{node.metadata.name}"
        if not ranges:
            continue
        if node.spec.pod_cidr != ranges[0]:
            found.append(f"{name}: spec.podCIDR is {node.spec.pod_cidr}, must be the first of podCIDRs, {ranges[0]}")
        if sorted(family_of(text) for text in ranges) != sorted(families):
            found.append(
                f"{name}: spec.podCIDRs is {', '.join(ranges)}, must be one range of {' and of '.join(families)}"
            )
    return found


def _pod(account: From) -> dict[str, object]:
    """A pod that no scheduler takes: its status is ours to write."""
    return {
        "spec": {
            "schedulerName": "kube46-conformance-nobody",
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "containers": [{"name": "none", "image": "registry.invalid/none"}],
        }
    }


def _ips(*addresses: str) -> list[dict[str, str]]:
    return [{"ip": address} for address in addresses]


def _pod_fields(facts: Facts) -> list[Step]:
    first, other = NOWHERE[facts.families[0]], NOWHERE[facts.families[0].other]
    both = {"podIP": first[0], "podIPs": _ips(first[0], other[0])}

    def status(fields: Mapping[str, object], *claims: Has | Refused | Absent) -> Step:
        return Step(Verb.MERGE, "a", {"status": fields}, claims, resource=PODS, subresource="status")

    twice = Refused(("status.podIPs",), "may specify no more than one IP for each IP family")
    return [
        Step(Verb.CREATE, "a", resource=SERVICE_ACCOUNTS),
        Step(Verb.CREATE, "a", _pod(From(0, "metadata.name")), (Absent("status.podIPs"),), resource=PODS),
        status({"podIPs": _ips(first[0])}, Has("status.podIP", first[0])),
        status(both, Has("status.podIP", first[0]), Has("status.podIPs", _ips(first[0], other[0]))),
        status({"podIP": first[0], "podIPs": _ips(*first)}, twice),
        # An old kubelet knows podIP alone: what it says wins, and a second address it never saw is not kept.
        status({"podIP": first[1]}, Has("status.podIP", first[1]), Has("status.podIPs", _ips(first[1]))),
    ]


def _slice(family: Family, address: str) -> dict[str, object]:
    return {"addressType": family, "endpoints": [{"addresses": [address]}], "ports": [{"port": 80}]}


def _slices(facts: Facts) -> list[Step]:
    first, other = facts.families[0], facts.families[0].other
    wrong = Refused((), f"must be an {first} address")
    changed = {"addressType": other, "endpoints": [{"addresses": [NOWHERE[other][0]]}]}
    good = (Has("addressType", first), Has("endpoints[0].addresses", [NOWHERE[first][0]]))
    return [
        Step(Verb.CREATE, "a", _slice(first, NOWHERE[first][0]), good, resource=ENDPOINT_SLICES),
        Step(Verb.CREATE, "b", _slice(first, NOWHERE[other][0]), (wrong,), resource=ENDPOINT_SLICES),
        Step(Verb.MERGE, "a", changed, (Refused((), "immutable"),), resource=ENDPOINT_SLICES),
        Step(
            Verb.CREATE,
            "c",
            _slice(other, NOWHERE[other][0]),
            (Has("addressType", other),),
            resource=ENDPOINT_SLICES,
        ),
    ]


CHECKS = (
    Conversation(
        Promise(
            "pod-address-fields",
            Level.BETA,
            "Pods to support multi-IPs",
            "podIP is the first of podIPs, there is one of each family at most, and old kubelets may write podIP alone",
            PODS_MEND,
        ),
        _pod_fields,
    ),
    Conversation(
        Promise(
            "endpointslice-fields",
            Level.BETA,
            "Service resource supports pods with multi-IP",
            "an EndpointSlice holds addresses of its addressType only, which never changes",
            SLICE_MEND,
        ),
        _slices,
    ),
)
