"""Label and field selectors against what apimachinery's tests expect."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver import labelselectors, selectors
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError

PODS = BY_PLURAL["pods"]


def labelled(**labels: str) -> bytes:
    return msgspec.json.encode({"metadata": {"name": "x", "labels": labels}})


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("x=y", {"x": "y"}, True),
        ("x==y", {"x": "y"}, True),
        ("x=y,z=w", {"x": "y", "z": "w"}, True),
        ("x=y,z=w", {"x": "y"}, False),
        ("x!=y", {}, True),
        ("x!=y,z!=w", {"x": "z", "z": "a"}, True),
        ("x!=y", {"x": "y"}, False),
        ("x", {"x": ""}, True),
        ("x", {}, False),
        ("!x", {}, True),
        ("!x", {"x": "z"}, False),
        ("x in (a,b)", {"x": "b"}, True),
        ("x in (a, b)", {"x": "c"}, False),
        ("x in ()", {"x": ""}, True),
        ("x notin (a,b)", {}, True),
        ("x notin (a,b)", {"x": "a"}, False),
        ("x>1", {"x": "2"}, True),
        ("x>1", {"x": "1"}, False),
        ("x<7", {"x": "6"}, True),
        ("x<7", {"x": "many"}, False),
        ("x=", {"x": ""}, True),
        ("x=,z=w", {"x": "", "z": "w"}, True),
        ("app.kubernetes.io/name = web , tier in (front)", {"app.kubernetes.io/name": "web", "tier": "front"}, True),
    ],
)
def test_labels(text: str, labels: dict[str, str], matches: bool) -> None:
    """Every operator selects exactly what Kubernetes selects."""
    assert selectors.parse(PODS, text, "").matches(labelled(**labels)) is matches


MALFORMED = ("x in (", "x in a", "x=a||y=b", "x,", "!", "x ? y", "a/b/c=d", "x=_", "x>a", "x y", "x>" + "9" * 5000)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_labels(text: str) -> None:
    """A malformed selector is refused with 400."""
    with pytest.raises(StatusError) as caught:
        labelselectors.parse(text)
    assert caught.value.code == 400


def test_text_of_oracle() -> None:
    """The text recorded from a real server."""
    with pytest.raises(StatusError, match=r"unable to parse requirement: found '', expected: ',', '\)' or identifier"):
        labelselectors.parse("a in (")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=x", True),
        ("metadata.name!=x", False),
        ("spec.nodeName=n1,status.phase=Running", True),
        ("spec.nodeName==n2", False),
        ("status.phase!=Failed", True),
        ("spec.hostNetwork=false", True),
        ("status.podIP=", True),
        (r"spec.schedulerName=a\,b\=c", True),
    ],
)
def test_fields(text: str, matches: bool) -> None:
    """Fields compare as text, absent ones as empty, escapes are undone."""
    pod = {
        "metadata": {"name": "x"},
        "spec": {"nodeName": "n1", "schedulerName": "a,b=c"},
        "status": {"phase": "Running"},
    }
    assert selectors.parse(PODS, "", text).matches(msgspec.json.encode(pod)) is matches


def test_unknown_field() -> None:
    """A field that is not selectable is named (semantics S1.1.5)."""
    with pytest.raises(StatusError, match=r"field label not supported: spec\.ports"):
        selectors.parse_fields(BY_PLURAL["services"], "spec.ports=1")
    with pytest.raises(StatusError, match=r'"spec\.parentRef" is not a known field selector: only "metadata\.name"'):
        selectors.parse_fields(BY_PLURAL["ipaddresses"], "spec.parentRef=x")


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), st.from_regex(r"\A[a-z0-9]{0,8}\Z"), max_size=5))
def test_own_labels_select(labels: dict[str, str]) -> None:
    """An object is selected by all of its own labels, and by none of their negations."""
    value = labelled(**labels)
    assert selectors.parse(PODS, ",".join(f"{k}={v}" for k, v in labels.items()), "").matches(value)
    for name, content in labels.items():
        assert not selectors.parse(PODS, f"{name}!={content}", "").matches(value)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """No text makes the parser fail in another way than by a refusal."""
    try:
        labelselectors.parse(text)
    except StatusError as error:
        assert error.code == 400


@pytest.mark.parametrize("value", ["1_000", "", "1.5", "x", "9223372036854775808"])
def test_labels_that_are_no_numbers(value: str) -> None:
    """What Go does not read as an integer of 64 bits is neither greater nor less than any number."""
    for text in ("n>1", "n<1"):
        assert not labelselectors.parse(text)[0].matches({"n": value})
