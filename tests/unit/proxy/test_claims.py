"""Claims of many Services on shared maps: a model with a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from kube46.proxy.claims import Change, Changes, Claims, merge

owners = st.sampled_from([("", ""), ("a", "x"), ("a", "y"), ("b", "x")])
contributions = st.dictionaries(
    st.tuples(st.sampled_from(["m", "s"]), st.sampled_from("klmn")), st.sampled_from("123"), max_size=5
)
steps = st.lists(st.tuples(owners, contributions), max_size=20)
Elements = dict[tuple[str, str], str]


def expected(held: dict[tuple[str, str], Elements]) -> Elements:
    """Every key with the value of the first owner that claims it."""
    found: Elements = {}
    for owner in sorted(held, reverse=True):
        found.update(held[owner])
    return found


def applied(table: Elements, changes: Changes) -> None:
    """Carry changes out as the kernel would: strictly."""
    for element, change in changes.items():
        assert table.get(element) == change.old
        assert change.old != change.new
        if change.new is None:
            del table[element]
        else:
            table[element] = change.new


@given(steps)
def test_changes_applied_to_the_old_table_give_the_new_one(sequence: list[tuple[tuple[str, str], Elements]]) -> None:
    """After every step the table, the claims and the model are equal, whoever contests what."""
    claims, table, held = Claims(), {}, {}
    for owner, elements in sequence:
        applied(table, claims.replace(owner, elements))
        held[owner] = elements
        assert table == dict(claims) == expected(held)
        assert len(claims) == len(table)


@given(steps)
def test_merged_changes_are_one_change(sequence: list[tuple[tuple[str, str], Elements]]) -> None:
    """Any number of steps merged into one transaction leads to the same table, and writes nothing twice."""
    claims, table, changes = Claims(), {}, {}
    for owner, elements in sequence:
        merge(changes, claims.replace(owner, elements))
    applied(table, changes)
    assert table == dict(claims)


def test_a_contested_key_goes_to_the_next_owner() -> None:
    """When the holder goes, the other claim takes effect."""
    claims = Claims()
    assert claims.replace(("b", "x"), {("m", "k"): "2"}) == {("m", "k"): Change(None, "2")}
    assert claims.replace(("a", "x"), {("m", "k"): "1"}) == {("m", "k"): Change("2", "1")}
    assert claims.replace(("a", "x"), {}) == {("m", "k"): Change("1", "2")}
    assert claims.owners() == [("b", "x")]
