"""Validation rules: Kubernetes' functions, what is refused as a definition is compiled, and the limits that hold."""

from __future__ import annotations

import ipaddress
import math
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.apiserver.customresources import rule_checks, rule_engine, rules
from kube46.apiserver.customresources.rule_engine import EvaluationProblem, OutOfBudget, RuleProblem
from patience import patient

RULES = "x-kubernetes-validations"


def evaluate(expression: str, value: Any = None) -> Any:
    """The value of an expression."""
    return rule_engine.run(rule_engine.compiled(expression), value, None)


@pytest.mark.parametrize(
    "expression",
    [
        # quantities
        "quantity('1Ki').compareTo(quantity('1024')) == 0", "quantity('1k') == quantity('1000')",
        "quantity('1E').isGreaterThan(quantity('1P'))", "quantity('1e3') == quantity('1k')",
        "quantity('100m').isLessThan(quantity('.2'))", "quantity('50k').add(20) == quantity('50020')",
        "quantity('50k').sub(quantity('50k')).sign() == 0", "quantity('-3').sign() == -1",
        "quantity('1500m').asApproximateFloat() == 1.5", "quantity('3k').asInteger() == 3000",
        "!quantity('1500m').isInteger()", "!isQuantity('1 Ki')", "!isQuantity('1KB')", "!isQuantity('١')",
        "!isQuantity('1e500')", "!isQuantity('')", "isQuantity('+.5Gi')",
        # addresses
        "isIP('::1')", "!isIP('::ffff:1.2.3.4')", "!isIP('fe80::1%eth0')", "!isIP('010.0.0.1')", "!isIP('1.2.3')",
        "ip('2001:DB8::1') == ip('2001:db8::1')", "!ip.isCanonical('2001:DB8::1')", "ip.isCanonical('::1')",
        "ip('1.2.3.4').family() == 4", "ip('::1').family() == 6", "ip('::1').isLoopback()", "ip('::').isUnspecified()",
        "ip('fe80::1').isLinkLocalUnicast()", "ip('224.0.0.1').isLinkLocalMulticast()",
        "ip('8.8.8.8').isGlobalUnicast()", "!ip('255.255.255.255').isGlobalUnicast()",
        "!ip('ff02::1').isGlobalUnicast()", "string(ip('::0')) == '::'",
        # networks
        "isCIDR('10.0.0.1/8')", "!isCIDR('10.0.0.0')", "!isCIDR('10.0.0.0/08')", "!isCIDR('10.0.0.0/255.0.0.0')",
        "!isCIDR('fe80::%a/64')", "!isCIDR('::ffff:1.2.3.4/96')", "!isCIDR('10.0.0.0/２')",
        "cidr('10.0.0.5/8').masked() == cidr('10.0.0.0/8')", "cidr('fd00::/64').prefixLength() == 64",
        "cidr('10.0.0.5/8').ip() == ip('10.0.0.5')", "cidr('10.0.0.0/8').containsIP('10.1.1.1')",
        "!cidr('10.0.0.0/8').containsIP(ip('fd00::1'))", "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
        "!cidr('10.0.0.0/8').containsCIDR(cidr('fd00::/64'))", "!cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
        "string(cidr('fd00::1/64')) == 'fd00::1/64'",
        # URLs
        "isURL('https://a.b:80/c')", "isURL('/absolute')", "!isURL('../x')", "!isURL('http://a b')",
        "url('http://Example.com:80/a').getHostname() == 'Example.com'", "url('http://u@a:80/').getHost() == 'a:80'",
        "url('http://[::1]:80/x').getHostname() == '::1'", "url('http://[::1]:80/x').getHost() == '[::1]:80'",
        "url('http://a:80/').getPort() == '80'", "url('http://a/').getPort() == ''", "url('/x').getScheme() == ''",
        "url('http://a/x%20y?b=1').getEscapedPath() == '/x%20y'", "url('/?b=1&b=2&c=').getQuery()['b'] == ['1', '2']",
        # versions
        "isSemver('1.2.3-rc.1+b.2')", "!isSemver('v1.2.3')", "!isSemver('1.2')", "!isSemver('01.2.3')",
        "!isSemver('1.0.0-01')", "!isSemver('1.0.0-a..b')", "!isSemver('1.0.0-')", "isSemver('1.0.0-0a')",
        "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
        "semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10'))", "semver('1.0.0-1').isLessThan(semver('1.0.0-a'))",
        "semver('1.0.0-a').isLessThan(semver('1.0.0'))", "semver('1.0.0+a').compareTo(semver('1.0.0+b')) == 0",
        "semver('1.10.0').isGreaterThan(semver('1.9.0'))",
        # lists
        "[1, 2, 2].isSorted()", "!['b', 'a'].isSorted()", "[].isSorted()", "[1, 2].sum() == 3", "[].sum() == 0",
        "[1.5, 2.0].sum() == 3.5", "['b', 'a'].min() == 'a'", "[1, 3, 2].max() == 3", "[1, 2, 1].indexOf(1) == 0",
        "[1, 2, 1].lastIndexOf(1) == 2", "[1].indexOf(2) == -1", "[1].lastIndexOf(2) == -1", "[1].indexOf(true) == -1",
        "[[1]].indexOf([true]) == -1", "[{'a': 1}].indexOf({'a': 1}) == 0",
        # sets
        "sets.contains([1, 2], [2, 2])", "sets.contains([1], [])", "!sets.contains([1], [true])",
        "sets.contains([1], [1.0])", "sets.equivalent([1, 2], [2, 1, 1])", "!sets.equivalent([1], [1, 2])",
        "sets.intersects([[1], [2]], [[2]])", "!sets.intersects([], [1])",
        # the libraries that upstream has beside its own
        "'a,b'.split(',').size() == 2", "math.greatest(1, 2) == 2", "base64.encode(b'a') == 'YQ=='",
        "duration('1h') < duration('61m')", "'ab'.matches('^a')", "cel.bind(x, 2, x * x) == 4",
        "optional.of(1).hasValue()", "'{}'.size() == 2 && 'aXb'.lowerAscii() == 'axb'",
    ],
)  # fmt: skip
def test_functions(expression: str) -> None:
    """Each holds in Kubernetes."""
    assert evaluate(expression) is True


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("quantity('x').sign()", "quantities must match the regular expression"),
        ("quantity('1.5').asInteger()", "cannot convert value to integer"),
        ("ip('x').family()", 'IP Address "x" parse error during conversion from string'),
        ("cidr('10.0.0.0').ip()", 'network address parse error during conversion from string: "10.0.0.0"'),
        ("cidr('10.0.0.0/8').containsIP('x')", 'IP Address "x" parse error'),
        ("url('x y').getHost()", 'URL parse error during conversion from string: "x y"'),
        ("semver('1').major()", "No Major.Minor.Patch elements found"),
        ("[].min()", "min called on empty list"), ("[].max()", "max called on empty list"),
        ("[9223372036854775807, 1].sum()", "integer overflow"),
        ("[1, 'a'].isSorted()", "No matching overloads found: isSorted"),
        ("ip('1.1.1.1').sign()", "No matching overloads found: sign"),
        ("ip('1.1.1.1').compareTo(semver('1.0.0'))", "No matching overloads found: compareTo"),
        ("1 / 0 == 1", "divide by zero"),
    ],
)  # fmt: skip
def test_failures(expression: str, words: str) -> None:
    """What a function can't do is told in words, not in Python's."""
    with pytest.raises(EvaluationProblem) as failed:
        evaluate(expression)
    assert words in str(failed.value)


def test_huge_quantity_is_infinite() -> None:
    """A quantity beyond floats is infinite as one."""
    assert evaluate("quantity('1e400').asApproximateFloat()") == math.inf
    assert evaluate("quantity('-1e400').asApproximateFloat()") == -math.inf


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.sampled_from(["", "m", "k", "Ki", "e2"]))
@settings(max_examples=40)
def test_quantities_compare_as_numbers(one: int, other: int, suffix: str) -> None:
    """Quantities of one suffix compare and add as their numbers."""
    data = {"a": f"{one}{suffix}", "b": f"{other}{suffix}", "sum": f"{one + other}{suffix}"}
    assert evaluate("quantity(self.a).compareTo(quantity(self.b))", data) == (one > other) - (one < other)
    assert evaluate("quantity(self.a).add(quantity(self.b)) == quantity(self.sum)", data) is True
    assert Fraction(one) + other == one + other


@given(st.ip_addresses(), st.integers(0, 32))
@settings(max_examples=40)
def test_networks_contain_their_addresses(address: Any, length: int) -> None:
    """An address is in each of its networks, which are as Python masks them."""
    if address.version == 6 and address.ipv4_mapped is not None:
        return
    network = ipaddress.ip_network((address, length), strict=False)
    data = {"ip": str(address), "cidr": f"{address}/{length}", "net": str(network)}
    if not (network.version == 6 and network.network_address.ipv4_mapped is not None):
        text = "cidr(self.cidr).containsIP(self.ip) && cidr(self.cidr).masked() == cidr(self.net)"
        assert evaluate(text, data) is True


@given(st.lists(st.integers(0, 5), max_size=5), st.lists(st.integers(0, 5), max_size=5))
@settings(max_examples=40)
def test_sets_are_pythons(one: list[int], other: list[int]) -> None:
    """contains, equivalent and intersects are what Python's sets say."""
    data = {"a": one, "b": other}
    assert evaluate("sets.contains(self.a, self.b)", data) == (set(one) >= set(other))
    assert evaluate("sets.equivalent(self.a, self.b)", data) == (set(one) == set(other))
    assert evaluate("sets.intersects(self.a, self.b)", data) == bool(set(one) & set(other))


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"}, "number": {"type": "integer"}, "a-b": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
        "texts": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "time": {"type": "string", "format": "date-time"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}  # fmt: skip


def refusals(rule: str, **more: Any) -> list[str]:
    """What is said of a rule as its definition is written."""
    return [error.text for error in rule_checks.problems({**SCHEMA, RULES: [{"rule": rule, **more}]}, "s")]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("frob(self.text)", "undeclared reference to 'frob'"), ("self.text.frob()", "undeclared reference to 'frob'"),
        ("self.text.find('a') == ''", "undeclared reference to 'find'"),
        ("format.named('uuid').hasValue()", "undeclared reference to 'format'"),
        ("self.texts.all(i, t, t == '')", "undeclared reference to 'all'"),
        ("nope == 1", "undeclared reference to 'nope'"), ("self.text ==", "Syntax error"),
        ("1", "cel expression must evaluate to a bool"), ("'a' + 'b'", "cel expression must evaluate to a bool"),
        ("self.text", "cel expression must evaluate to a bool"),
        ("self.list", "cel expression must evaluate to a bool"),
        ("self.nope == 'x'", "undefined field 'nope'"), ("has(self.nope)", "undefined field 'nope'"),
        ("self.list.all(i, i.nope == 'x')", "undefined field 'nope'"),
        ("self.list[0].nope == 'x'", "undefined field 'nope'"),
        ("self.metadata.labels == 1", "undefined field 'labels'"),
        ("self.number.x == 1", "type 'int' does not support field selection"),
        ("self.all(x, true)", "expression of type 'object' cannot be range of a comprehension"),
        ("self.time < timestamp('2020-01-01T00:00:00Z')", "a field of format date-time is no time"),
    ],
)  # fmt: skip
def test_refused_rules(rule: str, words: str) -> None:
    """A rule that can't be run is refused as it is written, by its place and by what is wrong with it."""
    found = refusals(rule)
    assert len(found) == 1
    assert found[0].startswith(f"s.{RULES}[0].rule: Invalid value: ")
    assert words in found[0]


@pytest.mark.parametrize(
    "rule",
    [
        "self.text == 'x'", "self.a__dash__b == ''", "self.free.any.thing == 1", "self.map.all(k, k != '')",
        "self.map['x'] == 'y'", "self.list.exists(i, i.x == self.text)", "has(self.text)", "has(self.map.x)",
        "self.metadata.name != ''",
        "self.kind == 'K' && self.time != ''", "self.number + 1 > oldSelf.number",
    ],
)  # fmt: skip
def test_accepted_rules(rule: str) -> None:
    """A rule over fields that the schema has is taken."""
    assert refusals(rule) == []


def test_refused_messages_and_old_selves() -> None:
    """messageExpression is a string of known fields; optionalOldSelf needs oldSelf, which needs a former self."""
    [typed] = refusals("true", messageExpression="1")
    assert typed.startswith(f"s.{RULES}[0].messageExpression: ")
    assert typed.endswith("messageExpression must evaluate to a string")
    assert "undefined field 'nope'" in refusals("true", messageExpression="self.nope")[0]
    assert refusals("true", optionalOldSelf=True)[0].endswith("may not be set if oldSelf is not used in rule")
    items = {"type": "string", RULES: [{"rule": "self == oldSelf"}]}
    found = rule_checks.problems({"type": "object", "properties": {"l": {"type": "array", "items": items}}}, "s")
    assert found[0].text.endswith("uncorrelatable portion of the schema within s.properties[l]")


MANY = [f"item-{index}" for index in range(2000)]


@pytest.mark.parametrize(
    "rule",
    [
        "self.texts.all(x, self.texts.all(y, self.texts.all(z, x + y + z != 'q')))",
        "self.texts.all(x, self.texts.all(y, x != y + 'q'))",
        "self.texts.all(x, sets.contains(self.texts, self.texts))",
        "self.texts.all(x, self.texts.all(y, self.texts.indexOf('q') < 0))",
        "self.texts.all(x, self.texts.map(y, y + x).isSorted() || true)",
    ],
)
def test_loops_end(rule: str) -> None:
    """Loops over 2,000 items end within a second or so, told of as too costly where they went over it."""
    start = time.process_time()
    found = rules.problems({**SCHEMA, RULES: [{"rule": rule}]}, {"texts": MANY}, None)
    assert time.process_time() - start < patient(1.6)
    assert all("cost" in error.text for error in found)


def test_triple_loop_is_refused() -> None:
    """A triple loop over 2,000 items is refused with upstream's words, and no rule is run after it."""
    loop = "self.texts.all(x, self.texts.all(y, self.texts.all(z, x + y + z != 'q')))"
    schema = {**SCHEMA, RULES: [{"rule": loop}, {"rule": "false"}]}
    [error] = rules.problems(schema, {"texts": MANY}, None)
    assert "actual cost limit exceeded" in error.text
    assert loop in error.text


def test_single_list_calls_are_linear() -> None:
    """Sets of a hundred thousand members are compared in time linear to them."""
    start = time.process_time()
    assert evaluate("sets.equivalent(self, self) && self.lastIndexOf(-1) == -1", list(range(100_000))) is True
    assert time.process_time() - start < patient(1)


def test_evil_expression_ends() -> None:
    """A regular expression that backtracks elsewhere takes linear time in rules."""
    start = time.process_time()
    assert evaluate("self.matches('^(a+)+$')", "a" * 100_000 + "b") is False
    assert time.process_time() - start < patient(1)


def test_deadline_passed_is_out_of_budget() -> None:
    """What ends after its deadline has no value, whatever it says."""
    with pytest.raises(OutOfBudget):
        rule_engine.run(rule_engine.compiled("isIP('::1') || true"), None, None, deadline=0)
    assert evaluate("isIP('::1')") is True


def test_costly_message_gives_way() -> None:
    """A message that would cost too much is not made: the rule's own words stand in."""
    loop = "self.texts.map(x, self.texts.map(y, self.texts.map(z, x + y + z)))[0][0][0]"
    schema = {**SCHEMA, RULES: [{"rule": "self.number > 1", "message": "too few", "messageExpression": loop}]}
    [error] = rules.problems(schema, {"texts": MANY, "number": 1}, None)
    assert error.text.endswith("too few")


def test_syntax_is_a_problem_of_the_rule() -> None:
    """What does not parse raises, with the place."""
    with pytest.raises(RuleProblem, match="Syntax error"):
        rule_engine.compiled("self.")
