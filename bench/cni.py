"""ADD and DEL of kube46's bridge + host-local beside the reference plugins', interleaved in one run.

    sudo .venv/bin/python bench/cni.py [--rounds 40] [--present 0] [--reference /usr/lib/cni]

Three contenders: kube46 with its agent, kube46 without (each request starts Python), and the reference plugins (Debian
package containernetworking-plugins). Each round adds and deletes one pod a contender and family setting, in turn, each
pod in a network namespace of its own. Prints a table of milliseconds and, as the last line, one JSON object with each
ratio: the reference's cost over ours.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kube46.cni.installation import install
from kube46.netlink import namespaces

FAMILIES = {
    "ipv4": ["10.250.0.0/16"],
    "ipv6": ["fd00:250::/64"],
    "dual": ["10.250.0.0/16", "fd00:250::/64"],
}
AGENT = """
import sys, uvloop
from pathlib import Path
from kube46.cni.masquerading import Masquerading
from kube46.cni.server import Server
from kube46.cni.settings import Settings
uvloop.run(Server(Settings("bench", socket=Path(sys.argv[1])), Masquerading()).serve())
"""


class Contender:
    """A directory with a `bridge`, and the bridge and data that it alone uses."""

    def __init__(self, name: str, directory: Path, work: Path) -> None:
        self.name, self.directory = name, directory
        self.data = work / f"data-{name}"
        self.times: dict[tuple[str, str], list[float]] = {}

    def configuration(self, family: str) -> bytes:
        """As kube46's agent writes it, but for ipMasq, for which the reference plugin would need iptables."""
        ranges = [[{"subnet": subnet}] for subnet in FAMILIES[family]]
        return json.dumps(
            {
                "cniVersion": "1.0.0",
                "name": f"bench-{family}",
                "type": "bridge",
                "bridge": f"{self.name[:4]}-{family}",
                "isDefaultGateway": True,
                "hairpinMode": True,
                "ipam": {"type": "host-local", "dataDir": str(self.data), "ranges": ranges},
            }
        ).encode()

    def request(self, verb: str, family: str, pod: str) -> float:
        """Seconds of one request."""
        environment = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": f"{self.name}-{pod}",
            "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.directory),
        }
        started = time.perf_counter()
        done = subprocess.run(
            [self.directory / "bridge"],
            input=self.configuration(family),
            env=environment,
            capture_output=True,
            check=False,
        )
        taken = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"{self.name} {verb} {family}: {done.stdout.decode()} {done.stderr.decode()}")
        return taken

    def pod(self, family: str, name: str) -> None:
        """Add and delete a pod, and note the times."""
        namespaces.create(name)
        try:
            for verb in ("ADD", "DEL"):
                self.times.setdefault((verb, family), []).append(self.request(verb, family, name))
        finally:
            namespaces.delete(name)


def main() -> None:
    """Run the rounds in a namespace of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--present", type=int, default=0, help="addresses that are assigned already")
    parser.add_argument("--burst", type=int, default=50, help="pods of the burst at the end")
    parser.add_argument("--reference", type=Path, default=Path("/usr/lib/cni"))
    options = parser.parse_args()
    if not (options.reference / "bridge").exists():
        sys.exit(f"{options.reference}/bridge is missing: apt-get install containernetworking-plugins")
    node = f"k46t-f-bench-{os.getpid()}"
    work = Path(tempfile.mkdtemp(prefix="k46t-f-bench-"))
    namespaces.create(node)
    try:
        with namespaces.entered(node):
            _run(options, node, work)
    finally:
        namespaces.delete(node)
        shutil.rmtree(work)


def _run(options: argparse.Namespace, node: str, work: Path) -> None:
    socket = work / "cni.sock"
    python = Path(sys.executable)
    install(work / "agent", python=python, socket=socket)
    install(work / "alone", python=python, socket=work / "none.sock")
    contenders = [
        Contender("kube46", work / "agent", work),
        Contender("alone", work / "alone", work),
        Contender("reference", options.reference, work),
    ]
    agent = subprocess.Popen([python, "-c", AGENT, socket])
    try:
        while not socket.exists():
            time.sleep(0.01)
        for contender in contenders:
            _assign(contender, options.present)
            contender.pod("dual", f"{node}-warm")
            contender.times.clear()
        for number in range(options.rounds):
            for family in FAMILIES:
                for contender in contenders[number % 3 :] + contenders[: number % 3]:
                    contender.pod(family, f"{node}-{contender.name}")
        bursts = {one.name: _burst(one, node, options.burst) for one in (contenders[0], contenders[2])}
        cpu = _cpu_of(agent.pid)
    finally:
        agent.terminate()
        agent.wait()
    _report(contenders, bursts, cpu, options)


def _assign(contender: Contender, count: int) -> None:
    """Pretend that there are `count` pods: their addresses are files."""
    for family, subnets in FAMILIES.items():
        directory = contender.data / f"bench-{family}"
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            high, low = divmod(number + 1000, 256)
            names = [f"10.250.{high}.{low}" if "." in subnet else f"fd00:250::{number + 4096:x}" for subnet in subnets]
            for name in names:
                (directory / name).write_bytes(f"pod{number}\r\neth0".encode())


def _burst(contender: Contender, node: str, count: int) -> tuple[float, float]:
    """Seconds until `count` dual-stack pods that start at once are all there, and until they are gone."""
    names = [f"{node}-{number}" for number in range(count)]
    for name in names:
        namespaces.create(name)
    taken = []
    try:
        with ThreadPoolExecutor(count) as threads:
            for verb in ("ADD", "DEL"):
                started = time.perf_counter()
                list(threads.map(lambda name, verb=verb: contender.request(verb, "dual", name), names))
                taken.append(time.perf_counter() - started)
    finally:
        for name in names:
            namespaces.delete(name)
    return taken[0], taken[1]


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _report(
    contenders: list[Contender], bursts: dict[str, tuple[float, float]], cpu: float, options: argparse.Namespace
) -> None:
    print(f"{options.rounds} rounds, {options.present} addresses present; milliseconds, p50 / p99")
    print(f"{'':12}" + "".join(f"{one.name:>18}" for one in contenders))
    ratios: dict[str, float] = {}
    for verb in ("ADD", "DEL"):
        for family in FAMILIES:
            cells = []
            for one in contenders:
                times = sorted(one.times[verb, family])
                cells.append(f"{_ms(statistics.median(times))} / {_ms(times[int(len(times) * 0.99)])}")
                if one is not contenders[2]:
                    reference = statistics.median(contenders[2].times[verb, family])
                    ratios[f"{verb.lower()}_{family}_{one.name}_ratio"] = round(reference / statistics.median(times), 3)
            print(f"{verb + ' ' + family:12}" + "".join(f"{cell:>18}" for cell in cells))
    for index, verb in enumerate(("ADD", "DEL")):
        mine, theirs = bursts["kube46"][index], bursts["reference"][index]
        ratios[f"burst_{verb.lower()}_ratio"] = round(theirs / mine, 3)
        print(f"{options.burst} {verb} at once: kube46 {mine:.3f} s, reference {theirs:.3f} s")
    print(f"agent's CPU time in all: {cpu:.2f} s")
    print(json.dumps({"bench": "cni", "rounds": options.rounds, "present": options.present, **ratios}))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


if __name__ == "__main__":
    main()
