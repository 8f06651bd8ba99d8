"""The first protocols of WebSockets: exec as old clients know it, and logs as messages."""

import base64
import json
import sys
from pathlib import Path

import pytest

from kernel.kubelet.conftest import container
from kernel.kubelet.test_pods import phase

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]
CLIENT = Path(__file__).parent / "websocketclient.py"
POD = "/api/v1/namespaces/default/pods/w-pod"


def heard(node, path, *arguments):
    """What a client hears at a path of the API server."""
    return json.loads(node.run(sys.executable, str(CLIENT), path, *arguments).stdout)


@pytest.fixture(scope="module")
def _pod(node):
    node.apply("w-pod", containers=[container("main", "sh", "-c", "echo alive; echo well; sleep 1000")])
    node.until("w-pod", phase("Running"))
    yield
    node.kubectl("delete", "pod", "w-pod", "--wait=false")


def joined(messages, channel):
    """The bytes of one channel."""
    return bytes(byte for message in messages if message[0] == channel for byte in message[1:])


def test_exec_over_the_first_protocol(node, _pod):
    """Output on its channels; on the error channel a text, and only of a failure."""
    found = heard(node, f"{POD}/exec?command=echo&command=two+words&stdout=1&stderr=1", "channel.k8s.io")
    assert found["protocol"] == "channel.k8s.io" and found["end"] == "closed 1000"
    assert joined(found["messages"], 1) == b"two words\n"
    assert joined(found["messages"], 3) == b""
    found = heard(node, f"{POD}/exec?command=sh&command=-c&command=echo+no+>%262;exit+3&stderr=1", "channel.k8s.io")
    assert joined(found["messages"], 2) == b"no\n"
    assert joined(found["messages"], 3) == b"command terminated with non-zero exit code: exit status 3"


def test_newer_protocols_are_preferred(node, _pod):
    """Whatever the order in which a client offers them."""
    found = heard(node, f"{POD}/exec?command=true&stdout=1", "channel.k8s.io,v4.channel.k8s.io")
    assert found["protocol"] == "v4.channel.k8s.io"
    assert json.loads(joined(found["messages"], 3))["status"] == "Success"


def test_logs_are_messages(node, _pod):
    """Bytes, or base64 for clients that ask for text; the end of the log is the end of the connection."""
    node.until("w-pod", lambda _: "well" in node.kubectl("logs", "w-pod").stdout)
    found = heard(node, f"{POD}/log", "binary.k8s.io")
    assert found["end"] == "closed 1000"
    assert bytes(byte for message in found["messages"] for byte in message) == b"alive\nwell\n"
    found = heard(node, f"{POD}/log?tailLines=1", "base64.binary.k8s.io")
    assert b"".join(map(base64.b64decode, found["messages"])) == b"well\n"


def test_a_followed_log_goes_on_until_the_client_leaves(node, _pod):
    """What is there comes at once; a client that leaves is not missed."""
    found = heard(node, f"{POD}/log?follow=true&tailLines=1", "binary.k8s.io", "20")
    assert found["end"] == "left"
    assert node.kubectl("logs", "w-pod").stdout == "alive\nwell\n"


def test_what_can_not_be_is_refused_as_http(node, _pod):
    """A protocol that logs do not speak, and a pod that is not there."""
    assert heard(node, f"{POD}/log", "v4.channel.k8s.io")["end"] == "rejected 400"
    assert heard(node, f"{POD}-no/log", "binary.k8s.io")["end"] == "rejected 404"
