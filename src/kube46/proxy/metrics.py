"""What the proxy counts, under kube-proxy's names and with its labels, so that dashboards and alerts keep working.

Both families are programmed by one transaction, so they have the same figures. Source: pkg/proxy/metrics/metrics.go of
Kubernetes 1.37; the buckets of NETWORK_PROGRAMMING_SECONDS have finer ones below kube-proxy's first.
"""

from prometheus_client import Counter, Gauge, Histogram

FAMILY = ("ip_family",)
DOUBLING = [0.001 * 2**power for power in range(15)]

SYNC_SECONDS = Histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "From the start of a pass over changed Services to the kernel's answer",
    FAMILY,
    buckets=DOUBLING,
)
FULL_SYNC_SECONDS = Histogram(
    "kubeproxy_sync_full_proxy_rules_duration_seconds",
    "The same, of passes that read the table",
    FAMILY,
    buckets=DOUBLING,
)
PARTIAL_SYNC_SECONDS = Histogram(
    "kubeproxy_sync_partial_proxy_rules_duration_seconds", "The same, of all others", FAMILY, buckets=DOUBLING
)
NETWORK_PROGRAMMING_SECONDS = Histogram(
    "kubeproxy_network_programming_duration_seconds",
    "From the change of a pod or Service to its being in the kernel",
    FAMILY,
    buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, *range(1, 61), *range(65, 121, 5), *range(150, 301, 30)],
)
LAST_SYNC = Gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When the last pass succeeded", FAMILY)
LAST_QUEUED = Gauge(
    "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "When a pass was last asked for", FAMILY
)
SERVICE_CHANGES = Counter("kubeproxy_sync_proxy_rules_service_changes", "Changes of Services seen")
ENDPOINT_CHANGES = Counter("kubeproxy_sync_proxy_rules_endpoint_changes", "Changes of EndpointSlices seen")
SERVICES_PENDING = Gauge(
    "kubeproxy_sync_proxy_rules_service_changes_pending", "Changes of Services not yet in the kernel"
)
ENDPOINTS_PENDING = Gauge(
    "kubeproxy_sync_proxy_rules_endpoint_changes_pending", "Changes of EndpointSlices not yet in the kernel"
)
SYNC_FAILURES = Counter("kubeproxy_sync_proxy_rules_nftables_sync_failures", "Passes that the kernel refused", FAMILY)
CLEANUP_FAILURES = Counter(
    "kubeproxy_sync_proxy_rules_nftables_cleanup_failures",
    "Deletions of what nothing needs any more that the kernel refused",
    FAMILY,
)
NO_LOCAL_ENDPOINTS = Gauge(
    "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
    "Service ports whose policy is Local and that have endpoints, but none on this node",
    ("traffic_policy", "ip_family"),
)
HEALTHZ = Counter("kubeproxy_proxy_healthz", "Answers of /healthz", ("code",))
LIVEZ = Counter("kubeproxy_proxy_livez", "Answers of /livez", ("code",))
FLOWS_SECONDS = Histogram(
    "kubeproxy_conntrack_reconciler_sync_duration_seconds", "Looking for stale connections", FAMILY, buckets=DOUBLING
)
FLOWS_FORGOTTEN = Counter(
    "kubeproxy_conntrack_reconciler_deleted_entries", "Tracked connections deleted as their endpoint went", FAMILY
)
REPAIRS = Counter("kube46_proxy_repairs", "Refused transactions, each followed by a look at the table")
ELEMENTS = Gauge("kube46_proxy_elements", "Elements in the maps and sets of the table")
