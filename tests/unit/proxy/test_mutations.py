"""The mutations that show that the sixteen bugs' tests can fail are up to date."""

import re

from kernel.proxy.mutations import MUTATIONS, ROOT, TESTS


def test_each_bug_has_a_test_and_a_mutation_of_todays_sources() -> None:
    """`make mutations` carries them out; here: each place is there exactly once, each of the sixteen has both."""
    assert [mutation.bug for mutation in MUTATIONS] == list(range(1, 17))
    for mutation in MUTATIONS:
        path = ROOT / "src/kube46" / mutation.file
        assert mutation.apply(path.read_text()) != path.read_text()
        assert f"def test_bug_{mutation.bug:02}_" in TESTS.read_text()


def test_the_tests_that_the_page_names_are_there() -> None:
    """Whoever reads what shows a promise finds it."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/reference/proxy.md").read_text()))
    text = "".join(path.read_text() for path in (ROOT / "tests").glob("*/**/test_*.py"))
    assert len(named) > 30
    assert named <= set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
