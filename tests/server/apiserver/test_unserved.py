"""Kinds that nothing acts on: refused in plain words, or stored with a warning."""

import json
import subprocess

import pytest

from server.running import KUBECTL, Server

MANIFESTS = {
    "ResourceQuota": ("v1", {"hard": {"pods": "3", "limits.cpu": "2"}}),
    "LimitRange": ("v1", {"limits": [{"type": "Container"}]}),
}


def kubectl(server: Server, namespace: str, *arguments: str, text: str = "") -> tuple[int, str]:
    """Status and all output."""
    command = [KUBECTL, "--kubeconfig", server.kubeconfig(), "-n", namespace, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, input=text, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", MANIFESTS)
def test_stored_and_warned(server: Server, namespace: str, kind: str) -> None:
    """Manifests that bring such an object are applied, and kubectl shows that it does nothing."""
    version, spec = MANIFESTS[kind]
    text = json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    code, output = kubectl(server, namespace, "apply", "-f", "-", text=text)
    assert (code, "Warning: stored, not enforced" in output) == (0, True), output
    assert "x" in kubectl(server, namespace, "get", kind)[1]
    assert kubectl(server, namespace, "describe", kind)[0] == 0


@pytest.mark.parametrize("flags", [(), ("--cpu=50%",)])
def test_autoscale_is_refused(server: Server, namespace: str, flags: tuple[str, ...]) -> None:
    """`kubectl autoscale` says that there is no autoscaler and what to use instead; nothing is made."""
    kubectl(server, namespace, "create", "deployment", "web", "--image=host")
    code, output = kubectl(server, namespace, "autoscale", "deployment/web", "--max=3", *flags)
    assert code == 1
    assert "kube46 has no autoscaler yet" in output
    assert "kubectl scale" in output
    assert "No resources found" in kubectl(server, namespace, "get", "hpa")[1]


def test_quotas_are_listed(server: Server, namespace: str) -> None:
    """Requests and limits stand in columns of their own."""
    kubectl(server, namespace, "create", "quota", "q", "--hard=pods=3,limits.cpu=2")
    lines = kubectl(server, namespace, "get", "quota")[1].splitlines()
    assert lines[0].split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert lines[1].split()[1:5] == ["pods:", "0/3", "limits.cpu:", "0/2"]
