"""A network configuration, decoded and checked."""

import json
from typing import Any

import pytest

from kube46.cni import configurations
from kube46.cni.configurations import VERSIONS, Network
from kube46.cni.errors import CniError, Code
from kube46.cni.requests import Verb

GOOD: dict[str, Any] = {"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": {"type": "host-local"}}


def load(verb: Verb = Verb.ADD, **changes: Any) -> Network:
    """The good configuration with changes."""
    return configurations.load(json.dumps(GOOD | changes).encode(), verb)


def code(stdin: bytes, verb: Verb = Verb.ADD) -> tuple[int, str]:
    """The refusal of a configuration, by `load` or the bridge's check."""
    with pytest.raises(CniError) as refused:
        configurations.check_bridge(configurations.load(stdin, verb))
    return refused.value.code, refused.value.details


def test_keys_of_the_reference() -> None:
    """The reference plugin's keys are read, unknown ones ignored, and a null is as good as absent."""
    network = load(
        bridge="br9",
        isDefaultGateway=True,
        ipMasq=True,
        mtu=1400,
        hairpinMode=True,
        forceAddress=True,
        promiscMode=None,
        somethingNew={"a": 1},
        runtimeConfig={"mac": "02:00:00:00:00:01", "portMappings": []},
    )

    assert (network.bridge, network.mtu, network.hairpin_mode, network.promisc_mode) == ("br9", 1400, True, False)
    assert network.gateway
    assert network.runtime_config.mac == "02:00:00:00:00:01"
    assert load().bridge == "cni0"
    assert not load().gateway


@pytest.mark.parametrize("version", VERSIONS)
def test_versions(version: str) -> None:
    """Every version from 0.3.0 to 1.1.0 is spoken."""
    assert load(cniVersion=version).cni_version == version


@pytest.mark.parametrize(
    ("verb", "version"),
    [
        (Verb.ADD, "0.2.0"),
        (Verb.ADD, "2.0.0"),
        (Verb.ADD, ""),
        (Verb.CHECK, "0.3.1"),
        (Verb.GC, "1.0.0"),
        (Verb.STATUS, "0.4.0"),
    ],
)
def test_versions_that_do_not_fit(verb: Verb, version: str) -> None:
    """An unknown version, or one that lacks the verb, is error 1 and names the version."""
    found, details = code(json.dumps(GOOD | {"cniVersion": version}).encode(), verb)

    assert found == Code.INCOMPATIBLE_VERSION
    assert version in details


@pytest.mark.parametrize(
    ("changes", "expected", "key"),
    [
        ({"name": "../../x"}, Code.INVALID_CONFIG, "name"),
        ({"name": ""}, Code.INVALID_CONFIG, "name"),
        ({"mtu": "big"}, Code.INVALID_CONFIG, "mtu"),
        ({"mtu": 20}, Code.INVALID_CONFIG, "mtu"),
        ({"mtu": -1}, Code.INVALID_CONFIG, "mtu"),
        ({"ipam": []}, Code.INVALID_CONFIG, "ipam"),
        ({"ipam": {"type": "host-local", "ranges": [{"subnet": "10.0.0.0/24"}]}}, Code.INVALID_CONFIG, "ranges"),
        ({"hairpinMode": True, "promiscMode": True}, Code.INVALID_CONFIG, "promiscMode"),
        ({"routed": True, "isGateway": False, "isDefaultGateway": False}, Code.INVALID_CONFIG, "routed"),
        ({"disableContainerInterface": True}, Code.INVALID_CONFIG, "disableContainerInterface"),
        ({"bridge": "a/b"}, Code.INVALID_CONFIG, "bridge"),
        ({"bridge": "a-name-too-long-for-a-link"}, Code.INVALID_CONFIG, "bridge"),
        ({"isGateway": True, "bridge": "eleven-char", "vlan": 4094}, Code.INVALID_CONFIG, "bridge"),
        ({"vlan": "seven"}, Code.INVALID_CONFIG, "vlan"),
        ({"vlanTrunk": {"id": 7}}, Code.INVALID_CONFIG, "vlanTrunk"),
        ({"macspoofchk": 1}, Code.INVALID_CONFIG, "macspoofchk"),
    ],
)
def test_refusals_name_the_key(changes: dict[str, Any], expected: Code, key: str) -> None:
    """A value that cannot be is error 7; the text names the key."""
    found, details = code(json.dumps(GOOD | changes).encode())

    assert found == expected
    assert key in details


@pytest.mark.parametrize("stdin", [b"", b"{", b"nonsense", b'{"name": "\xff"}', b'{"a":' * 100000])
def test_what_is_not_json(stdin: bytes) -> None:
    """Bytes that are no JSON are error 6."""
    assert code(stdin)[0] == Code.DECODING_FAILURE


@pytest.mark.parametrize("stdin", [b"[]", b"7", b'"x"'])
def test_json_that_is_no_object(stdin: bytes) -> None:
    """JSON that is no object is error 7, and an error object can still be written."""
    assert code(stdin)[0] == Code.INVALID_CONFIG
    assert configurations.version_in(stdin) == "1.1.0"


def test_keys_that_ask_for_nothing() -> None:
    """VLAN and checking keys may be there, off; a null is an absent key."""
    stdin = json.dumps(GOOD | {"vlan": 0, "macspoofchk": False, "vlanTrunk": None}).encode()

    configurations.check_bridge(configurations.load(stdin, Verb.ADD))
