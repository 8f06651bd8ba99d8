"""Texts: errors as Go prints them, the syntax of addresses and of names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.api import errors, ip, names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('a"\\\n', '"a\\"\\\\\\n"'),
        ("\x00\x7f", '"\\x00\\x7f"'),
        ("\u200b", '"\\u200b"'),
        ("ä<", '"ä<"'),
        (80, "80"),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        (["10.0.0.1", ""], '["10.0.0.1",""]'),
        (["<&>"], '["\\u003c\\u0026\\u003e"]'),
        ({"Name": "", "AppProtocol": None, "Port": 80}, '{"Name":"","AppProtocol":null,"Port":80}'),
    ],
)
def test_values_print_as_in_go(value: Any, text: str) -> None:
    """Strings as %q, numbers plain, the rest as compact JSON (E-4)."""
    assert errors.go_value(value) == text


def test_summary_names_each_error_once() -> None:
    """Repeated errors are one in the message and in the causes, where they came first (E-2)."""
    one, two = errors.invalid("a", 1, "x"), errors.required("b")
    message, causes = errors.summary("ServiceCIDR", "networking.k8s.io", "n", [one, two, one])
    assert message == 'ServiceCIDR.networking.k8s.io "n" is invalid: [a: Invalid value: 1: x, b: Required value]'
    assert [cause["field"] for cause in causes] == ["a", "b"]
    assert causes[0] == {"reason": "FieldValueInvalid", "message": "Invalid value: 1: x", "field": "a"}
    assert errors.summary("Pod", "", "n", [one, one])[0] == 'Pod "n" is invalid: a: Invalid value: 1: x'


def test_other_bodies() -> None:
    """The bodies of E-3, supported values sorted unless their order is meant (E-5)."""
    assert errors.not_supported("f", "x", ["b", "a"]).body == 'Unsupported value: "x": supported values: "a", "b"'
    assert errors.not_supported("f", "x", ["b", "a"], in_order=True).body.endswith('"b", "a"')
    assert errors.too_many("f", 3, 2).body == "Too many: 3: must have at most 2 items"
    assert errors.too_long("f", 9).body == "Too long: may not be more than 9 bytes"
    assert errors.duplicate("f", 30080).body == "Duplicate value: 30080"
    assert errors.forbidden("f").body == "Forbidden"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.9.8.7", ""),
        ("2001:db8::ffff", ""),
        ("2001:DB8::1", ""),
        ("10.0.0.01", "must not have leading 0s"),
        ("::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
        ("::ffff:10.0.0.01", "must not have leading 0s"),
        ("fe80::1%eth0", ip.BAD_IP),
        ("1.2.3", ip.BAD_IP),
        ("1.2.3.4.5", ip.BAD_IP),
        ("256.1.1.1", ip.BAD_IP),
        ("", ip.BAD_IP),
        ("None", ip.BAD_IP),
        ("1:2:3:4:5:6:7", ip.BAD_IP),
        ("10.0.0.1/24", ip.BAD_IP),
        (" 10.0.0.1", ip.BAD_IP),
    ],
)
def test_addresses_of_old_fields(text: str, problem: str) -> None:
    """What 1.36 refuses in fields with a long history (1.8.3)."""
    assert [error.body for error in ip.legacy_ip("f", text)] == (
        [f"Invalid value: {errors.go_value(text)}: {problem}"] if problem else []
    )
    assert ip.legacy_ip("f", text, [text]) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.9.8.0/24", ""),
        ("2001:db8::/64", ""),
        ("10.9.8.0/024", "must not have leading 0s in IP or prefix length"),
        ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
        ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
        ("10.1.0.5/24", "must not have bits set beyond the prefix length"),
        ("10.1.0.0/33", ip.BAD_CIDR),
        ("10.1.0.0", ip.BAD_CIDR),
        ("bad/8", ip.BAD_CIDR),
        ("fd00::/129", ip.BAD_CIDR),
    ],
)
def test_cidrs_of_old_fields(text: str, problem: str) -> None:
    """The same for CIDRs; at most one complaint."""
    assert [error.body for error in ip.legacy_cidr("f", text)] == (
        [f'Invalid value: "{text}": {problem}'] if problem else []
    )


def test_strict_fields_want_the_canonical_form() -> None:
    """IPAddress names, IPv6 slices and ServiceCIDRs are refused in any other spelling."""
    assert ip.canonical_problem("2001:DB8::1") == 'must be in canonical form ("2001:db8::1")'
    assert ip.canonical_problem("2001:db8::1") == ""
    assert [e.body for e in ip.canonical_cidr("f", "fd00:0::/64")] == [
        'Invalid value: "fd00:0::/64": must be in canonical form ("fd00::/64")'
    ]


def test_warnings_of_accepted_spellings() -> None:
    """Accepted, but a warning says how it should be written."""
    assert ip.ip_warnings("spec.clusterIPs[0]", "2001:DB8::1") == [
        'spec.clusterIPs[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")'
    ]
    assert ip.ip_warnings("f", "01.2.3.4") == ['f: non-standard IP address "01.2.3.4" is invalid: use "1.2.3.4"']
    assert ip.ip_warnings("f", "10.0.0.1") == []
    assert ip.cidr_warnings("f", "10.0.0.1/8") == [
        'f: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0.0.0.0", "may not be unspecified (0.0.0.0)"),
        ("::", "may not be unspecified (::)"),
        ("127.0.0.9", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("169.254.1.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("224.0.0.5", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ("ff02::5", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ("239.1.2.3", ""),
        ("ff05::1", ""),
        ("bad", "must be a valid IP address"),
    ],
)
def test_special_addresses(text: str, problem: str) -> None:
    """Addresses that no endpoint may have (4.6)."""
    assert [e.body for e in ip.special("f", text)] == ([f'Invalid value: "{text}": {problem}'] if problem else [])


@given(st.ip_addresses())
def test_canonical_addresses_are_fine(address: IPv4Address | IPv6Address) -> None:
    """What Python prints is accepted, canonical, and of the right family (mapped addresses aside)."""
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    if not mapped:
        assert ip.canonical_problem(str(address)) == ""
        assert ip.ip_warnings("f", str(address)) == []
        assert ip.family(str(address)) == (Family.IPV4 if address.version == 4 else Family.IPV6)
    else:
        assert ip.family(str(address)) == Family.IPV4


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (names.label, ["a", "9a", "a-b", "x" * 63], ["", "A", "-a", "a-", "a.b", "x" * 64, "a\n"]),
        (names.subdomain, ["a", "a.b", "9.b-c"], ["", "a..b", ".a", "A.b", "a_b"]),
        (names.wildcard_subdomain, ["*.example.com"], ["*", "a.*.com", "example.com"]),
        (names.qualified, ["a", "A_b.c", "example.com/Name"], ["", "a/b/c", "/a", "a/", "A.com/x", "a b"]),
        (names.label_value, ["", "A", "a.b_c"], ["-a", "a b", "x" * 64]),
        (names.port_name, ["http", "a-1"], ["", "UPPER", "1", "a--b", "-a", "a-", "x" * 16]),
        (names.config_key, ["a", ".a", "A_b-c", "..."[:1] + "x"], ["", "..", ".", "..a", "a/b"]),
        (names.path_segment, ["a", "a:b"], [".", "..", "a/b", "a%b"]),
        (names.environment_variable, ["A", "a.b-c", "1 2"], ["", "a=b", "ä"]),
    ],
)
def test_names(rule: Any, good: list[str], bad: list[str]) -> None:
    """Which texts each syntax takes."""
    assert [text for text in good if rule(text)] == []
    assert [text for text in bad if not rule(text)] == []


def test_texts_of_names() -> None:
    """Texts of names that clients compare."""
    assert names.label("a.b") == ["must not contain dots"]
    assert names.label("-a")[0].endswith(
        "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )
    assert names.qualified("/a") == ["prefix part must be non-empty"]
