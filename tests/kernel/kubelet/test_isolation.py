"""An attacker inside a pod: as root and as nobody, on the pod's network and on the node's."""

from pathlib import Path

import pytest

from kernel.kubelet.conftest import container
from kernel.kubelet.test_pods import output, phase

pytestmark = pytest.mark.root
ATTACK = (Path(__file__).parent / "attack.py").read_text()
# What is open on purpose: own mounts, and what every process may do.
HARMLESS = {"list /dev/mqueue", "list /dev/shm", "list /run", "list /tmp"}


@pytest.mark.parametrize("host_network", [False, True], ids=["own-network", "host-network"])
@pytest.mark.parametrize("user", [0, None], ids=["root", "nobody"])
def test_attacks(node, user, host_network):
    """None of the attempts gets anywhere."""
    name = f"i-attack-{user}-{host_network}".lower()
    command = ("python3", "-c", ATTACK, "10.46.0.11", "127.0.0.1:6443" if host_network else "10.46.0.11:6443", "77")
    context = {} if user is None else {"runAsUser": user}
    node.apply(
        name, restartPolicy="Never", hostNetwork=host_network, securityContext=context,
        containers=[container("main", *command)],
    )  # fmt: skip
    node.until(name, phase("Succeeded"), 40)
    lines = output(node, name).splitlines()
    found = {line.removesuffix(": OPEN") for line in lines if line.endswith(": OPEN")}

    assert len(lines) > 70
    assert found - HARMLESS == set(), "\n".join(lines)


def test_fork_bomb(node):
    """A user's processes are bounded, so a bomb of nobody's leaves the machine alone; core files are never written."""
    script = """
import os, resource, signal
print(resource.getrlimit(resource.RLIMIT_NPROC), resource.getrlimit(resource.RLIMIT_CORE))
resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            signal.pause()
        made += 1
except BlockingIOError:
    print("bounded", made <= 300)
"""
    node.apply("i-bomb", restartPolicy="Never", containers=[container("main", "python3", "-c", script)])
    node.until("i-bomb", phase("Succeeded"))

    assert output(node, "i-bomb") == "(8192, 8192) (0, 0)\nbounded True\n"


def test_full_disk_of_a_pod(node):
    """What a pod writes outside of its volumes is bounded: 512 MiB for each writable directory of its root."""
    script = "for d in /tmp /run /home /root /var/tmp /var/log; do df -m --output=size $d | tail -1; done | sort -u"
    node.apply("i-disk", restartPolicy="Never", containers=[container("main", "sh", "-c", script)])
    node.until("i-disk", phase("Succeeded"))

    assert output(node, "i-disk").split() == ["512"]
