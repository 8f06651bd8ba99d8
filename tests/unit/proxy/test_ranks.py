"""Who gets an address that several Services claim."""

import pytest

from kube46.api.objects import Service
from kube46.proxy import ranks
from kube46.proxy.claims import Claims
from kube46.proxy.rules import service_elements
from unit.proxy.samples import CLUSTER_IPS, VIEW, pods, service, slices

OTHERS = ("10.96.0.30", "fd00:10:96::30")
BALANCED = ("198.51.100.9", "2001:db8:9::9")
THIEF = service("a", cluster_ips=OTHERS, external_ips=(*CLUSTER_IPS, *BALANCED))
OWNER = service("z", type="LoadBalancer", ingress=BALANCED)


def take(claims: Claims, made: Service, pod: int) -> None:
    elements = service_elements(made, slices(pods(pod), name=made.metadata.name), VIEW, ranks.claimed(claims, made.key))
    ranks.replace(claims, made.key, made, elements)
    assert ranks.claimed(claims, made.key) == elements


@pytest.mark.parametrize("order", [(THIEF, OWNER), (OWNER, THIEF)], ids=["thief first", "owner first"])
def test_no_external_address_takes_anothers(order: tuple[Service, ...]) -> None:
    """A cluster address and a load balancer's stay their Service's, whatever the names and whoever comes first; the
    claim of who wrote them into externalIPs takes effect when they are nobody's any more."""
    claims = Claims()
    for made in order:
        take(claims, made, 2 if made is OWNER else 3)
    for address in (*CLUSTER_IPS, *BALANCED):
        v = 6 if ":" in address else 4
        first = (f"service-backend-tcp{v}", f"{address} . 80 . 0")
        assert claims.value(first) == ("10.244.0.2 . 8080" if v == 4 else "fd00:10:244::2 . 8080")
        holder = claims.holder((f"service{v}", f"{address} . tcp . 80"))
        assert holder is not None
        assert ranks.service_of(holder) == OWNER.key
    ranks.replace(claims, OWNER.key, None, {})
    for address in (*CLUSTER_IPS, *BALANCED):
        v = 6 if ":" in address else 4
        assert claims.value((f"service-backend-tcp{v}", f"{address} . 80 . 0")) is not None
    ranks.replace(claims, THIEF.key, None, {})
    assert claims.owners() == []


def test_an_address_that_is_a_services_twice_is_one_claim() -> None:
    """Its own cluster address or load balancer among the external IPs is what it is without; what it loses goes."""
    claims = Claims()
    made = service(type="LoadBalancer", ingress=BALANCED, external_ips=(*BALANCED, *CLUSTER_IPS, "198.51.100.7"))
    take(claims, made, 2)
    assert len(claims.owners()) == 3
    take(claims, service(), 2)
    assert claims.owners() == [made.key]
