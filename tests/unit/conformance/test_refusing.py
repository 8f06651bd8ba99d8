"""The table of what new Services get, against the API server's own rules, written apart from it."""

import itertools

import pytest

from kube46.addresses.families import Family
from kube46.api.services import families as server
from kube46.conformance.refusing import ASKED, decided

CLUSTERS = [case for case in ASKED if case]


@pytest.mark.parametrize("cluster", CLUSTERS, ids="-".join)
@pytest.mark.parametrize("selectors", [True, False])
def test_the_table_is_what_the_server_does(cluster: tuple[Family, ...], selectors: bool) -> None:
    """Each policy with each list of families, on each kind of cluster: same result, or same fields refused."""
    for policy, asked in itertools.product(("", "SingleStack", "PreferDualStack", "RequireDualStack"), ASKED):
        spec = {"clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": list(asked), "type": "ClusterIP"}
        spec |= {"ipFamilyPolicy": policy} if policy else {}
        spec |= {"selector": {"a": "b"}} if selectors else {}
        errors = server.initialise(spec, None, cluster)
        found = decided(policy, asked, cluster, selectors=selectors)
        if errors:
            assert found == tuple(error.field for error in errors), (policy, asked)
        else:
            assert found == (spec["ipFamilyPolicy"], tuple(spec["ipFamilies"])), (policy, asked)
