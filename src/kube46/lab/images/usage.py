"""Which images run: what the kubelets of all clusters have on record of containers that have not ended."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kube46.lab.paths import STATE_ROOT

RECORDS = "*/nodes/*/kubelet/pods/*/containers/*/*/run.json"


def in_use(clusters: Path = STATE_ROOT) -> Mapping[str, str]:
    """Image ID → who runs it, also in a cluster that is stopped: it runs again with the cluster."""
    return {str(record["image_id"]): _who(clusters, file) for file, record in _live(clusters)}


def _live(clusters: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for file in sorted(clusters.glob(RECORDS)):
        with suppress(OSError, ValueError):
            record = json.loads(file.read_bytes())
            if isinstance(record, dict) and record.get("image_id") and record.get("finished") is None:
                yield file, record


def _who(clusters: Path, file: Path) -> str:
    """The pod's name, which is told in the bundle of a container that runs."""
    cluster, _, node, _, _, uid = file.relative_to(clusters).parts[:6]
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(file.with_name("config.json").read_bytes())["annotations"]
        name = f"{told['io.kubernetes.pod.namespace']}/{told['io.kubernetes.pod.name']}"
        return f"pod {name} on {node} of cluster {cluster}"
    return f"a pod ({uid}) on {node} of cluster {cluster}"
