"""Legacy Endpoints and mirrored EndpointSlices against a real API server."""

from server.controllers.cluster import Cluster, Json, eventually
from server.controllers.test_standalone import APPS, workload

SLICES = "/apis/discovery.k8s.io/v1/namespaces"


def mirrored(cluster: Cluster, namespace: str) -> list[Json]:
    label = "endpointslice.kubernetes.io/managed-by"
    every = cluster.items(f"{SLICES}/{namespace}/endpointslices")
    return [s for s in every if s["metadata"]["labels"].get(label) == "endpointslicemirroring-controller.k8s.io"]


def test_endpoints_follow_the_pods(cluster: Cluster, namespace: str) -> None:
    """A Service with a selector has Endpoints with its ready pods; they go with it."""
    core = f"/api/v1/namespaces/{namespace}"
    cluster.create(
        f"{core}/services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    )
    cluster.create(f"{APPS}/{namespace}/deployments", workload(2))

    def addresses() -> int:
        return sum(len(s.get("addresses", ())) for s in cluster.get(f"{core}/endpoints/web").get("subsets", ()))

    eventually(lambda: addresses() == 2)
    version = cluster.get(f"{core}/endpoints/web")["metadata"]["resourceVersion"]
    cluster.patch(f"{core}/services/web", {"metadata": {"labels": {"x": "y"}}})
    eventually(lambda: cluster.get(f"{core}/endpoints/web")["metadata"]["labels"].get("x") == "y")
    assert cluster.get(f"{core}/endpoints/web")["metadata"]["resourceVersion"] != version
    cluster.patch(f"{APPS}/{namespace}/deployments/web", {"spec": {"replicas": 1}})
    eventually(lambda: addresses() == 1)
    cluster.delete(f"{core}/services/web")
    eventually(lambda: cluster.missing(f"{core}/endpoints/web"))
    assert mirrored(cluster, namespace) == []


def test_written_endpoints_are_mirrored(cluster: Cluster, namespace: str) -> None:
    """Endpoints for a Service without a selector become slices of both families, and go when they do."""
    core = f"/api/v1/namespaces/{namespace}"
    cluster.create(f"{core}/services", {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 5432}]}})
    subsets = [{"addresses": [{"ip": "192.0.2.7"}, {"ip": "2001:db8::7"}], "ports": [{"port": 5432}]}]
    cluster.create(f"{core}/endpoints", {"metadata": {"name": "db"}, "subsets": subsets})
    eventually(lambda: len(mirrored(cluster, namespace)) == 2)
    found = {s["addressType"]: s["endpoints"][0]["addresses"] for s in mirrored(cluster, namespace)}
    assert found == {"IPv4": ["192.0.2.7"], "IPv6": ["2001:db8::7"]}
    cluster.patch(f"{core}/endpoints/db", {"subsets": [{**subsets[0], "addresses": [{"ip": "192.0.2.8"}]}]})
    eventually(lambda: [s["endpoints"][0]["addresses"] for s in mirrored(cluster, namespace)] == [["192.0.2.8"]])
    cluster.delete(f"{core}/services/db")
    eventually(lambda: mirrored(cluster, namespace) == [] and cluster.missing(f"{core}/endpoints/db"))
