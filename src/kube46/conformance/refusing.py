"""Alpha: what no Service may ask for, and the words that say so; and every combination of what it may. Pure.

Sources: kubernetes/pkg/registry/core/service/storage/alloc.go (initIPFamilyFields), pkg/apis/core/validation.
"""

import itertools
from collections.abc import Sequence

from kube46.addresses.families import Family
from kube46.conformance.claims import Has, Refused
from kube46.conformance.making import PREFER, REQUIRE, SINGLE, promise, selectorless, service
from kube46.conformance.model import Claim, Conversation, Facts, Step, Verb

MULTIPLE = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
ASKED: tuple[tuple[Family, ...], ...] = (
    (),
    (Family.IPV4,),
    (Family.IPV6,),
    (Family.IPV4, Family.IPV6),
    (Family.IPV6, Family.IPV4),
)


def decided(
    policy: str, asked: tuple[Family, ...], cluster: tuple[Family, ...], *, selectors: bool
) -> tuple[str, tuple[Family, ...]] | tuple[str, ...]:
    """The policy and families that a new Service gets, or only the fields that are refused.

    `selectors`: False for headless Services without selector, to whose families the cluster's do not matter.
    """
    policy = policy or (SINGLE if selectors else REQUIRE)
    if policy == SINGLE and len(asked) > 1:
        return ("spec.ipFamilyPolicy",)
    if selectors:
        wrong = ["spec.ipFamilyPolicy"] if policy == REQUIRE and len(cluster) < 2 else []
        wrong += [f"spec.ipFamilies[{i}]" for i, family in enumerate(asked) if family not in cluster]
        if wrong:
            return tuple(wrong)
    families = asked or cluster[:1]
    if policy != SINGLE and len(families) == 1 and (len(cluster) > 1 or not selectors):
        families = (families[0], families[0].other)
    return policy, families


def _claims(policy: str, asked: tuple[Family, ...], facts: Facts, *, selectors: bool) -> tuple[Claim, ...]:
    found = decided(policy, asked, facts.families, selectors=selectors)
    if len(found) == 2 and not isinstance(found[1], str):
        return (Has("spec.ipFamilyPolicy", found[0]), Has("spec.ipFamilies", list(found[1])))
    return (Refused(tuple(str(field) for field in found)),)


def _table(facts: Facts) -> list[Step]:
    """Each policy with each list of families: for Services with addresses, headless, and those without selector."""
    steps = []
    for policy, asked in itertools.product(("", SINGLE, PREFER, REQUIRE), ASKED):
        fields = {"ipFamilyPolicy": policy or None, "ipFamilies": list(asked) or None}
        spec = {key: value for key, value in fields.items() if value}
        name = "-".join(["p", policy.lower() or "unset", *(family.lower() for family in asked)])
        bodies = ((service(**spec), True), (service(clusterIP="None", **spec), True), (selectorless(**spec), False))
        for number, (body, selectors) in enumerate(bodies):
            claims = _claims(policy, asked, facts, selectors=selectors)
            steps.append(Step(Verb.CREATE, f"{name}-{number}", body, claims, dry_run=True))
    return steps


def _refusals(facts: Facts) -> list[Step]:
    first = facts.families[0]
    other = first.other
    one, two = {Family.IPV4: ("192.0.2.1", "192.0.2.2"), Family.IPV6: ("2001:db8::1", "2001:db8::2")}[first]
    policy = ("spec.ipFamilyPolicy",)
    bodies: list[tuple[dict[str, object], Refused]] = [
        ({"ipFamilies": [first, other]}, Refused(policy, f"{MULTIPLE} IP families are specified")),
        (
            {"ipFamilyPolicy": SINGLE, "ipFamilies": [other, first]},
            Refused(policy, f"{MULTIPLE} IP families are specified"),
        ),
        ({"ipFamilyPolicy": "Both"}, Refused(policy, "Unsupported value")),
        ({"ipFamilyPolicy": PREFER, "ipFamilies": ["IPv5"]}, Refused(("spec.ipFamilies[0]",), "Unsupported value")),
        ({"ipFamilyPolicy": PREFER, "ipFamilies": [first, first]}, Refused(("spec.ipFamilies[1]",), "Duplicate value")),
        (
            {"clusterIP": one, "ipFamilies": [other]},
            Refused(("spec.clusterIPs[0]",), f"expected an {other} value as indicated by `ipFamilies[0]`"),
        ),
        ({"clusterIPs": [one]}, Refused(("spec.clusterIPs",), "must be empty when `clusterIP` is not specified")),
        ({"clusterIP": one, "clusterIPs": [two]}, Refused(("spec.clusterIPs",), "first value must match `clusterIP`")),
        ({"clusterIP": "kube46"}, Refused(("spec.clusterIPs[0]",), "must be a valid")),
        (
            {"clusterIP": one, "clusterIPs": [one, two], "ipFamilyPolicy": PREFER},
            Refused(("spec.clusterIPs",), "may specify no more than one IP for each IP family"),
        ),
    ]
    return [
        Step(Verb.CREATE, f"r{number}", service(**spec), (refused,), dry_run=True)
        for number, (spec, refused) in enumerate(bodies)
    ]


def _outside(facts: Facts) -> Sequence[Step]:
    """An address of no range; documentation's are nobody's (RFC 5737, RFC 3849)."""
    nobodys = {Family.IPV4: "192.0.2.7", Family.IPV6: "2001:db8::7"}
    refused = Refused(("spec.clusterIPs",), "is not in the valid range")
    return [
        Step(Verb.CREATE, f"o{family.version}", service(clusterIP=nobodys[family]), (refused,), dry_run=True)
        for family in facts.families
    ]


CHECKS = (
    Conversation(
        promise("service-table", "all 60 combinations of policy, families and kind get what KEP-563's tables say"),
        _table,
        alone=True,
    ),
    Conversation(
        promise("service-refusals", "what contradicts itself is refused, and the refusal names field and reason"),
        _refusals,
        alone=True,
    ),
    Conversation(promise("service-outside", "an address outside of the ranges is refused"), _outside, alone=True),
)
