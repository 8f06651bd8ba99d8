"""API servers behind another one: APIServices that lead to a program of the tests, and some that lead nowhere."""

import base64
import ssl
import time
from pathlib import Path
from typing import Any

import httpx2

from kube46.apiserver.certificates import Authority, write_private
from patience import patient
from server.running import Server

PORT = 8444
GROUP, VERSION = "wardle.example.com", "v1alpha1"
BASE = f"/apis/{GROUP}/{VERSION}"
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
# group → the Service, its port, and whether the right authority is named
OTHERS = {
    "absent.example.com": ("absent", 443, True),
    "noport.example.com": ("web", 4, True),
    "unready.example.com": ("unready", 80, True),
    "noendpoints.example.com": ("empty", 80, True),
    "stranger.example.com": ("web", 444, False),
}
REASONS = {
    "Passed",
    "ServiceNotFound",
    "ServicePortError",
    "MissingEndpoints",
    "EndpointsNotFound",
    "FailedDiscoveryCheck",
}
WHAT = "redirect cors teapot empty unchanged chunks untilend"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
REQUESTS = [
    *(("GET", f"{BASE}/x/{what}") for what in WHAT.split()),
    *((method, f"{BASE}/namespaces/default/flunders/x?method={method}") for method in METHODS),
    *(("GET", f"{BASE}{rest}") for rest in ("", "/", "/a/b?c=d&f=", "/%C3%A9%20x", "/flunders?watch=true")),
    *(("GET", f"/apis/{group}/{VERSION}/things") for group in OTHERS),
    ("GET", "/apis/nobody.example.com/v1/things"),
]
OF_UPSTREAM = (
    "--enable-aggregator-routing=true", "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User", "--requestheader-uid-headers=X-Remote-Uid",
    "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
)  # fmt: skip


def front(directory: Path) -> tuple[str, ...]:
    """What both servers are given to show to those behind them: one certificate."""
    own = directory / "front"
    certificate, key = Authority.load_or_create(own).issue("front-proxy-client", client=True)
    (own / "client.crt").write_bytes(certificate)
    write_private(own / "client.key", key)
    return (
        f"--proxy-client-cert-file={own}/client.crt", f"--proxy-client-key-file={own}/client.key",
        f"--requestheader-client-ca-file={own}/ca.crt",
    )  # fmt: skip


def context(directory: Path) -> ssl.SSLContext:
    """Of the API server behind: it talks to nobody who has not that certificate."""
    behind = Authority.load_or_create(directory / "behind")
    certificate, key = behind.issue("web", dns_names=("web.default.svc",), server=True)
    (directory / "behind.pem").write_bytes(certificate + key)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(directory / "behind.pem")
    made.load_verify_locations(cadata=Authority.load_or_create(directory / "front").certificate_pem.decode())
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def fill(api: httpx2.Client, directory: Path) -> None:
    """The APIServices."""
    right = Authority.load_or_create(directory / "behind").certificate_pem
    wrong = Authority.create().certificate_pem
    for group, (service, port, known) in ({GROUP: ("web", 444, True)} | OTHERS).items():
        spec = {
            "group": group, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 20,
            "service": {"namespace": "default", "name": service, "port": port},
            "caBundle": base64.b64encode(right if known else wrong).decode(),
        }  # fmt: skip
        answer = api.post(APISERVICES, json={"metadata": {"name": f"{VERSION}.{group}"}, "spec": spec})
        assert answer.status_code == 201, answer.text


def await_looked_at(api: httpx2.Client) -> None:
    """Until each has its condition, and what is available is asked."""
    deadline = time.monotonic() + patient(60)
    while len(_conditions(api)) <= len(OTHERS) or api.get(f"{BASE}/x").status_code != 200:
        assert time.monotonic() < deadline, (_conditions(api), api.get(f"{BASE}/x").text)
        time.sleep(0.1)


def conditions(server: Server) -> dict[str, tuple[str, str, str]]:
    """APIService → status, reason and message of its condition, the message left out where it names an address."""
    with server.client() as api:
        found = _conditions(api)
    return {
        name: (one["status"], one["reason"], "" if one["reason"] == "FailedDiscoveryCheck" else one["message"])
        for name, one in found.items()
    }


def _conditions(api: httpx2.Client) -> dict[str, Any]:
    items = [one for one in api.get(APISERVICES).json()["items"] if one["spec"].get("service")]
    return {
        one["metadata"]["name"]: next(c for c in one["status"]["conditions"] if c["type"] == "Available")
        for one in items
        if one.get("status", {}).get("conditions")
    }


def by_itself(seen: tuple[str, str, list[tuple[str, str]]]) -> bool:
    """Whether a server asked for itself what the one behind serves."""
    return any(name == "x-remote-user" and value.startswith("system:") for name, value in seen[2])
