"""Servers that break one promise each: a relay before the real API server changes what it is asked or what it says."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kube46.kubernetes.client import Body, Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import ApiError

Object = dict[str, Any]


@dataclass
class Request:
    """A request on its way; all of it may be changed."""

    method: str
    path: str
    params: dict[str, str]
    body: Object
    headers: dict[str, str]

    @property
    def spec(self) -> Object:
        found: Object = self.body.get("spec") or {}
        return found

    def of_service(self, *methods: str) -> bool:
        """Whether it writes a Service by one of these methods."""
        return "/services" in self.path and self.method in methods


def _nothing(_: Any) -> None: ...


@dataclass(frozen=True)
class Break:
    """What a server does wrong, and the checks that must find it."""

    names: tuple[str, ...]
    asked: Callable[[Request], None] = _nothing
    said: Callable[[Object], None] = _nothing
    forgives: Callable[[Request, ApiError], bool] = lambda request, error: False


class Broken(Client):
    """The client that has such a server at its other end."""

    def __init__(self, config: ClusterConfig, fault: Break) -> None:
        super().__init__(config, component="test")
        self._fault = fault

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Body | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """As the real one's, with the fault."""
        sent = json.loads(json.dumps(body)) if isinstance(body, dict) else {}
        request = Request(method, path, dict(params or {}), sent, dict(headers or {}))
        if isinstance(body, dict):
            self._fault.asked(request)
        try:
            answer = await super().request(
                method,
                request.path,
                params=request.params,
                body=request.body if isinstance(body, dict) else body,
                headers=request.headers,
            )
        except ApiError as error:
            if self._fault.forgives(request, error):
                return json.dumps(request.body).encode()
            raise
        said = json.loads(answer)
        if not isinstance(said, dict):  # a log
            return answer
        self._fault.said(said)
        return json.dumps(said).encode()


def _ordered(request: Request) -> None:
    """The order that was asked for is not kept: IPv4 first, always."""
    if request.of_service("POST") and request.spec.get("ipFamilies"):
        request.spec["ipFamilies"].sort()


def _single(request: Request) -> None:
    """Load balancers get one family, whatever they prefer."""
    if request.of_service("POST") and request.spec.get("type") == "LoadBalancer":
        request.spec["ipFamilyPolicy"] = "SingleStack"


def _headless(request: Request) -> None:
    """Headless Services without selector are as those with one."""
    if request.of_service("POST") and request.spec.get("clusterIP") == "None" and "selector" not in request.spec:
        request.spec.setdefault("ipFamilyPolicy", "SingleStack")


def _forgetful(request: Request) -> None:
    """A client that does not know ipFamilies is taken to want none: what it does not write is released."""
    if request.of_service("PUT") and request.spec.get("clusterIP") and "ipFamilies" not in request.spec:
        request.spec["ipFamilyPolicy"] = "SingleStack"


def _wet(request: Request) -> None:
    """A dry run of a patch is carried out."""
    if request.method == "PATCH":
        request.params["dryRun"] = ""


def _other_address(request: Request) -> None:
    """Addresses asked for are not given: others of their families are."""
    wanted = request.spec.get("clusterIPs", []) if request.of_service("POST") else []
    if len(wanted) == 2 and not any(address.startswith(("192.0.2", "2001:db8")) for address in wanted):
        request.spec["ipFamilies"] = ["IPv6" if ":" in address else "IPv4" for address in wanted]
        del request.spec["clusterIP"], request.spec["clusterIPs"]


def _singular(said: Object) -> None:
    """Node ports are of the first family: the second address is not told."""
    spec = said.get("spec") or {}
    if spec.get("type") == "NodePort":
        spec["clusterIPs"] = spec["clusterIPs"][:1]


def _first_last(said: Object) -> None:
    """Old clients are told the second address of Services that were asked for by server-side apply."""
    fields = (said.get("metadata") or {}).get("managedFields") or []
    if any(entry.get("operation") == "Apply" for entry in fields) and len(said["spec"].get("clusterIPs", ())) == 2:
        said["spec"]["clusterIP"] = said["spec"]["clusterIPs"][1]


def _external(said: Object) -> None:
    """ExternalName Services keep a policy."""
    if (said.get("spec") or {}).get("type") == "ExternalName":
        said["spec"]["ipFamilyPolicy"] = "SingleStack"


def _pods(said: Object) -> None:
    """podIP is the last of podIPs."""
    status = said.get("status")
    if isinstance(status, dict) and len(status.get("podIPs") or ()) == 2:
        status["podIP"] = status["podIPs"][1]["ip"]


def _of_slices(request: Request, error: ApiError) -> bool:
    """EndpointSlices take any address."""
    return request.method == "POST" and request.path.endswith("/endpointslices") and error.status == 422


def _second_changes(request: Request, error: ApiError) -> bool:
    """A second address may be changed."""
    causes = error.details.get("causes") or []
    return "may not change once set" in error.message and {cause["field"] for cause in causes} == {"spec.clusterIPs[1]"}


def _contradictions(request: Request, error: ApiError) -> bool:
    """A family may be named twice."""
    return "Duplicate value" in error.message


def _anywhere(request: Request, error: ApiError) -> bool:
    """Any address will do."""
    return "is not in the valid range" in error.message


def _twice(request: Request, error: ApiError) -> bool:
    """An address may be given twice; not where one freed a moment ago went to somebody else, by chance."""
    own = (request.body.get("metadata") or {}).get("name", "").startswith("service-taken")
    return own and "provided IP is already allocated" in error.message


BREAKS = {
    "families in another order": Break(("service-order", "service-table"), asked=_ordered),
    "load balancers of one family": Break(("service-load-balancer",), asked=_single),
    "headless by the cluster": Break(("service-headless", "service-headless-change", "service-table"), asked=_headless),
    "old clients take away": Break(("old-client-update",), asked=_forgetful),
    "dry runs that are none": Break(("service-dry-run",), asked=_wet),
    "other addresses": Break(("service-chosen",), asked=_other_address),
    "node ports of one family": Break(("service-node-port", "service-types"), said=_singular),
    "a wrong first address": Break(("service-apply",), said=_first_last),
    "ExternalName with a policy": Break(("service-external-name", "service-to-external"), said=_external),
    "a wrong podIP": Break(("pod-address-fields",), said=_pods),
    "slices of any family": Break(("endpointslice-fields",), forgives=_of_slices),
    "second addresses change": Break(("service-second-address",), forgives=_second_changes),
    "a family twice": Break(("service-refusals",), forgives=_contradictions),
    "any address": Break(("service-outside",), forgives=_anywhere),
    "an address twice": Break(("service-taken",), forgives=_twice),
}
