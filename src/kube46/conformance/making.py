"""Alpha: what a new Service gets, by the families and the policy it asks for. Pure.

Sources: KEP-563 "Creating a New Single-Stack Service", "Creating a New Dual-Stack Service", "Type Headless services";
kubernetes/pkg/registry/core/service/storage/alloc.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kube46.addresses.families import Family
from kube46.conformance.claims import Absent, Has, IsPort, Leads, OfFamilies, Refused
from kube46.conformance.model import Claim, Conversation, Facts, From, Level, Promise, Step, Verb
from kube46.conformance.rules import needs_dual

TYPES = "phases 1 and 2: API type modifications, multi-family Services"
RANGES = "see --service-cluster-ip-range of the API server (both ranges, the default family's first)"
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"


def promise(name: str, text: str) -> Promise:
    """A promise of this module's level."""
    return Promise(name, Level.ALPHA, TYPES, text, RANGES)


def service(**spec: Any) -> Mapping[str, Any]:
    """A Service of one port that selects nobody."""
    return {"spec": {"selector": {"kube46.dev/conformance": "nobody"}, "ports": [{"port": 80}], **spec}}


def selectorless(**spec: Any) -> Mapping[str, Any]:
    """A headless Service of one port without a selector."""
    return {"spec": {"clusterIP": "None", "ports": [{"port": 80}], **spec}}


def gets(policy: str, families: Sequence[Family]) -> tuple[Claim, ...]:
    """That a Service has this policy, these families and an address of each, the first one also in the old field."""
    return (
        Has("spec.ipFamilyPolicy", policy),
        Has("spec.ipFamilies", list(families)),
        OfFamilies("spec.clusterIPs", tuple(families)),
        Leads(len(families)),
    )


def _default(facts: Facts) -> list[Step]:
    wanted = gets(SINGLE, facts.families[:1])
    return [Step(Verb.CREATE, "a", service(), wanted), Step(Verb.GET, "a", claims=wanted)]


def _prefer(facts: Facts) -> list[Step]:
    wanted = gets(PREFER, facts.families)
    return [Step(Verb.CREATE, "a", service(ipFamilyPolicy=PREFER), wanted), Step(Verb.GET, "a", claims=wanted)]


def _require(facts: Facts) -> list[Step]:
    body = service(ipFamilyPolicy=REQUIRE)
    if facts.dual:
        wanted = gets(REQUIRE, facts.families)
        return [Step(Verb.CREATE, "a", body, wanted), Step(Verb.GET, "a", claims=wanted)]
    words = "this cluster is not configured for dual-stack services"
    return [Step(Verb.CREATE, "a", body, (Refused(("spec.ipFamilyPolicy",), words),))]


def _order(facts: Facts) -> Sequence[Step] | str:
    if why := needs_dual(facts):
        return why
    turned = facts.families[::-1]
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=REQUIRE, ipFamilies=turned), gets(REQUIRE, turned)),
        Step(Verb.CREATE, "b", service(ipFamilyPolicy=PREFER, ipFamilies=turned[:1]), gets(PREFER, turned)),
    ]


def _secondary_alone(facts: Facts) -> Sequence[Step] | str:
    other = facts.families[-1:]
    return needs_dual(facts) or [Step(Verb.CREATE, "a", service(ipFamilies=other), gets(SINGLE, other))]


def _not_configured(facts: Facts) -> Sequence[Step] | str:
    if facts.dual:
        return "its Services have both families"
    absent = facts.families[0].other
    refused = Refused(("spec.ipFamilies[0]",), "not configured on this cluster")
    return [Step(Verb.CREATE, "a", service(ipFamilies=[absent]), (refused,))]


def _chosen(facts: Facts) -> Sequence[Step] | str:
    """An address given back is asked for by name: who asks for an address asks for its family."""
    if why := needs_dual(facts):
        return why
    turned = facts.families[::-1]
    asked = [From(0, "spec.clusterIPs[1]"), From(0, "spec.clusterIPs[0]")]
    body = service(ipFamilyPolicy=REQUIRE, clusterIP=asked[0], clusterIPs=asked)
    alone = service(clusterIP=asked[0])
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=REQUIRE), gets(REQUIRE, facts.families)),
        Step(Verb.DELETE, "a"),
        Step(Verb.CREATE, "b", body, (*gets(REQUIRE, turned), Has("spec.clusterIPs", asked))),
        Step(Verb.DELETE, "b"),
        Step(Verb.CREATE, "c", alone, (*gets(SINGLE, turned[:1]), Has("spec.clusterIP", asked[0]))),
    ]


def _taken(facts: Facts) -> Sequence[Step]:
    families = facts.families
    last = From(0, f"spec.clusterIPs[{len(families) - 1}]")
    refused = Refused(("spec.clusterIPs",), "provided IP is already allocated")
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=PREFER), gets(PREFER, families)),
        Step(Verb.CREATE, "b", service(clusterIP=last), (refused,)),
    ]


def _headless(facts: Facts) -> list[Step]:
    """Without selector the families of endpoints are its user's business: both, on every cluster."""
    both = [facts.families[0], facts.families[0].other]
    none = (Has("spec.clusterIP", "None"), Has("spec.clusterIPs", ["None"]))
    without = (Has("spec.ipFamilyPolicy", REQUIRE), Has("spec.ipFamilies", both), *none)
    with_one = (Has("spec.ipFamilyPolicy", SINGLE), Has("spec.ipFamilies", list(facts.families[:1])), *none)
    prefers = (Has("spec.ipFamilyPolicy", PREFER), Has("spec.ipFamilies", list(facts.families)), *none)
    return [
        Step(Verb.CREATE, "a", selectorless(), without),
        Step(Verb.CREATE, "b", service(clusterIP="None"), with_one),
        Step(Verb.CREATE, "c", service(clusterIP="None", ipFamilyPolicy=PREFER), prefers),
    ]


def _external_name(facts: Facts) -> list[Step]:
    fields = ("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy")
    body = {"spec": {"type": "ExternalName", "externalName": "kube46.example"}}
    asking = {"spec": {**body["spec"], "ipFamilyPolicy": SINGLE, "ipFamilies": list(facts.families[:1])}}
    words = "may not be set for ExternalName services"
    return [
        Step(Verb.CREATE, "a", body, tuple(Absent(field) for field in fields)),
        Step(Verb.CREATE, "b", asking, (Refused(("spec.ipFamilies", "spec.ipFamilyPolicy"), words),)),
    ]


def _node_port(facts: Facts) -> list[Step]:
    body = service(type="NodePort", ipFamilyPolicy=PREFER)
    wanted = (*gets(PREFER, facts.families), IsPort("spec.ports[0].nodePort"))
    return [Step(Verb.CREATE, "a", body, wanted), Step(Verb.GET, "a", claims=wanted)]


def _load_balancer(facts: Facts) -> list[Step]:
    body = service(type="LoadBalancer", ipFamilyPolicy=PREFER)
    return [Step(Verb.CREATE, "a", body, gets(PREFER, facts.families), dry_run=True)]


CHECKS = (
    Conversation(
        promise("service-default", "a Service that asks for nothing gets one address, of the cluster's first family"),
        _default,
    ),
    Conversation(
        promise("service-prefer", "PreferDualStack gets an address of each family that the cluster has"), _prefer
    ),
    Conversation(
        promise("service-require", "RequireDualStack gets both families, and is refused where there is one"), _require
    ),
    Conversation(promise("service-order", "ipFamilies decides which family is first, also of the addresses"), _order),
    Conversation(
        promise("service-second-family", "SingleStack may ask for the cluster's second family"), _secondary_alone
    ),
    Conversation(
        promise("service-absent-family", "a family that the cluster does not have is refused by name"), _not_configured
    ),
    Conversation(promise("service-chosen", "addresses asked for are given, and decide the families"), _chosen),
    Conversation(promise("service-taken", "an address is given once, of either family"), _taken),
    Conversation(
        promise("service-headless", "headless Services have families without addresses; without selector, both"),
        _headless,
    ),
    Conversation(
        promise("service-external-name", "ExternalName Services have no family and no address"), _external_name
    ),
    Conversation(promise("service-node-port", "a node port is one number for both families"), _node_port),
    Conversation(
        promise("service-load-balancer", "LoadBalancer Services get families as others do (asked by dry run)"),
        _load_balancer,
    ),
)
