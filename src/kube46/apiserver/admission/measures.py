"""What webhooks cost and refuse, counted under kube-apiserver's names.

Source: k8s.io/apiserver pkg/admission/metrics/metrics.go.
"""

from __future__ import annotations

from prometheus_client import Gauge, Histogram

# gauges that only grow: as counters they would be told under names that upstream's do not have
MOST_CODE = 600  # greater ones are told as it
DURATION = Histogram(
    "apiserver_admission_webhook_admission_duration_seconds",
    "Admission webhook latency in seconds, by name, operation and type (validating or admit).",
    ("name", "type", "operation", "rejected"), buckets=(0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10, 25), registry=None,
)  # fmt: skip
REQUESTS = Gauge(
    "apiserver_admission_webhook_request_total", "Calls of admission webhooks.",
    ("name", "type", "operation", "code", "rejected"), registry=None,
)  # fmt: skip
REJECTIONS = Gauge(
    "apiserver_admission_webhook_rejection_count", "Requests that admission webhooks refused.",
    ("name", "type", "operation", "error_type", "rejection_code"), registry=None,
)  # fmt: skip
FAIL_OPEN = Gauge(
    "apiserver_admission_webhook_fail_open_count", "Calls of admission webhooks that failed and were passed over.",
    ("name", "type"), registry=None,
)  # fmt: skip


def called(name: str, step: str, operation: str, seconds: float, code: int, *, rejected: bool) -> None:
    """A webhook has answered, or failed to."""
    DURATION.labels(name, step, operation, str(rejected).lower()).observe(seconds)
    REQUESTS.labels(name, step, operation, str(min(code, MOST_CODE)), str(rejected).lower()).inc()


def rejected(name: str, step: str, operation: str, why: str, code: int) -> None:
    """A request was refused; `why`: calling_webhook_error, apiserver_internal_error, no_error."""
    REJECTIONS.labels(name, step, operation, why, str(min(code, MOST_CODE))).inc()


def passed_over(name: str, step: str) -> None:
    """A webhook could not be asked, and need not be."""
    FAIL_OPEN.labels(name, step).inc()
