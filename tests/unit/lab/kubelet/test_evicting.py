"""How much disk a pod may take."""

from decimal import Decimal

import pytest

from kube46.lab.kubelet.evicting import binary, pod_limit
from kube46.lab.kubelet.manifests import Container, Resources


def container(limit: str = "", restart: str | None = None) -> Container:
    """A container with that limit."""
    return Container(resources=Resources(limits={"ephemeral-storage": limit} if limit else {}), restart_policy=restart)


@pytest.mark.parametrize(
    ("containers", "init", "limit"),
    [
        ([""], [], None),
        (["5Mi"], [], "5Mi"),
        (["5Mi", "3Mi", ""], [], "8Mi"),
        (["0"], [], "0"),
        (["1Mi"], [("4Mi", None)], "4Mi"),
        (["1Mi"], [("2Mi", "Always"), ("4Mi", None)], "6Mi"),
        (["5Mi"], [("2Mi", "Always"), ("4Mi", None)], "7Mi"),
        ([""], [("4Mi", None), ("2Mi", "Always")], "4Mi"),
    ],
)
def test_limits_of_pods(containers: list[str], init: list[tuple[str, str | None]], limit: str | None) -> None:
    """Containers add up, sidecars run beside all that start after them, and init containers one by one."""
    found = pod_limit([container(one) for one in containers], [container(*one) for one in init])
    assert (None if found is None else binary(found)) == limit


def test_quantities_are_written_as_go_writes_them() -> None:
    """The largest unit that leaves a whole number."""
    assert [binary(Decimal(n)) for n in (0, 1000, 1024, 1536, 5 << 20)] == ["0", "1000", "1Ki", "1536", "5Mi"]
