"""kube46 proxy beside the real kube-proxy 1.37: each of its flags, and the file that it writes itself."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from cluster.upstream import programs
from kube46.cli.proxy import command, configuration
from kube46.proxy.configuration import Refused, read
from kube46.proxy.flags import FLAGS, REFUSED, WITHOUT_EFFECT

OWN = {"config", "cleanup", "init-only", "master", "version", "help"}
"""Flags that are the command's own; the tests of the command have them."""
OURS = {"service-counters"}
"""What kube-proxy has nothing for."""
HIDDEN = {"healthz-port", "metrics-port"}
"""Deprecated flags, which --help leaves out."""
SAMPLES = {"int32": "1", "float32": "1", "duration": "5s", "mapStringBool": "AllowServiceExternalIPs=false",
           "quantity": "0", "pattern=N,...": "a=1", "Level": "2", "LocalMode": "NodeCIDR", "ProxyMode": "nftables",
           "ip": "0.0.0.0", "ipport": "0.0.0.0:10256", "": "false"}  # fmt: skip
MEANT_OTHERWISE = {"profiling": "true", "show-hidden-metrics-for-version": "1.36", "proxy-mode": "ipvs",
                   "bind-address": "192.0.2.1", "nodeport-addresses": "localhost", "detect-local-mode": "Guess",
                   "feature-gates": "KubeProxyNFTablesLocalhostNodePorts=true"}  # fmt: skip
"""Values that kube-proxy takes and that mean something which isn't done here."""


def kube_proxy(*arguments: str) -> str:
    """What the real one prints. Raises CalledProcessError."""
    done = subprocess.run([programs() / "kube-proxy", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def real_flags() -> dict[str, tuple[str, str]]:
    """Type and default of each flag that the real kube-proxy lists."""
    found: dict[str, tuple[str, str]] = {}
    for line in kube_proxy("--help").splitlines():
        if flag := re.match(r" +(?:-\w, |)--([a-z0-9-]+)(?: (\S+))?  +(.*)", line):
            default = re.search(r"\(default \"?([^\"]*?)\"?\)$", flag[3])
            found[flag[1]] = flag[2] or "", default[1] if default else ""
    return found


def test_every_flag_of_kube_proxys_is_taken_or_refused_by_name() -> None:
    """With its default, or a value of its type, it makes a configuration, or the refusal begins with its name and says
    what to do; so do values that mean something else here."""
    flags = real_flags()
    assert len(flags) > 50
    for name, (kind, default) in flags.items():
        if name in OWN:
            assert name == "help" or any(name == option.name.replace("_", "-") for option in command.params), name
        elif name in REFUSED:
            done = CliRunner().invoke(command, [f"--{name}=1"])
            assert (done.exit_code, f"--{name}: {REFUSED[name]}" in done.output) == (2, True), name
        else:
            configuration(None, {name: default or SAMPLES.get(kind, "")})
    for name, value in MEANT_OTHERWISE.items():
        with pytest.raises(Refused) as refusal:
            configuration(None, {name: value})
        assert str(refusal.value).startswith(f"--{name}"), name


def test_one_flag_is_invented() -> None:
    """The real kube-proxy knows all that we take or refuse; deprecated ones, which it doesn't list, too; not ours."""
    known = real_flags().keys() | HIDDEN
    assert {*FLAGS, *WITHOUT_EFFECT, *REFUSED} == known - OWN
    kube_proxy(*(f"--{name}=1" for name in HIDDEN), "--version")
    assert {name for option in command.params for name in option.opts} <= {f"--{name}" for name in known | OURS} | {
        "-v"
    }


def test_the_defaults_that_kube_proxy_writes_are_taken(tmp_path: Path) -> None:
    """Its own file of defaults is refused for its mode alone, and means the same as no file otherwise."""
    path = tmp_path / "defaults"
    kube_proxy("--write-config-to", str(path))
    document = yaml.safe_load(path.read_text())
    with pytest.raises(Refused, match="mode: 'iptables'"):
        read(document, "n")
    document["mode"] = "nftables"
    written, ours = read(document, "n"), configuration(None, {"hostname-override": "n"})
    assert written.healthz == "0.0.0.0:10256"
    assert replace(written, healthz=ours.healthz) == ours
