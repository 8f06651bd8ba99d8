"""What `up` and `status` tell of a cluster, as text. Pure."""

from collections.abc import Iterable, Sequence

from kube46.api.objects import Node
from kube46.lab.settings import Settings, families_text


def table(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Rows in columns, two blanks apart."""
    rows = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(indent + line for line in lines)


def heading(settings: Settings) -> str:
    """`dev: ipv4,ipv6, 2 nodes`."""
    count = f"{settings.nodes} node{'s' if settings.nodes != 1 else ''}"
    return f"{settings.name}: {families_text(settings.families)}, {count}"


def nodes(found: Iterable[Node]) -> str:
    """One line a node: addresses, pods' blocks, readiness."""
    rows = [("NODE", "STATUS", "ADDRESSES", "PODS")]
    for node in sorted(found, key=lambda node: node.metadata.name):
        addresses, blocks = ",".join(node.status.internal_ips), ",".join(node.spec.pod_cidrs)
        rows.append((node.metadata.name, status(node), addresses or "-", blocks or "-"))
    return table(rows)


def status(node: Node) -> str:
    """As kubectl prints it."""
    return "Ready" if is_ready(node) else "NotReady"


def is_ready(node: Node) -> bool:
    """Whether the node's Ready condition is True."""
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def pools(settings: Settings) -> str:
    """The address pools of the cluster."""
    return table([("pods", ", ".join(settings.pod_cidrs)), ("services", ", ".join(settings.service_cidrs))])


def next_steps(name: str, default_name: str) -> str:
    """Three commands to try."""
    flag = "" if name == default_name else f" --name {name}"
    return "\n".join(
        (
            "  kubectl get nodes -o wide",
            f"  kube46 shell{flag} outside",
            f"  kube46 check{flag}",
        )
    )
