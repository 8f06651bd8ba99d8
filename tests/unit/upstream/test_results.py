"""What a run of upstream's specs is read as, and what its table and page say."""

import json
import re
from pathlib import Path

import pytest

from upstream import page, reasons
from upstream.results import Spec, read, table
from upstream.suites import SUITES, applies, suite

REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1"><testsuite name="Kubernetes e2e suite">
<testcase name="[SynchronizedBeforeSuite]" status="passed" time="1.5"></testcase>
<testcase name="[It] [sig-network] Services should work [sig-network]" status="passed" time="12.25"/>
<testcase name="[It] [sig-network] DNS should fail &lt;x|y&gt;" status="failed" time="3.5">
<failure message="timed out" type="failed">log</failure></testcase>
<testcase name="[It] [sig-network] DNS should ask Google" status="skipped" time="0.1">
<skipped message="skipped - Only supported for providers [gce]"></skipped></testcase>
<testcase name="[It] [sig-storage] left out" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
</testsuite></testsuites>
"""
WORKS = Spec("[sig-network] Services should work", "passed", 12.25)
FAILS = Spec("[sig-network] DNS should fail <x|y>", "failed", 3.5, "timed out")
LEAVES = Spec("[sig-network] DNS should ask Google", "skipped", 0.1, "Only supported for providers [gce]")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of one run of a suite, and of one of single specs."""
    for name, kind in (("network-46", "network"), ("focus-46", "focus")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "junit.xml").write_text(REPORT)
        about = {"families": "ipv4,ipv6", "suite": kind, "seconds": 90, "processes": 4}
        (tmp_path / name / "run.json").write_text(json.dumps(about))
    return tmp_path


def test_read(results: Path) -> None:
    """Specs that ran or skipped themselves are read; what the flags left out, and set-up that passed, are not."""
    assert read(results / "network-46/junit.xml") == sorted([WORKS, FAILS, LEAVES])


def test_a_failed_set_up_is_a_failure(tmp_path: Path) -> None:
    """A suite whose set-up fails has not passed."""
    (tmp_path / "junit.xml").write_text(
        '<testsuites><testsuite><testcase name="[SynchronizedBeforeSuite]" time="1"><error message="no nodes"/>'
        "</testcase></testsuite></testsuites>"
    )
    assert [spec.outcome for spec in read(tmp_path / "junit.xml")] == ["failed"]


def test_table() -> None:
    """The table ends with the failures, what they said, and the counts."""
    lines = table([FAILS, WORKS, LEAVES]).splitlines()
    assert [line[0] for line in lines[:3]] == ["–", "✔", "✘"]
    assert lines[-1] == "1 passed, 1 failed, 1 skipped"
    assert "    timed out" in lines


def test_page(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has whole suites only, each spec once, and the reason that a person found before what a spec said."""
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "REASONS", ((r"DNS should fail", "a known one"),))
    page.write(results)
    text = (tmp_path / "page.md").read_text()
    assert "| network | ipv4,ipv6 | 3 | 1 | 1 | 1 | 1.5 | 4 |" in text
    assert "| [sig-network] DNS should fail &lt;x\\|y> | ipv4,ipv6 ✘ | a known one |" in text
    assert "| [sig-network] DNS should ask Google | ipv4,ipv6 – | Only supported for providers [gce] |" in text
    assert "| [sig-network] Services should work | 12 s |" in text


def test_reasons_are_expressions() -> None:
    """Every reason's expression says something."""
    assert all(pattern and text for pattern, text in reasons.REASONS)


def test_suites_of_families() -> None:
    """What needs both families is left out of clusters of one, of suites and of whatever is asked for."""
    dual = "[sig-network] [Feature:IPv6DualStack] should create pod"
    for name in SUITES:
        assert [text for text in suite(name, "ipv6").skip if re.search(text, dual)]
        assert not [text for text in suite(name, "ipv6,ipv4").skip if re.search(text, dual)]
    assert suite("quick", "ipv4,ipv6", "one").flags()[0] == "--focus=one"
    assert applies(dual, "ipv4,ipv6") and applies(WORKS.name, "ipv4") and not applies(dual, "ipv4")
