"""The matrix as JUnit XML, which CI systems show: a suite a family, a test case a cell."""

from xml.etree import ElementTree

from kube46.check.matrix import Report
from kube46.check.model import MEANING, Target


def as_junit(report: Report) -> str:
    """The report in the form that Jenkins, GitLab and GitHub read; a node that was not checked is a failure."""
    root = ElementTree.Element("testsuites", name="kube46 check", time=str(report.seconds))
    for family in report.families:
        suite = ElementTree.SubElement(root, "testsuite", name=family)
        for cell in report.cells:
            if cell.family == family:
                reasons = [f"{MEANING[Target(cell.target)]}: {'; '.join(cell.failures)}"] if cell.failures else []
                _case(suite, f"{family}.{cell.place}", cell.target, *reasons)
    if report.left_out:
        suite = ElementTree.SubElement(root, "testsuite", name="nodes")
        for name in report.left_out:
            _case(suite, "nodes", name, "not checked, for it is not Ready: see kubectl get nodes")
    for element in (root, *root):
        element.set("tests", str(len(list(element.iter("testcase")))))
        element.set("failures", str(len(list(element.iter("failure")))))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _case(suite: ElementTree.Element, group: str, name: str, *reasons: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=group, name=name)
    for reason in reasons:
        ElementTree.SubElement(case, "failure", message=reason)
