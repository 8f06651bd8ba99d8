"""What of Services and EndpointSlices decides where packets and names lead; see the package.

A node keeps all of the cluster's, so it keeps no more than this of each. Field for field these are parts of `Service`
and `EndpointSlice`, as which they are read again.
"""

from msgspec import field

from kube46.api.objects.meta import Value
from kube46.api.objects.services import (
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    ServiceSpec,
    ServiceStatus,
)


class RoutedLabels(Value, frozen=True):
    """metadata.labels that say whose an object is."""

    service_name: str = field(default="", name="kubernetes.io/service-name")
    managed_by: str = field(default="", name="endpointslice.kubernetes.io/managed-by")
    headless: str | None = field(default=None, name="service.kubernetes.io/headless")
    proxy_name: str | None = field(default=None, name="service.kubernetes.io/service-proxy-name")


class RoutedAnnotations(Value, frozen=True):
    """metadata.annotations that are measured."""

    trigger_time: str = field(default="", name="endpoints.kubernetes.io/last-change-trigger-time")


class RoutedMeta(Value, frozen=True):
    """metadata."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: RoutedLabels = RoutedLabels()
    annotations: RoutedAnnotations = RoutedAnnotations()


class RoutedServiceMeta(RoutedMeta, frozen=True):
    """metadata of a Service: the DNS Service owns the slices that nodes make for it."""

    uid: str = ""


class RoutedService(Value, frozen=True):
    """v1 Service."""

    metadata: RoutedServiceMeta = RoutedServiceMeta()
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class RoutedEndpoint(Value, frozen=True):
    """endpoints[] of a slice, but for the pod that it is."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    hints: EndpointHints | None = None


class RoutedSlice(Value, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: RoutedMeta = RoutedMeta()
    address_type: str = ""
    endpoints: tuple[RoutedEndpoint, ...] | None = ()
    ports: tuple[EndpointPort, ...] | None = ()
