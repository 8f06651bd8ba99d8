"""What the kubelet counts; names are upstream's where it has the same."""

from prometheus_client import Counter, Gauge, Histogram

RUNNING_PODS = Gauge("kubelet_running_pods", "Pods that have a sandbox.")
RUNNING_CONTAINERS = Gauge("kubelet_running_containers", "Containers that run.")
STARTED_CONTAINERS = Counter("kubelet_started_containers", "Containers started, restarts included.")
POD_START_SECONDS = Histogram(
    "kubelet_pod_start_sli_duration_seconds",
    "Seconds from when the kubelet first saw a pod until its status said Running.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
