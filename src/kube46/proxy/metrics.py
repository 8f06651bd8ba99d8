"""What the proxy counts, under kube-proxy's names and with its buckets, so that dashboards and alerts keep working.

Source: pkg/proxy/metrics/metrics.go of Kubernetes 1.37.
"""

from prometheus_client import Counter, Gauge, Histogram

SYNC_SECONDS = Histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "From the start of a pass over changed Services to the kernel's answer",
    buckets=[0.001 * 2**power for power in range(15)],
)
NETWORK_PROGRAMMING_SECONDS = Histogram(
    "kubeproxy_network_programming_duration_seconds",
    "From the change of a pod or Service to its being in the kernel",
    buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, *range(1, 61), *range(65, 121, 5), *range(150, 301, 30)],
)
LAST_SYNC = Gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When the last pass succeeded")
SERVICE_CHANGES = Counter("kubeproxy_sync_proxy_rules_service_changes", "Changes of Services seen")
ENDPOINT_CHANGES = Counter("kubeproxy_sync_proxy_rules_endpoint_changes", "Changes of EndpointSlices seen")
SYNC_FAILURES = Counter("kubeproxy_sync_proxy_rules_nftables_sync_failures", "Passes that the kernel refused")
REPAIRS = Counter("kube46_proxy_repairs", "Refused transactions, each followed by a look at the table")
ELEMENTS = Gauge("kube46_proxy_elements", "Elements in the maps and sets of the table")
FLOWS_FORGOTTEN = Counter("kube46_proxy_flows_forgotten", "Tracked connections deleted because their endpoint went")
