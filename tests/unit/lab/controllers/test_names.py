"""`--controllers` in kube-controller-manager's grammar, with our names and upstream's."""

import pytest

from kube46.lab.controllers import names


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("*", names.NETWORK),
        ("*,-endpoint", ("node-ipam", "endpointslice", "endpointslicemirroring")),
        ("*,-endpoints-controller,scheduler", ("node-ipam", "endpointslice", "endpointslicemirroring", "scheduler")),
        ("nodeipam, deployment-controller", ("node-ipam", "deployment")),
        ("-job", ()),
        ("", ()),
    ],
)
def test_choose(text: str, chosen: tuple[str, ...]) -> None:
    """`*`, names, names left out, of either spelling."""
    assert names.choose(text) == chosen


def test_star_may_be_all() -> None:
    """In a stand-alone cluster `*` is every loop."""
    assert names.choose("*,-job", names.ALL) == tuple(name for name in names.ALL if name != "job")


@pytest.mark.parametrize("text", ["route", "*,-route", "-*"])
def test_a_name_that_is_none(text: str) -> None:
    """It is refused by name."""
    with pytest.raises(ValueError, match="is no controller: choose from"):
        names.choose(text)


def test_no_double_belongs_to_two_loops() -> None:
    """Each of kube-controller-manager's loops is the double of one of ours at most."""
    doubles = [double for name in names.ALL for double in names.doubles(name)]
    assert len(doubles) == len(set(doubles))
