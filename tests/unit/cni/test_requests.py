"""A request's environment."""

import pytest

from kube46.cni import requests
from kube46.cni.errors import CniError, Code
from kube46.cni.requests import Attachment, Verb

GOOD = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "a1-b.c_d",
    "CNI_NETNS": "/run/netns/x",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin",
}


def test_a_good_request() -> None:
    """The variables become a request, CNI_ARGS a mapping."""
    request = requests.parse(GOOD | {"CNI_ARGS": "IgnoreUnknown=1;IP=10.0.0.7;"}, b"{}")

    assert request.verb is Verb.ADD
    assert request.attachment == Attachment("a1-b.c_d", "eth0")
    assert request.args == {"IgnoreUnknown": "1", "IP": "10.0.0.7"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CNI_COMMAND", "FROB"),
        ("CNI_COMMAND", ""),
        ("CNI_CONTAINERID", ""),
        ("CNI_CONTAINERID", "../../etc/passwd"),
        ("CNI_CONTAINERID", "a/b"),
        ("CNI_CONTAINERID", ".hidden"),
        ("CNI_CONTAINERID", "a b"),
        ("CNI_CONTAINERID", "a\n"),
        ("CNI_IFNAME", ""),
        ("CNI_IFNAME", "."),
        ("CNI_IFNAME", ".."),
        ("CNI_IFNAME", "a/b"),
        ("CNI_IFNAME", "eth0:1"),
        ("CNI_IFNAME", "e th"),
        ("CNI_IFNAME", 'a"b'),
        ("CNI_IFNAME", "sixteen-bytes-xx"),
        ("CNI_IFNAME", "eth%d"),
        ("CNI_IFNAME", "eth\udcff"),
        ("CNI_NETNS", ""),
        ("CNI_ARGS", "novalue"),
    ],
)
def test_bad_variables_are_refused_by_name(variable: str, value: str) -> None:
    """What the specification does not allow is error 4, whose text names the variable."""
    with pytest.raises(CniError) as refused:
        requests.parse(GOOD | {variable: value}, b"")

    assert refused.value.code is Code.INVALID_ENVIRONMENT
    assert variable in refused.value.details


@pytest.mark.parametrize("verb", ["GC", "STATUS", "VERSION"])
def test_verbs_without_an_attachment(verb: str) -> None:
    """GC, STATUS and VERSION need neither container nor namespace; DEL needs no namespace."""
    assert requests.parse({"CNI_COMMAND": verb}, b"").verb == verb
    assert requests.parse(GOOD | {"CNI_COMMAND": "DEL", "CNI_NETNS": ""}, b"").netns == ""


@pytest.mark.parametrize("text", ["IP=10.0.0.7;MAC=02:00:00:00:00:01", "IgnoreUnknown=True;A=b", "IgnoreUnknown=1;A="])
def test_arguments_that_are_known_or_ignored(text: str) -> None:
    """Known keys are taken, unknown ones with IgnoreUnknown."""
    requests.check_arguments(requests.arguments(text))


@pytest.mark.parametrize("text", ["IPP=10.0.0.7", "IgnoreUnknown=0;A=b", "IgnoreUnknown=maybe"])
def test_unknown_arguments(text: str) -> None:
    """An unknown key without IgnoreUnknown is refused, as by the reference, and an IgnoreUnknown that is no truth."""
    with pytest.raises(CniError) as refused:
        requests.check_arguments(requests.arguments(text))

    assert refused.value.code is Code.INVALID_ENVIRONMENT
    assert "CNI_ARGS" in refused.value.details
