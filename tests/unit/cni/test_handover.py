"""What plugin executables hand to the agent."""

import pytest

from kube46.cni.handover import Handover, parse


@pytest.mark.parametrize("pod", ["4:4026532000", ""])
def test_a_handover_is_read(pod: str) -> None:
    """Plugin, namespaces, environment and configuration; the pod's namespace may be gone, as after a reboot."""
    data = f"bridge\0net:[1]\0{pod}\0CNI_COMMAND=DEL\0CNI_ARGS=a=b\0CNI_NETNS=\0\0{{}}\0\0".encode()
    environment = {"CNI_COMMAND": "DEL", "CNI_ARGS": "a=b", "CNI_NETNS": ""}
    assert parse(data) == Handover("bridge", "net:[1]", pod, environment, b"{}\0\0")


@pytest.mark.parametrize(
    "data", [b"", b"bridge\0", b"bridge\0net\0pod\0CNI_COMMAND=ADD\0", b"bridge\0net\0pod\0odd\0\0"]
)
def test_half_a_handover_is_refused(data: bytes) -> None:
    """What was cut off is no request."""
    with pytest.raises(ValueError):
        parse(data)
