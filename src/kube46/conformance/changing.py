"""Beta: what may change of a Service's families, and what old clients cannot break. Pure.

Sources: KEP-563 "Service Object Mutability Rules", "Maintaining Compatible Interworking between Old and New Clients";
kubernetes/pkg/registry/core/service/strategy.go, storage/alloc.go.
"""

from collections.abc import Sequence

from kube46.conformance.claims import Absent, Has, NotFound, OfFamilies, Refused
from kube46.conformance.making import PREFER, RANGES, REQUIRE, SINGLE, gets, selectorless, service
from kube46.conformance.model import Conversation, Facts, From, Level, Promise, Step, Verb
from kube46.conformance.rules import needs_dual

TYPES = "Kubernetes types finalized"
OLD = "Kubernetes types finalized: interworking between old and new clients"
OLD_MEND = "the API server must fill plural and singular fields for clients that know only one of them"
CHANGE_MEND = "the API server must keep to KEP-563's mutability rules"


def _promise(name: str, text: str, criterion: str = TYPES, mend: str = CHANGE_MEND) -> Promise:
    return Promise(name, Level.BETA, criterion, text, mend)


def _same(first: int, *paths: str) -> tuple[Has, ...]:
    """That fields are what they were in an earlier answer."""
    return tuple(Has(path, From(first, path)) for path in paths)


def _add(facts: Facts) -> Sequence[Step] | str:
    if why := needs_dual(facts):
        return why
    kept = _same(0, "spec.clusterIP", "spec.clusterIPs[0]")
    wanted = (*gets(REQUIRE, facts.families), *kept)
    return [
        Step(Verb.CREATE, "a", service(), gets(SINGLE, facts.families[:1])),
        Step(Verb.REPLACE, "a", {"spec": {"ipFamilyPolicy": REQUIRE}}, wanted, base=0),
        Step(Verb.GET, "a", claims=wanted),
    ]


def _add_first_second(facts: Facts) -> Sequence[Step] | str:
    """A Service of the cluster's second family: the first is added behind it."""
    if why := needs_dual(facts):
        return why
    turned = facts.families[::-1]
    change = {"spec": {"ipFamilyPolicy": PREFER}}
    wanted = (*gets(PREFER, turned), *_same(0, "spec.clusterIP"))
    return [
        Step(Verb.CREATE, "a", service(ipFamilies=turned[:1]), gets(SINGLE, turned[:1])),
        Step(Verb.MERGE, "a", change, wanted),
    ]


def _prefer_alone(facts: Facts) -> Sequence[Step] | str:
    """On a cluster of one family, preferring two changes no address."""
    if facts.dual:
        return "its Services have both families"
    wanted = (*gets(PREFER, facts.families), *_same(0, "spec.clusterIP"))
    return [
        Step(Verb.CREATE, "a", service(), gets(SINGLE, facts.families)),
        Step(Verb.MERGE, "a", {"spec": {"ipFamilyPolicy": PREFER}}, wanted),
    ]


def _remove(facts: Facts) -> Sequence[Step] | str:
    """The released address is free again: another Service gets it."""
    if why := needs_dual(facts):
        return why
    one = facts.families[:1]
    given = From(0, "spec.clusterIPs[1]")
    wanted = (*gets(SINGLE, one), *_same(0, "spec.clusterIP"))
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=REQUIRE), gets(REQUIRE, facts.families)),
        Step(Verb.REPLACE, "a", {"spec": {"ipFamilyPolicy": SINGLE}}, wanted, base=0),
        Step(Verb.GET, "a", claims=wanted),
        Step(
            Verb.CREATE,
            "b",
            service(clusterIP=given),
            (*gets(SINGLE, facts.families[1:]), Has("spec.clusterIP", given)),
        ),
    ]


def _release(facts: Facts) -> Sequence[Step] | str:
    if why := needs_dual(facts):
        return why
    ip = "must be 'SingleStack' to release the secondary cluster IP"
    family = "must be 'SingleStack' to release the secondary IP family"
    field = ("spec.ipFamilyPolicy",)
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=REQUIRE), gets(REQUIRE, facts.families)),
        Step(Verb.MERGE, "a", {"spec": {"clusterIPs": [From(0, "spec.clusterIP")]}}, (Refused(field, ip),)),
        Step(Verb.MERGE, "a", {"spec": {"ipFamilies": facts.families[:1]}}, (Refused(field, family),)),
        Step(Verb.GET, "a", claims=(*gets(REQUIRE, facts.families), *_same(0, "spec.clusterIPs"))),
    ]


def _first_family(facts: Facts) -> Sequence[Step] | str:
    if why := needs_dual(facts):
        return why
    turned = {"ipFamilies": facts.families[::-1]}
    swapped = {**turned, "clusterIPs": [From(0, "spec.clusterIPs[1]"), From(0, "spec.clusterIPs[0]")]}
    whole = {**swapped, "clusterIP": From(0, "spec.clusterIPs[1]")}
    fields = ("spec.clusterIPs[0]", "spec.clusterIPs[1]", "spec.ipFamilies[0]")
    mixed = Refused(("spec.clusterIPs[0]", "spec.clusterIPs[1]"), "expected an IPv")
    once = Refused(fields, "may not change once set")
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=REQUIRE), gets(REQUIRE, facts.families)),
        Step(Verb.MERGE, "a", {"spec": turned}, (mixed,)),
        Step(Verb.REPLACE, "a", {"spec": whole}, (once,), base=0),
        Step(Verb.GET, "a", claims=(*gets(REQUIRE, facts.families), *_same(0, "spec.clusterIPs"))),
    ]


def _first_address(facts: Facts) -> list[Step]:
    """The address that the change asks for is free: it belonged to a Service that is deleted."""
    refused = Refused(("spec.clusterIPs[0]",), "may not change once set")
    return [
        Step(Verb.CREATE, "a", service(), gets(SINGLE, facts.families[:1])),
        Step(Verb.CREATE, "b", service(), gets(SINGLE, facts.families[:1])),
        Step(Verb.DELETE, "b"),
        Step(Verb.MERGE, "a", {"spec": {"clusterIP": From(1, "spec.clusterIP")}}, (refused,)),
        Step(Verb.MERGE, "a", {"spec": {"clusterIP": "None"}}, (refused,)),
        Step(Verb.GET, "a", claims=_same(0, "spec.clusterIP", "spec.clusterIPs")),
    ]


def _second_address(facts: Facts) -> Sequence[Step] | str:
    if why := needs_dual(facts):
        return why
    both = [From(0, "spec.clusterIPs[0]"), From(1, "spec.clusterIPs[1]")]
    refused = Refused(("spec.clusterIPs[1]",), "may not change once set")
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=REQUIRE), gets(REQUIRE, facts.families)),
        Step(Verb.CREATE, "b", service(ipFamilyPolicy=REQUIRE), gets(REQUIRE, facts.families)),
        Step(Verb.DELETE, "b"),
        Step(Verb.REPLACE, "a", {"spec": {"clusterIPs": both}}, (refused,), base=0),
        Step(Verb.GET, "a", claims=_same(0, "spec.clusterIPs")),
    ]


def _headless(facts: Facts) -> list[Step]:
    """Headless Services hold no address, so nothing of their families is fixed."""
    both = (facts.families[0], facts.families[0].other)
    turned = [both[1], both[0]]
    return [
        Step(Verb.CREATE, "a", selectorless(), (Has("spec.ipFamilies", list(both)),)),
        Step(Verb.MERGE, "a", {"spec": {"ipFamilies": turned}}, (Has("spec.ipFamilies", turned),)),
        Step(Verb.MERGE, "a", {"spec": {"ipFamilyPolicy": SINGLE}}, (Has("spec.ipFamilies", turned[:1]),)),
    ]


def _external_name(facts: Facts) -> list[Step]:
    fields = ("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy")
    external = {"spec": {"type": "ExternalName", "externalName": "kube46.example"}}
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=PREFER), gets(PREFER, facts.families)),
        Step(Verb.REPLACE, "a", external, tuple(Absent(field) for field in fields), base=0),
        Step(Verb.GET, "a", claims=tuple(Absent(field) for field in fields)),
        Step(Verb.CREATE, "b", service(clusterIP=From(0, "spec.clusterIP")), gets(SINGLE, facts.families[:1])),
        Step(
            Verb.REPLACE,
            "a",
            {"spec": {"type": "ClusterIP", "externalName": None, "ipFamilyPolicy": PREFER}},
            gets(PREFER, facts.families),
            base=2,
        ),
    ]


def _types(facts: Facts) -> list[Step]:
    kept = (*gets(PREFER, facts.families), *_same(0, "spec.clusterIPs"))
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=PREFER), gets(PREFER, facts.families)),
        Step(Verb.MERGE, "a", {"spec": {"type": "NodePort"}}, kept),
        Step(Verb.REPLACE, "a", {"spec": {"type": "ClusterIP"}}, (*kept, Absent("spec.ports[0].nodePort")), base=1),
    ]


def _old_create(facts: Facts) -> list[Step]:
    """An old client names an address in `clusterIP` alone: one that was free a moment ago."""
    wanted = (*gets(SINGLE, facts.families[:1]), *_same(0, "spec.clusterIP"))
    return [
        Step(Verb.CREATE, "a", service(), gets(SINGLE, facts.families[:1])),
        Step(Verb.DELETE, "a"),
        Step(Verb.CREATE, "b", service(clusterIP=From(0, "spec.clusterIP")), wanted),
        Step(Verb.GET, "b", claims=wanted),
    ]


def _old_update(facts: Facts) -> list[Step]:
    """An old client writes back what it read: of the addresses only `clusterIP`, and neither families nor policy."""
    known = {"spec": {"clusterIPs": None, "ipFamilies": None, "ipFamilyPolicy": None, "sessionAffinity": "ClientIP"}}
    nothing = {"spec": {**known["spec"], "clusterIP": None, "sessionAffinity": "None"}}
    kept = (*gets(PREFER, facts.families), *_same(0, "spec.clusterIPs"))
    return [
        Step(Verb.CREATE, "a", service(ipFamilyPolicy=PREFER), gets(PREFER, facts.families)),
        Step(Verb.REPLACE, "a", known, (*kept, Has("spec.sessionAffinity", "ClientIP")), base=0),
        Step(Verb.REPLACE, "a", nothing, kept, base=1),
        Step(Verb.GET, "a", claims=kept),
    ]


def _dry_run(facts: Facts) -> list[Step]:
    create = service(ipFamilyPolicy=PREFER)
    one = facts.families[:1]
    return [
        Step(Verb.CREATE, "a", create, gets(PREFER, facts.families), dry_run=True),
        Step(Verb.GET, "a", claims=(NotFound(),)),
        Step(Verb.CREATE, "a", service(), gets(SINGLE, one)),
        Step(Verb.MERGE, "a", {"spec": {"ipFamilyPolicy": PREFER}}, gets(PREFER, facts.families), dry_run=True),
        Step(Verb.GET, "a", claims=(*gets(SINGLE, one), Has("spec.clusterIPs", From(2, "spec.clusterIPs")))),
    ]


def _applied(facts: Facts) -> list[Step]:
    both = service(ipFamilyPolicy=PREFER, ipFamilies=facts.families)
    kept = _same(0, "spec.clusterIPs")
    steps = [
        Step(Verb.APPLY, "a", both, gets(PREFER, facts.families)),
        Step(Verb.APPLY, "a", both, (*gets(PREFER, facts.families), *kept)),
    ]
    if facts.dual:
        released = (*gets(SINGLE, facts.families[:1]), OfFamilies("spec.clusterIPs", facts.families[:1]))
        steps.append(Step(Verb.APPLY, "a", service(ipFamilyPolicy=SINGLE, ipFamilies=facts.families[:1]), released))
    return steps


CHECKS = (
    Conversation(_promise("service-add", "a second family is added to a Service, the first address stays"), _add),
    Conversation(
        _promise("service-add-behind", "to a Service of the second family, the cluster's first is added behind it"),
        _add_first_second,
    ),
    Conversation(
        _promise("service-prefer-alone", "PreferDualStack changes nothing where there is one family"), _prefer_alone
    ),
    Conversation(
        _promise("service-remove", "SingleStack releases the second address, and it can be given again"), _remove
    ),
    Conversation(
        _promise("service-release", "nothing but SingleStack releases the second address or family"), _release
    ),
    Conversation(_promise("service-first-family", "a Service's first family never changes"), _first_family),
    Conversation(_promise("service-first-address", "a Service's first address never changes"), _first_address),
    Conversation(
        _promise("service-second-address", "a Service's second address may be added and removed, not changed"),
        _second_address,
    ),
    Conversation(_promise("service-headless-change", "families of headless Services may change and turn"), _headless),
    Conversation(
        _promise("service-to-external", "to ExternalName and back: addresses are released, and given anew"),
        _external_name,
    ),
    Conversation(_promise("service-types", "between ClusterIP and NodePort both addresses stay"), _types),
    Conversation(
        _promise(
            "old-client-create", "who writes clusterIP alone gets clusterIPs, ipFamilies and policy", OLD, OLD_MEND
        ),
        _old_create,
    ),
    Conversation(
        _promise("old-client-update", "who writes back clusterIP alone, or nothing, takes nothing away", OLD, OLD_MEND),
        _old_update,
    ),
    Conversation(
        _promise("service-dry-run", "a dry run shows the families, and gives no address", mend=RANGES), _dry_run
    ),
    Conversation(
        _promise("service-apply", "server-side apply of families gives, keeps and releases addresses"), _applied
    ),
)
