"""Many clients at once: no address or node port ever belongs to two Services, and none is lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from server.running import Server

SERVICES, ADDRESSES = "/api/v1/namespaces/default/services", "/apis/networking.k8s.io/v1/ipaddresses"
MERGE = {"content-type": "application/merge-patch+json"}
CLIENTS, REQUESTS = 6, 40
FLAGS = ("--service-cluster-ip-range", "10.96.0.0/28,fd00:10:96::/124", "--service-node-port-range", "30000-30009")


def at_once(server: Server, ask: Callable[[int, httpx2.Client], None]) -> None:
    """Each client on a thread and a connection of its own, begun together."""
    start, failures = threading.Barrier(CLIENTS), list[BaseException]()

    def run(number: int) -> None:
        try:
            with server.client() as client:
                start.wait()
                ask(number, client)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def held(server: Server) -> tuple[Counter[str], Counter[int], dict[str, str]]:
    """How many Services hold each address and each node port, and whose each record says that the address is."""
    with server.client() as client:
        services = client.get(SERVICES).json()["items"]
        records = client.get(ADDRESSES).json()["items"]
    specs = [service["spec"] for service in services]
    addresses = Counter(ip for spec in specs for ip in spec.get("clusterIPs", ()) if ip != "None")
    ports = Counter(
        port for spec in specs for port in {p["nodePort"] for p in spec.get("ports", ()) if "nodePort" in p}
    )
    ports.update(spec["healthCheckNodePort"] for spec in specs if "healthCheckNodePort" in spec)
    return addresses, ports, {one["metadata"]["name"]: one["spec"]["parentRef"]["name"] for one in records}


def check(server: Server) -> None:
    """Each is held once; records and Services say the same."""
    addresses, ports, records = held(server)
    assert all(count == 1 for count in addresses.values()), addresses
    assert all(count == 1 for count in ports.values()), ports
    assert records.keys() == addresses.keys()
    with server.client() as client:
        for address, name in records.items():
            assert address in client.get(f"{SERVICES}/{name}").json()["spec"]["clusterIPs"]


def test_one_address_is_asked_for_by_all(server_factory: Callable[..., Server]) -> None:
    """Of clients that ask for the same address and node port, one gets them; the others are told so."""
    server = server_factory(flags=FLAGS)
    codes: list[tuple[int, str]] = []

    def ask(number: int, client: httpx2.Client) -> None:
        spec = {"clusterIP": "10.96.0.5", "type": "NodePort", "ports": [{"port": 80, "nodePort": 30005}]}
        made = client.post(SERVICES, json={"metadata": {"name": f"s{number}"}, "spec": spec})
        codes.append((made.status_code, made.json().get("message", "")))

    at_once(server, ask)
    assert sorted(code for code, _ in codes) == [201, *[422] * (CLIENTS - 1)]
    assert all("already allocated" in message for code, message in codes if code == 422)
    check(server)


def test_the_last_addresses_are_given_once(server_factory: Callable[..., Server]) -> None:
    """More clients than addresses: all are given away, each once, and as many are freed by deletions."""
    server = server_factory(flags=FLAGS)
    codes: Counter[int] = Counter()

    def fill(number: int, client: httpx2.Client) -> None:
        for turn in range(3):
            body = {"metadata": {"name": f"s{number}-{turn}"}, "spec": {"ports": [{"port": 80}]}}
            codes[client.post(SERVICES, json=body).status_code] += 1

    def empty(number: int, client: httpx2.Client) -> None:
        for turn in range(3):
            client.delete(f"{SERVICES}/s{number}-{turn}")

    at_once(server, fill)
    assert codes == {201: 13, 500: CLIENTS * 3 - 13}  # of 14 the first belongs to `kubernetes`
    check(server)
    at_once(server, empty)
    assert set(held(server)[2]) == {"10.96.0.1"}


def test_whatever_clients_do_at_once(server_factory: Callable[..., Server]) -> None:
    """Creates, changes of policy, type and ports, records deleted and made by users: nothing is held twice or lost."""
    server = server_factory(flags=FLAGS)

    def ask(number: int, client: httpx2.Client) -> None:
        draw = random.Random(number)
        for _ in range(REQUESTS):
            name = draw.choice("abcdefgh")
            path = f"{SERVICES}/{name}"
            match draw.randrange(6):
                case 0 | 1:
                    client.post(SERVICES, json={"metadata": {"name": name}, "spec": spec(draw)})
                case 2:
                    client.put(path, json={"metadata": {"name": name}, "spec": spec(draw)})
                case 3:
                    policy = draw.choice(["SingleStack", "PreferDualStack", "RequireDualStack"])
                    body: dict[str, Any] = {"spec": {"ipFamilyPolicy": policy}}
                    if policy == "SingleStack":
                        body["spec"] |= {"clusterIPs": None, "ipFamilies": None}
                    client.patch(path, json=body, headers=MERGE)
                case 4:
                    client.patch(path, json={"spec": {"type": draw.choice(["ClusterIP", "NodePort"])}}, headers=MERGE)
                case _:
                    client.delete(path)

    at_once(server, ask)
    check(server)
    server.stop()
    server.start()
    check(server)


def spec(draw: random.Random) -> dict[str, Any]:
    """A Service's, of few addresses and ports, so that clients meet."""
    ports: list[dict[str, Any]] = [{"port": 80}]
    if draw.random() < 0.5:
        ports[0]["nodePort"] = draw.randrange(30000, 30004)
    found: dict[str, Any] = {"type": draw.choice(["NodePort", "LoadBalancer"]), "ports": ports}
    if draw.random() < 0.5:
        found["clusterIP"] = draw.choice(["10.96.0.5", "10.96.0.6", "fd00:10:96::5"])
    if draw.random() < 0.5:
        found["ipFamilyPolicy"] = draw.choice(["PreferDualStack", "RequireDualStack"])
    if draw.random() < 0.3:
        found |= {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    return found
