"""The records of all Services, by change."""

from hypothesis import given
from hypothesis import strategies as st

from kube46.dns.records import RecordSet, changes
from kube46.dns.rules import Record

ZONE = "cluster.local"
RECORDS = [Record(f"{name}.{ZONE}", "A", f"10.0.0.{last}") for name in "abc" for last in (1, 2)]
records = st.frozensets(st.sampled_from(RECORDS))
steps = st.lists(st.tuples(st.sampled_from(["s1", "s2", "s3"]), records), max_size=12)


@given(steps)
def test_the_set_is_the_union_of_what_services_have(history: list[tuple[str, frozenset[Record]]]) -> None:
    """A record stays as long as one Service still has it."""
    kept = RecordSet({ZONE})
    model: dict[str, frozenset[Record]] = {}
    for name, owned in history:
        kept.replace(("ns", name), owned)
        model[name] = owned
    assert kept.all() == frozenset().union(*model.values())


def test_changes_are_sorted_by_zone_with_strangers_left_out() -> None:
    """Each zone's changes make one message; a name outside all zones is nobody's."""
    inside, reverse = Record(f"a.{ZONE}", "CNAME", "x."), Record("1.0.96.10.in-addr.arpa", "PTR", "a.")
    outside = Record("1.0.0.192.in-addr.arpa", "PTR", "a.")
    found = changes({ZONE, "96.10.in-addr.arpa"}, [RECORDS[0]], [inside, reverse, outside])
    assert [(change.zone, change.removed, change.added) for change in found] == [
        ("96.10.in-addr.arpa", (), (reverse,)),
        (ZONE, (RECORDS[0],), (inside,)),
    ]
