"""ADD and DEL of kube46's bridge + host-local beside the reference plugins', interleaved in one run.

    sudo .venv/bin/python bench/cni.py [--rounds 40] [--bursts 3] [--plugin bridge|ptp] [--masquerade]
                                       [--reference /usr/lib/cni]

Four contenders: kube46 with its agent, kube46 with the helper that the first request starts, kube46 with neither (each
request starts Python; a few rounds, for what the first request costs), and the reference plugins (Debian package
containernetworking-plugins). Each round adds and deletes one pod a contender and family setting, in turn, each pod in a
network namespace of its own; then 50 pods at once; all that without other pods, and among 1,000 (their addresses are
there, which is what both IPAM plugins look at). Prints tables of milliseconds and, as the last line, one JSON object
with each ratio: the reference's cost over ours.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from kube46.cni.installation import install
from kube46.netlink import namespaces

FAMILIES = {
    "ipv4": ["10.250.0.0/16"],
    "ipv6": ["fd00:250::/64"],
    "dual": ["10.250.0.0/16", "fd00:250::/64"],
}
VERBS = ("ADD", "DEL")
PRESENT = (0, 1000)
AT_ONCE = 50
REFERENCE = "reference"
SLOW = "direct"  # takes part in one round of eight
AGENT = """
import signal, sys
from pathlib import Path
from kube46.cni.masquerading import Masquerading
from kube46.cni.server import Server
from kube46.cni.settings import Settings
Server(Settings("bench", socket=Path(sys.argv[1])), Masquerading()).start()
signal.pause()
"""


@dataclass
class Contender:
    """A directory with the plugins, and the bridge and data that it alone uses."""

    name: str
    directory: Path
    data: Path
    options: argparse.Namespace
    times: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def configuration(self, family: str, present: int) -> bytes:
        """As kube46's agent writes it, but for what the reference plugins don't know."""
        network = f"{family}{present}"
        document = {
            "cniVersion": "1.0.0",
            "name": network,
            "type": self.options.plugin,
            "ipMasq": self.options.masquerade,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.data),
                "ranges": [[{"subnet": subnet}] for subnet in FAMILIES[family]],
                "routes": [{"dst": "0.0.0.0/0" if "." in subnet else "::/0"} for subnet in FAMILIES[family]],
            },
        }
        if self.options.plugin == "bridge":
            document |= {"bridge": f"{self.name[:4]}-{network}", "isGateway": True, "hairpinMode": True}
        return json.dumps(document).encode()

    def request(self, verb: str, family: str, present: int, pod: str) -> float:
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
            [self.directory / self.options.plugin],
            input=self.configuration(family, present),
            env=environment,
            capture_output=True,
            check=False,
        )
        taken = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"{self.name} {verb} {family}: {done.stdout.decode()} {done.stderr.decode()}")
        return taken

    def assign(self, family: str, present: int) -> None:
        """Pretend that there are that many pods: their addresses are files."""
        directory = self.data / f"{family}{present}"
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(present):
            high, low = divmod(number + 1000, 256)
            for subnet in FAMILIES[family]:
                name = f"10.250.{high}.{low}" if "." in subnet else f"fd00:250::{number + 4096:x}"
                (directory / name).write_bytes(f"pod{number}\r\neth0".encode())

    def note(self, key: tuple[str, str, str], seconds: float) -> None:
        """Remember a time, under what, verb and family."""
        self.times.setdefault(key, []).append(seconds)


def main() -> None:
    """Run everything in a network namespace of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--plugin", choices=("bridge", "ptp"), default="bridge")
    parser.add_argument("--masquerade", action="store_true", help="with ipMasq; the reference plugins call iptables")
    parser.add_argument("--reference", type=Path, default=Path("/usr/lib/cni"))
    options = parser.parse_args()
    if not (options.reference / "bridge").exists():
        sys.exit(f"{options.reference}/bridge is missing: apt-get install containernetworking-plugins")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays when it is stopped
    node = f"k46t-f-bench-{os.getpid()}"
    work = Path(tempfile.mkdtemp(prefix="k46t-"))
    namespaces.create(node)
    try:
        with namespaces.entered(node):
            _run(options, node, work)
    finally:
        shutil.rmtree(work)  # with its socket gone the helper ends
        namespaces.delete(node)


def _run(options: argparse.Namespace, node: str, work: Path) -> None:
    socket = work / "cni.sock"
    python, nothing = Path(sys.executable), work / "none.sock"
    install(work / "agent", python=python, socket=socket, helpers=None)
    install(work / "helper", python=python, socket=nothing, helpers=work / "h")
    install(work / SLOW, python=python, socket=nothing, helpers=None)
    contenders = [
        Contender(name, directory, work / f"data-{name}", options)
        for name, directory in (
            ("agent", work / "agent"),
            ("helper", work / "helper"),
            (REFERENCE, options.reference),
            (SLOW, work / SLOW),
        )
    ]
    # A session of its own, as every service and the helper have: the scheduler shares the machine among sessions.
    agent = subprocess.Popen([python, "-c", AGENT, socket], start_new_session=True)
    try:
        while not socket.exists():
            time.sleep(0.01)
        for present in PRESENT:
            for family in FAMILIES:
                for contender in contenders:
                    contender.assign(family, present)
                    _pod(contender, family, present, f"{node}-warm", lambda *_: None)
            _rounds(contenders, present, node)
            _bursts(contenders[:3], present, node)
        cpu = _cpu_of(agent.pid)
    finally:
        agent.terminate()
        agent.wait()
    _report(contenders, cpu, options)


def _rounds(contenders: list[Contender], present: int, node: str) -> None:
    for number in range(contenders[0].options.rounds):
        for family in FAMILIES:
            for one in contenders[number % 4 :] + contenders[: number % 4]:
                if one.name != SLOW or number % 8 == 0:
                    _pod(one, family, present, f"{node}-{one.name}", one.note)


def _pod(
    contender: Contender, family: str, present: int, name: str, note: Callable[[tuple[str, str, str], float], None]
) -> None:
    """Add and delete a pod, and note the times."""
    namespaces.create(name)
    try:
        for verb in VERBS:
            note((f"alone, {present} present", verb, family), contender.request(verb, family, present, name))
    finally:
        namespaces.delete(name)


def _bursts(contenders: list[Contender], present: int, node: str) -> None:
    """Pods that start and end at once: the time of each, and of all."""
    for number in range(contenders[0].options.bursts):
        for family in FAMILIES:
            for one in contenders[number % 3 :] + contenders[: number % 3]:
                _burst(one, family, present, node)


def _burst(contender: Contender, family: str, present: int, node: str) -> None:
    names = [f"{node}-{number}" for number in range(AT_ONCE)]
    for name in names:
        namespaces.create(name)
    try:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for verb in VERBS:
                started = time.perf_counter()
                requests = [threads.submit(contender.request, verb, family, present, name) for name in names]
                for one in requests:
                    contender.note((f"{AT_ONCE} at once, {present} present", verb, family), one.result())
                contender.note((f"all {AT_ONCE}, {present} present", verb, family), time.perf_counter() - started)
    finally:
        for name in names:
            namespaces.delete(name)


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _report(contenders: list[Contender], cpu: float, options: argparse.Namespace) -> None:
    reference = next(one for one in contenders if one.name == REFERENCE)
    masquerade = ", ipMasq" if options.masquerade else ""
    print(f"{options.plugin}{masquerade}, {options.rounds} rounds, {options.bursts} bursts; milliseconds, p50 / p99")
    ratios: dict[str, float] = {}
    for what in dict.fromkeys(key[0] for key in reference.times):
        print(f"{what:26}" + "".join(f"{one.name:>16}" for one in contenders))
        for verb in VERBS:
            for family in FAMILIES:
                key = what, verb, family
                cells = [_cell(one.times.get(key, [])) for one in contenders]
                print(f"  {verb + ' ' + family:24}" + "".join(f"{cell:>16}" for cell in cells))
                for one in contenders:
                    if one is not reference and key in one.times:
                        ratio = statistics.median(reference.times[key]) / statistics.median(one.times[key])
                        ratios[f"{_word(what)}_{verb.lower()}_{family}_{one.name}_ratio"] = round(ratio, 3)
    print(f"agent's CPU time in all: {cpu:.2f} s")
    print(json.dumps({"bench": "cni", "plugin": options.plugin, "rounds": options.rounds, **ratios}))


def _word(what: str) -> str:
    return what.replace(",", "").replace(" present", "").replace(" ", "_")


def _cell(times: list[float]) -> str:
    if not times:
        return "-"
    ordered = sorted(times)
    return f"{_ms(statistics.median(ordered))} / {_ms(ordered[int(len(ordered) * 0.99)])}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


if __name__ == "__main__":
    main()
