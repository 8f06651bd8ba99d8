"""What people, programs and CI systems read."""

import json
from xml.etree import ElementTree

import yaml

from kube46.addresses.families import Family
from kube46.conformance import rules
from kube46.conformance.model import Level, Outcome, Promise, Verdict
from kube46.conformance.report import Report, as_data, as_json, as_junit, as_table


def promise(name: str, level: Level) -> Promise:
    """A promise of a level."""
    return Promise(name, level, "a criterion", f"what {name} promises", "look there")


PASSED = rules.outcome(promise("one", Level.ALPHA), [], 0.1)
FAILED = rules.outcome(promise("two", Level.BETA), [f"reason {n}" for n in range(7)], 0.2)
SKIPPED = rules.skipped(promise("three", Level.GA), "there are no nodes")
LEFT = rules.not_run(promise("four", Level.GA), "give --disruptive COMMAND")


def report(*checks: Outcome) -> Report:
    """A report at GA."""
    return Report(Level.GA, "v1.37.2", (Family.IPV4, Family.IPV6), ("node1",), checks, 1.25)


def test_the_table_says_why_and_where() -> None:
    """A cross has its reasons, the first five, and a mend; what was not shown says why."""
    text = as_table(report(PASSED, FAILED, SKIPPED, LEFT), colour=False)
    assert "  ✔ one    what one promises" in text
    assert "  ✘ two    what two promises\n      reason 0\n" in text
    assert "      and 2 more: see -o json\n      → look there" in text
    assert "  · three  skipped: there are no nodes" in text
    assert "  - four   not run: give --disruptive COMMAND" in text
    assert text.endswith("Failed ga: 1 of 2 checks, 1 skipped, 1 not run in 1.2 s; reached: alpha")
    assert "\033" not in text
    assert "\033[31m✘" in as_table(report(FAILED), colour=True)


def test_a_level_is_passed_without_a_failure() -> None:
    """What the cluster cannot show refuses no release, and is told."""
    text = as_table(report(PASSED, SKIPPED), colour=False)
    assert text.endswith("Passed ga: 1 check, 1 skipped in 1.2 s")


def test_yaml_is_what_json_is() -> None:
    """Whoever writes YAML of it meets no type that only Python has."""
    data = as_data(report(PASSED, FAILED))
    assert yaml.safe_load(yaml.safe_dump(data)) == json.loads(as_json(report(PASSED, FAILED)))
    assert as_data(report(PASSED))["reached"] == "ga"


def test_json_begins_with_the_verdict() -> None:
    """Whether, how far, how many; then each check."""
    body = json.loads(as_json(report(PASSED, FAILED, SKIPPED, LEFT)))
    assert (body["passed"], body["reached"]) == (False, "alpha")
    assert body["summary"] == {"passed": 1, "failed": 1, "skipped": 1, "not_run": 1}
    assert body["checks"][1]["mend"] == "look there"
    assert body["checks"][2]["verdict"] == "skipped"


def test_junit_has_a_suite_a_level() -> None:
    """CI systems count failures and what was left out."""
    root = ElementTree.fromstring(as_junit(report(PASSED, FAILED, SKIPPED, LEFT)))
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in root] == [
        ("KEP-563 alpha", "1", "0", "0"),
        ("KEP-563 beta", "1", "1", "0"),
        ("KEP-563 ga", "2", "0", "2"),
    ]
    failure = root.find(".//failure")
    assert failure is not None
    assert "reason 6\nmend: look there" in str(failure.text)
    assert root.get("failures") == "1"


def test_a_level_stands_on_those_before_it() -> None:
    """A failure at alpha leaves nothing reached, one at beta leaves alpha."""
    broken = rules.outcome(promise("zero", Level.ALPHA), ["no"], 0)
    good = rules.outcome(promise("five", Level.GA), [], 0)
    assert rules.reached([broken, good]) is None
    assert rules.reached([PASSED, FAILED, good]) is Level.ALPHA
    assert rules.reached([PASSED, good]) is Level.GA
    assert FAILED.verdict is Verdict.FAILED
