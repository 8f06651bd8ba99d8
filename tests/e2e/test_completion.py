"""What TAB offers of a running cluster."""

import subprocess

import pytest

from e2e.conftest import Cluster

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]


@pytest.mark.parametrize(
    ("typed", "offered"),
    {
        "names": ("kube46 down --name {cluster}", {"{cluster}"}),
        "places": ("kube46 shell --name {cluster} n", {"node1", "node2"}),
        "the outside": ("kube46 shell --name {cluster} o", {"outside"}),
        "parts": ("kube46 logs --name {cluster} agent-", {"agent-node1", "agent-node2"}),
        "the supervisor": ("kube46 logs -f --name {cluster} sup", {"supervisor"}),
        "a place of no cluster": ("kube46 shell --name {cluster}-not n", set()),
    }.values(),
)
def test_names_places_and_parts_are_offered(dual: Cluster, typed: str, offered: set[str]) -> None:
    """Of the cluster that the line names."""
    words = typed.format(cluster=dual.name)
    environment = dual.environment | {"_KUBE46_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()) - 1)
    done = subprocess.run(["kube46"], env=environment, capture_output=True, text=True, check=True)
    found = {line.partition(",")[2] for line in done.stdout.split()}
    assert found == {name.format(cluster=dual.name) for name in offered}
