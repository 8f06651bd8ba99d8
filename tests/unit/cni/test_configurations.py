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


def test_keys_in_any_case() -> None:
    """Go reads keys in any case, so these are; the right spelling wins where both are."""
    network = load(
        MTU=1400, isdefaultgateway=True, hairpinmode=False, hairpinMode=True, IPAM={"datadir": "/x"}, ipam=None
    )

    assert (network.mtu, network.gateway, network.hairpin_mode) == (1400, True, True)
    assert load(ipam=None, Ipam={"DataDir": "/x"}).ipam.data_dir == ""
    assert load(ipam={"DATADIR": "/x", "ranges": [[{"rangestart": "::5"}]]}).ipam.data_dir == "/x"


def test_nulls_at_any_depth() -> None:
    """A null is as good as an absent key, wherever Go may write one: an empty list of its is a null."""
    network = load(
        ipam={
            "type": "host-local",
            "dataDir": None,
            "routes": None,
            "ranges": [[{"subnet": "fd00::/64", "gateway": None}]],
        },
        runtimeConfig={"ips": None, "mac": None, "portMappings": [{"hostPort": 80, "hostIP": None}]},
        args={"cni": None},
        dns=None,
    )

    assert (network.ipam.data_dir, network.ipam.routes, network.runtime_config.ips) == ("", (), ())
    assert network.runtime_config.port_mappings[0].host_ip == ""


def test_lists_of_valid_attachments() -> None:
    """A null list of valid attachments is an empty one, as libcni writes it; an absent one is none at all."""
    assert load(**{"cni.dev/valid-attachments": None}).valid_attachments == ()
    assert load(**{"cni.dev/attachments": None}).attachments == ()
    assert load().valid_attachments is None


def test_dns_settings() -> None:
    """Settings go into results as they are given; those that say nothing are none, and what is none is error 7."""
    assert load(dns={"nameservers": ["fd00::a"], "domain": ""}).resolver == {"nameservers": ("fd00::a",)}
    assert load(dns={"nameservers": []}).resolver == {}
    assert code(json.dumps(GOOD | {"dns": {"nameservers": 5}}).encode())[0] == Code.INVALID_CONFIG
