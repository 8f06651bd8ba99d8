"""Results in the versions of the specification."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.cni import results
from kube46.cni.configurations import VERSIONS
from kube46.cni.errors import CniError, Code

DOCUMENT: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "cni0", "mac": "02:00:00:00:00:01", "mtu": 1400},
        {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1400, "sandbox": "/run/netns/x"},
    ],
    "ips": [
        {"address": "10.0.0.2/24", "interface": 1, "gateway": "10.0.0.1"},
        {"address": "fd00::2/64", "interface": 1, "gateway": "fd00::1"},
    ],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}, {"dst": "fd01::/64", "mtu": 1300, "priority": 7}],
    "dns": {"nameservers": ["fd00::a"]},
}


def test_the_newest_version_round_trips() -> None:
    """A result of version 1.1.0 is read and written without loss."""
    assert results.parse(DOCUMENT).to_json("1.1.0") == DOCUMENT


@given(st.sampled_from(VERSIONS))
def test_older_versions(version: str) -> None:
    """Below 1.0.0 addresses name their IP version; below 1.1.0 there is no mtu and no metric; all can be read back."""
    document = results.parse(DOCUMENT).to_json(version)

    assert [one.get("version") for one in document["ips"]] == ([None] * 2 if version >= "1.0.0" else ["4", "6"])
    assert ("mtu" in document["interfaces"][0]) == (version == "1.1.0")
    assert ("priority" in document["routes"][1]) == (version == "1.1.0")
    assert results.parse(document).ips == results.parse(DOCUMENT).ips


@pytest.mark.parametrize(
    "document",
    [
        {"ips": [{}]},
        {"ips": 7},
        {"ips": [{"address": "x"}]},
        {"ips": [{"address": 5}]},
        {"ips": [{"address": "10.0.0.2/24", "interface": "0"}]},
        {"ips": [{"address": "10.0.0.2/24", "interface": -1}]},
        {"ips": [{"address": "10.0.0.2/24", "interface": True}]},
        {"interfaces": ["x"]},
        {"interfaces": [{"name": 5}]},
        {"interfaces": [{"name": "eth0", "mtu": "x"}]},
        {"routes": [{"gw": "10.0.0.1"}]},
        {"routes": [{"dst": 5}]},
        {"routes": [{"dst": "::/0", "mtu": -1}]},
        {"routes": [{"dst": "::/0", "priority": 1 << 32}]},
        {"routes": [{"dst": "::/0", "scope": 256}]},
        {"dns": "x"},
    ],
    ids=str,
)
def test_results_that_cannot_be_read(document: dict[str, Any]) -> None:
    """What is no result is error 6."""
    with pytest.raises(CniError) as refused:
        results.parse(document)

    assert refused.value.code is Code.DECODING_FAILURE
