"""Whose an address is when several Services claim it: its kind counts first, then the name. Pure.

A cluster address was given out by the API server, a load balancer's by its controller; an external IP is whatever a
tenant wrote (CVE-2020-8554). So nobody gets another's cluster address or load balancer by writing it into externalIPs.
"""

from collections.abc import Iterator

from kube46.addresses.families import Family
from kube46.api.objects import Service
from kube46.proxy.claims import NOTHING, Changes, Claims, Owner, merge
from kube46.proxy.endpoints import address_text
from kube46.proxy.rules import Elements, balanced, cluster_ips

RANKS = ("", "~", "~~")
"""What stands before the namespace of an owner of elements at cluster addresses, load balancers' and external ones: no
namespace has a tilde, and all sort before it."""
PLACES = ("service", "firewall")
"""Maps whose keys begin with an address that is a Service's begin so."""


def claimed(claims: Claims, owner: Owner) -> Elements:
    """All that a Service claims, of whatever rank."""
    parts = [claims.of(part) for part in _owners(owner)]
    return parts[0] if not any(parts[1:]) else {**parts[2], **parts[1], **parts[0]}


def replace(claims: Claims, owner: Owner, service: Service | None, elements: Elements) -> Changes:
    """Put a Service's new claims in the place of its old ones; what that changes in the table."""
    changes: Changes = {}
    parts = _parts(service, elements) if service is not None else (elements, NOTHING, NOTHING)
    for part, mine in zip(_owners(owner), parts, strict=True):
        if mine or claims.of(part):
            merge(changes, claims.replace(part, mine))
    return changes


def service_of(owner: Owner) -> Owner:
    """The Service that an owner of claims is."""
    return owner[0].lstrip("~"), owner[1]


def _owners(owner: Owner) -> Iterator[Owner]:
    return ((rank + owner[0], owner[1]) for rank in RANKS)


def _parts(service: Service, elements: Elements) -> tuple[Elements, Elements, Elements]:
    """At cluster addresses, and all that is of no address; at load balancers'; at external ones."""
    if not service.spec.external_ips and not service.status.load_balancer.ingress:  # of nearly all Services
        return elements, NOTHING, NOTHING
    own = {*cluster_ips(service).values()}
    balancers = {text for family in Family for text in balanced(service, family)} - own
    texts = (address_text(text, family) for text in service.spec.external_ips for family in Family)
    external = {*filter(None, texts)} - balancers - own
    parts: tuple[dict[tuple[str, str], str], ...] = ({}, {}, {})
    for element, value in elements.items():
        address = element[1].partition(" . ")[0] if element[0].startswith(PLACES) else ""
        parts[2 if address in external else 1 if address in balancers else 0][element] = value
    return parts[0], parts[1], parts[2]
