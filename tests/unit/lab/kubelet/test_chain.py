"""CNI configurations, what plugins are given, chains of real executables, and the Node's conditions."""

import asyncio
import json

import pytest

from kube46.lab.kubelet import chain, node
from kube46.lab.kubelet.chain import Attachment, CniError

ME = Attachment("id", "/run/netns/x", {"IgnoreUnknown": "1", "K8S_POD_NAME": "p"}, {"portMappings": [{"hostPort": 1}]})
NETWORK = {
    "cniVersion": "1.0.0",
    "name": "n",
    "plugins": [{"type": "one"}, {"type": "two", "capabilities": {"portMappings": True}}],
}
# A plugin that notes what it was asked, adds an address to what came before, and fails when told so.
PLUGIN = """#!/bin/sh
input=$(cat)
echo "$0 $CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS" >>{directory}/calls
printf '%s\\n' "$input" >>{directory}/inputs
if [ -e {directory}/fail ] && [ "$CNI_COMMAND" = ADD ] && [ "${{0##*/}}" = two ]; then
    echo '{{"code": 7, "msg": "no room", "details": "at all"}}'; exit 1
fi
[ "$CNI_COMMAND" = DEL ] ||
    echo '{{"cniVersion": "1.0.0", "ips": [{{"address": "fd00::2/64"}}, {{"address": "10.0.0.2/24"}}]}}'
"""


@pytest.fixture
def plugins(tmp_path):
    """A directory with the plugins `one` and `two`."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(PLUGIN.format(directory=tmp_path))
        (tmp_path / name).chmod(0o755)
    return tmp_path


def names(directory):
    """The calls as `ADD one`."""
    lines = [line.split()[:2] for line in (directory / "calls").read_text().splitlines()]
    return [f"{command} {path.rpartition('/')[2]}" for path, command in lines]


def test_add_and_delete(plugins):
    """ADD goes forward, each plugin seeing the result before it; DEL goes backward with the last result."""
    result = asyncio.run(chain.add(NETWORK, ME, [plugins]))
    asyncio.run(chain.delete(NETWORK, ME, [plugins], result))
    inputs = [json.loads(line) for line in (plugins / "inputs").read_text().splitlines()]

    assert names(plugins) == ["ADD one", "ADD two", "DEL two", "DEL one"]
    assert chain.addresses(result) == ["fd00::2", "10.0.0.2"]
    assert ["prevResult" in given for given in inputs] == [False, True, True, True]
    assert ["runtimeConfig" in given for given in inputs] == [False, True, True, False]
    assert {given["name"] for given in inputs} == {"n"}
    assert "id /run/netns/x eth0 IgnoreUnknown=1;K8S_POD_NAME=p" in (plugins / "calls").read_text()


def test_failed_add_is_undone(plugins):
    """A plugin's failure is told in its own words, and all plugins are asked to detach."""
    (plugins / "fail").touch()
    with pytest.raises(CniError, match="CNI ADD by two failed: no room at all"):
        asyncio.run(chain.add(NETWORK, ME, [plugins]))

    assert names(plugins) == ["ADD one", "ADD two", "DEL two", "DEL one"]


def test_missing_plugin(tmp_path):
    """A plugin that isn't there is named with the places that were looked at; a path is no type."""
    with pytest.raises(CniError, match=f"CNI plugin 'one' is in none of {tmp_path}"):
        asyncio.run(chain.add(NETWORK, ME, [tmp_path]))
    with pytest.raises(CniError, match="must be a file name"):
        asyncio.run(chain.add({"name": "n", "plugins": [{"type": "../x"}]}, ME, [tmp_path]))


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, None),
        ({"b.conflist": '{"name": "b", "plugins": [{"type": "x"}]}', "a.conf": '{"name": "a", "type": "x"}'}, "a"),
        ({"x.txt": "{}"}, None),
    ],
    ids=["none", "first", "other files"],
)
def test_configuration(tmp_path, files, name):
    """The first configuration by name is taken, a single plugin's too."""
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    found = chain.configuration(tmp_path)

    assert (found and found["name"]) == name


@pytest.mark.parametrize(
    "text", ["", "[]", '{"name": "x", "plugins": []}', '{"plugins": [{"type": "x"}]}', '{"name": "x"}']
)
def test_bad_configuration(tmp_path, text):
    """A file that is no configuration is named."""
    (tmp_path / "10.conflist").write_text(text)
    with pytest.raises(CniError, match=r"10\.conflist: not a CNI network configuration"):
        chain.configuration(tmp_path)


def test_directory_that_is_not_there(tmp_path):
    """No directory is no configuration."""
    assert chain.configuration(tmp_path / "none") is None


def test_node_conditions():
    """Ready follows the network; the time of a transition is kept while the status stays."""
    first = node.conditions("no CNI configuration in /etc/cni/net.d", [], 100.0)
    second = node.conditions("", first, 200.0)
    ready = [next(c for c in found if c["type"] == "Ready") for found in (first, second)]

    assert [(c["status"], c["reason"]) for c in ready] == [("False", "KubeletNotReady"), ("True", "KubeletReady")]
    assert "NetworkPluginNotReady message:no CNI" in ready[0]["message"]
    assert ready[1]["lastTransitionTime"] == "1970-01-01T00:03:20Z"
    assert {c["lastTransitionTime"] for c in second if c["type"] != "Ready"} == {"1970-01-01T00:01:40Z"}
