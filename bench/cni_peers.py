"""Who takes part in bench/cni.py, each on a node of its own, and one request of one of them."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cni_present

SUBNETS = list(cni_present.SUBNETS)
FAMILIES = {"ipv4": SUBNETS[:1], "ipv6": SUBNETS[1:], "dual": SUBNETS}
Key = tuple[str, str, str, str]  # scenario, under what, verb, family


@dataclass(frozen=True)
class Scenario:
    """A plugin and how it is configured; how many times as often as usual it is measured.

    `tables`: the reference calls iptables, which reads everybody's chains many times for each pod, and begins again
    when somebody else changed one; so where it is called often only `crowd` pods start at once.
    """

    name: str
    plugin: str
    masquerade: bool = False
    tables: bool = False
    crowd: int = 1000
    share: float = 1.0


@dataclass
class Contender:
    """A directory with the plugins, the data and the node's namespace that it alone uses."""

    name: str
    directory: Path
    data: Path
    node: str
    times: dict[Key, list[float]] = field(default_factory=dict)

    def configuration(self, scenario: Scenario, family: str, present: int, number: int) -> bytes:
        """As kube46's agent writes it, but for what the reference plugins don't know."""
        network = f"{scenario.name[:4]}{family}{present}"
        document = {"cniVersion": "1.0.0", "name": network, "type": scenario.plugin}
        if scenario.plugin == "portmap":
            ports = [{"hostPort": cni_present.FIRST_PORT + 5000 + number, "containerPort": 80, "protocol": "tcp"}]
            ips = [
                {"address": f"{cni_present.address(one, number + 5000)}/{one.partition('/')[2]}"}
                for one in FAMILIES[family]
            ]
            document |= {"runtimeConfig": {"portMappings": ports}}
            document |= {"prevResult": {"cniVersion": "1.0.0", "ips": ips}}
            return json.dumps(document).encode()
        document |= {
            "ipMasq": scenario.masquerade,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.data),
                "ranges": [[{"subnet": subnet}] for subnet in FAMILIES[family]],
                "routes": [{"dst": "0.0.0.0/0" if "." in subnet else "::/0"} for subnet in FAMILIES[family]],
            },
        }
        if scenario.plugin == "bridge":
            document |= {"bridge": network, "isGateway": True, "hairpinMode": True}
        return json.dumps(document).encode()

    def request(self, verb: str, scenario: Scenario, family: str, present: int, pod: str, number: int = 0) -> float:
        """Seconds of one request. The calling thread stands in the node's namespace."""
        environment = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": f"{self.name}-{pod}",
            "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.directory),
        }
        configuration = self.configuration(scenario, family, present, number)
        started = time.perf_counter()
        done = subprocess.run(
            [self.directory / scenario.plugin], input=configuration, env=environment, capture_output=True, check=False
        )
        taken = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"{self.name} {scenario.name} {verb} {family}: {done.stdout.decode()} {done.stderr.decode()}")
        return taken

    def assign(self, scenario: Scenario, family: str, present: int) -> None:
        """Pretend that there are that many pods, as far as IPAM is concerned."""
        if scenario.plugin != "portmap":
            network = f"{scenario.name[:4]}{family}{present}"
            cni_present.addresses(self.data / network, FAMILIES[family], present)

    def fill(self, scenario: Scenario, present: int) -> None:
        """Pretend that there are that many, as far as the node's rules are. Stand in the node's namespace."""
        theirs = self.name == "reference"
        if scenario.masquerade and theirs:
            cni_present.restore(cni_present.theirs_masqueraded, present)
        elif scenario.masquerade:
            cni_present.load(cni_present.ours_masqueraded(present))
        elif scenario.plugin == "portmap" and theirs:
            cni_present.restore(cni_present.theirs_with_ports, present)
        elif scenario.plugin == "portmap":
            cni_present.load(cni_present.ours_with_ports(present))

    def note(self, key: Key, seconds: float) -> None:
        """Remember a time."""
        self.times.setdefault(key, []).append(seconds)
