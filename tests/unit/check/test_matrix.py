"""How the matrix is shown."""

import json
from xml.etree import ElementTree

from kube46.check.junit import as_junit
from kube46.check.matrix import Report, as_json, as_table
from kube46.check.model import Cell, Target
from kube46.check.picture import as_svg

CELLS = (
    Cell("node1", str(Target.POD_HERE), "IPv4", 1),
    Cell("outside", str(Target.NODE_PORT), "IPv4", 3, ("TCP 10.46.0.11:30001: connection refused",)),
)


def test_the_table_has_a_tick_a_cross_and_its_reason() -> None:
    """Rows are places, columns targets, and each cross is explained below."""
    text = as_table(Report(("IPv4",), CELLS, 0.51), colour=False)
    lines = text.splitlines()
    assert lines[0].split() == " ".join(["IPv4", *Target]).split()
    assert lines[1].split() == ["node1", "✔", *"········"]
    assert lines[2].index("✘") == lines[0].index("NodePort")
    assert "1 of 2 cells failed: 4 probes in 0.5 s" in text
    assert "outside → NodePort over IPv4: a Service's node port, on each node" in text
    assert "  TCP 10.46.0.11:30001: connection refused" in text


def test_colour_is_only_added() -> None:
    """Without colour there is no escape; with it, the same text."""
    report = Report(("IPv4",), CELLS, 0.5)
    plain, coloured = as_table(report, colour=False), as_table(report, colour=True)
    assert "\033" not in plain
    assert "\033[31m✘" in coloured


def test_many_reasons_are_cut() -> None:
    """Four reasons tell enough."""
    cell = Cell("node1", str(Target.UDP), "IPv6", 9, tuple(f"UDP [fd00::{n}]:1: x" for n in range(9)))
    assert "and 5 more" in as_table(Report(("IPv6",), (cell,), 1.0), colour=False)


def test_json_is_for_programs() -> None:
    """The verdict stands on top, the cells below."""
    body = json.loads(as_json(Report(("IPv4",), CELLS, 0.5)))
    assert (body["passed"], body["summary"]) == (False, {"cells": 2, "failed": 1})
    assert body["cells"][1]["failures"] == ["TCP 10.46.0.11:30001: connection refused"]


def test_junit_is_for_ci() -> None:
    """A suite a family, a case a cell, a failure with its reason for each cross and each node left out."""
    root = ElementTree.fromstring(as_junit(Report(("IPv4",), CELLS, 0.5, ("node2",))))
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in root] == [
        ("IPv4", "2", "1"),
        ("nodes", "1", "1"),
    ]
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    cases = {(case.get("classname"), case.get("name")): case.find("failure") for case in root.iter("testcase")}
    assert cases["IPv4.node1", "pod here"] is None
    failure = cases["IPv4.outside", "NodePort"]
    assert failure is not None
    assert "TCP 10.46.0.11:30001: connection refused" in (failure.get("message") or "")
    assert cases["nodes", "node2"] is not None


def test_a_node_that_is_not_ready_fails_the_check() -> None:
    """Ticks everywhere are not enough when a node was left out, in the table and for programs."""
    report = Report(("IPv4",), CELLS[:1], 0.5, ("node2",))
    text = as_table(report, colour=False)
    assert "Not checked, for they are not Ready: node2" in text
    body = json.loads(as_json(report))
    assert (body["passed"], body["summary"]["failed"], body["left_out"]) == (False, 0, ["node2"])


def test_the_picture_shows_the_same_marks() -> None:
    """The SVG is well formed, has a mark for each cell, and a cross tells why in its tooltip."""
    failing = Cell("outside", str(Target.NODE_PORT), "IPv4", 3, ("TCP <odd>: connection refused",))
    root = ElementTree.fromstring(as_svg(Report(("IPv4",), (CELLS[0], failing), 0.5)))
    marks = [
        element for element in root.iter("{http://www.w3.org/2000/svg}text") if element.get("class") in ("good", "bad")
    ]
    assert [mark.get("class") for mark in marks] == ["good", "bad"]
    assert "".join(marks[1].itertext()) == "TCP <odd>: connection refused✘"
