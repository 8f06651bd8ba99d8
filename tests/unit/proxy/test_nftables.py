"""Reading nft's JSON back as the text we write."""

import pytest

from kube46.proxy.nftables import read_elements

CASES = {
    "verdict": (
        {"map": {"name": "m", "elem": [[{"concat": ["10.96.0.1", "tcp", 80]}, {"goto": {"target": "c"}}]]}},
        {("m", "10.96.0.1 . tcp . 80"): "goto c"},
    ),
    "drop": ({"map": {"name": "m", "elem": [[{"concat": ["udp", 53]}, {"drop": None}]]}}, {("m", "udp . 53"): "drop"}),
    "backend": (
        {"map": {"name": "m", "elem": [[{"concat": ["fd00::1", 80, 65536]}, {"concat": ["fd00::2", 8080]}]]}},
        {("m", "fd00::1 . 80 . 65536"): "fd00::2 . 8080"},
    ),
    "set": ({"set": {"name": "s", "elem": ["10.0.0.1"]}}, {("s", "10.0.0.1"): ""}),
    "prefix": ({"set": {"name": "s", "elem": [{"prefix": {"addr": "fd00::", "len": 64}}]}}, {("s", "fd00::/64"): ""}),
    "commented": ({"set": {"name": "s", "elem": [{"elem": {"val": "::1", "comment": "x"}}]}}, {("s", "::1"): ""}),
    "empty": ({"set": {"name": "s"}}, {}),
    "chain": ({"chain": {"name": "c"}}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_elements_are_read_as_written(case: str) -> None:
    """Each form that nft 1.0.6 writes."""
    entry, expected = CASES[case]
    assert dict(read_elements([entry])) == expected
