"""Four well-known applications, as their projects publish them, work on each of the four family settings."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.conftest import SETTINGS, Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]
EXAMPLES = Path(__file__).parents[2] / "examples"
APPLICATIONS = ("04-redis/redis", "05-postgresql/postgresql", "06-nginx/nginx", "07-guestbook/guestbook")
NAMESPACE = "applications"
FLAGS = {"IPv4": "ahostsv4", "IPv6": "ahostsv6"}
# For each family: tells the master its own address, and asks the replicas' Service and each replica for it.
REPLICATE = """
for family; do
    address() { getent $family $1 | while read -r first rest; do echo $first; break; done; }
    master=$(address redis-master)
    echo $master $(redis-cli -h $master set $family $master) $(redis-cli -h $master wait 2 5000) $(
        for name in redis-replicas redis-replicas-0.redis-headless redis-replicas-1.redis-headless; do
            redis-cli -h $(address $name) get $family
        done)
done
"""


@dataclass(frozen=True)
class Place:
    """A cluster with the applications in it, and what it is asked with."""

    cluster: Cluster

    def kubectl(self, *arguments: str, **options: object) -> str:
        """kubectl in the applications' namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *arguments, **options)

    def inside(self, pod: str, *command: str) -> str:
        """What a command in a pod says."""
        return self.kubectl("exec", pod, "--", *command).strip()

    @property
    def families(self) -> list[str]:
        """The cluster's, primary first, as Services name them."""
        return [f"IP{family[2:]}" for family in self.cluster.families]

    def addresses(self, pod: str, name: str) -> list[str]:
        """What a name resolves to in a pod, an address of each of the cluster's families."""
        return [self.inside(pod, "getent", FLAGS[family], name).split()[0] for family in self.families]

    def urls(self, port: int) -> list[str]:
        """A node port as seen from outside, over each family."""
        node = self.cluster.get("nodes")["items"][0]
        found = [entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"]
        assert [":" in address for address in found] == [family == "IPv6" for family in self.families]
        return [f"http://[{a}]:{port}" if ":" in a else f"http://{a}:{port}" for a in found]

    def curl(self, url: str) -> str:
        """What a URL says outside of the cluster."""
        return self.cluster.at("outside", "curl", "-sS", "-f", "-m", "3", url)


@pytest.fixture(scope="module")
def places(clusters: Callable[[str], Cluster]) -> Iterator[dict[str, Place]]:
    """All applications applied to all four clusters, so that they start at the same time."""
    found = {setting: Place(clusters(setting)) for setting in SETTINGS}
    for place in found.values():
        place.cluster.kubectl("create", "namespace", NAMESPACE)
        files = [argument for name in APPLICATIONS for argument in ("-f", str(EXAMPLES / f"{name}.yaml"))]
        place.kubectl("apply", *files)
    yield found
    for place in found.values():
        place.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    for place in found.values():
        place.cluster.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=60s")


@pytest.fixture(params=SETTINGS)
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    """The cluster of one setting."""
    return places[request.param]


def test_redis_replicates(place: Place) -> None:
    """What the master is told, by name and over each family, each replica says by its own name and at its Service."""
    for workload in ("statefulset/redis-master", "statefulset/redis-replicas"):
        place.kubectl("rollout", "status", workload, "--timeout=90s")
    said = place.inside("redis-replicas-0", "sh", "-ec", REPLICATE, "sh", *(FLAGS[family] for family in place.families))
    rounds = [line.split() for line in said.splitlines()]
    assert [":" in words[0] for words in rounds] == [family == "IPv6" for family in place.families]
    for master, *answers in rounds:
        assert answers == ["OK", "2", master, master, master]
    refused = place.inside("redis-master-0", "redis-cli", "-h", "redis-replicas", "set", "key", "other")
    assert "READONLY" in refused


def test_postgresql_keeps_its_data(place: Place) -> None:
    """Rows written through the Service over each family are there for the pod that comes after."""
    place.kubectl("rollout", "status", "statefulset/postgresql", "--timeout=90s")

    def query(sql: str, host: str = "postgresql") -> str:
        password = "PGPASSWORD=$(cat /opt/secrets/postgres-password)"
        shell = f'{password} exec psql -tA -h "$0" -U shop -c "$1"'
        return place.inside("postgresql-0", "sh", "-c", shell, host, sql)

    for host in place.addresses("postgresql-0", "postgresql"):
        said = query("INSERT INTO visits (who) VALUES (inet_client_addr()) RETURNING family(who::inet)", host)
        assert said.splitlines()[0] == ("6" if ":" in host else "4")
    before = place.cluster.get("-n", NAMESPACE, "pod", "postgresql-0")["metadata"]["uid"]
    place.kubectl("delete", "pod", "postgresql-0", "--timeout=60s")
    place.kubectl("rollout", "status", "statefulset/postgresql", "--timeout=90s")
    assert place.cluster.get("-n", NAMESPACE, "pod", "postgresql-0")["metadata"]["uid"] != before
    assert eventually(lambda: query("SELECT count(*) FROM visits")) == str(len(place.families))


def test_nginx_rolls_a_configuration_out(place: Place) -> None:
    """Pages and configuration come from ConfigMaps; a rolling update to others fails no request, over each family."""
    place.kubectl("rollout", "status", "deployment/nginx", "--timeout=90s")
    urls = place.urls(30082)
    for url in urls:
        assert "Hello from a ConfigMap" in eventually(lambda url=url: place.curl(url))
        assert "answers" in place.curl(f"{url}/whoami")
    old = place.cluster.get("-n", NAMESPACE, "configmap", "nginx-server-block")["data"]["server-block.conf"]
    new = old.replace("answers", "now answers")
    place.kubectl("patch", "configmap", "nginx-server-block", "-p", json.dumps({"data": {"server-block.conf": new}}))
    place.kubectl("rollout", "restart", "deployment/nginx")

    def all_updated() -> bool:
        for url in urls:
            place.curl(f"{url}/whoami")  # raises when the request fails
        status = place.cluster.get("-n", NAMESPACE, "deployment", "nginx")["status"]
        return status["observedGeneration"] > 1 and status.get("updatedReplicas") == status["replicas"] == 2

    while not all_updated():
        pass
    place.kubectl("rollout", "status", "deployment/nginx", "--timeout=60s")
    for url in urls:
        assert "now answers" in place.curl(f"{url}/whoami")


def test_guestbook_is_signed_from_outside(place: Place) -> None:
    """An entry goes from a node port through the front end to the leader, and comes back from a follower."""
    for tier in ("redis-leader", "redis-follower", "frontend"):
        place.kubectl("rollout", "status", f"deployment/{tier}", "--timeout=90s")
    for number, url in enumerate(place.urls(30081)):
        assert "<h2>Guestbook</h2>" in eventually(lambda url=url: place.curl(url))
        query = f"{url}/guestbook.php?key=messages"
        said = eventually(lambda q=query, n=number: place.curl(f"{q}&cmd=set&value=,guest{n}"))
        assert json.loads(said) == {"message": "Updated"}
        eventually(lambda q=query, n=number: json.loads(place.curl(f"{q}&cmd=get")) == {"data": f",guest{n}"})
