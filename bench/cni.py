"""ADD and DEL of kube46's CNI plugins beside the reference plugins', interleaved in one run.

    sudo .venv/bin/python bench/cni.py [--plugin all|bridge|ptp|portmap] [--masquerade] [--rounds 16] [--bursts 2]
                                       [--at-once 50] [--present 1000] [--crowds] [--reference /usr/lib/cni]

Four scenarios: bridge, bridge with ipMasq, ptp (both with host-local), and portmap with a port of the node. Four
contenders, each on a node (a network namespace) of its own: kube46 with its agent, kube46 with the helper that its
first request starts, the reference plugins (Debian package containernetworking-plugins), and kube46 with neither (each
request starts Python; a few rounds of bridge, for what the first request costs). Each round adds and deletes one pod a
contender and family setting, in turn, each pod in a network namespace of its own; then 50 pods at once (portmap: 16);
all that without other pods, and among 1,000 (their addresses, rules and ports are there), but for many at once among
1,000 where the reference calls iptables: it takes minutes, as 50 at once of portmap do; --crowds measures these, too.
Prints tables of milliseconds and, as the last line, one JSON object with each ratio, the reference's cost over ours,
and the medians of dual-stack ADDs in milliseconds. Some five minutes on two quiet cores; --plugin and --masquerade
choose one scenario.
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cni_peers import FAMILIES, Contender, Key, Scenario

from kube46.cni.installation import install
from kube46.netlink import namespaces

SCENARIOS = (
    Scenario("bridge", "bridge"),
    Scenario("masquerade", "bridge", masquerade=True, tables=True, share=0.25),
    Scenario("ptp", "ptp", share=0.3),  # the reference's waits 1.7 s for duplicate address detection
    Scenario("portmap", "portmap", tables=True, crowd=16, share=0.25),
)
VERBS = ("ADD", "DEL")
REFERENCE = "reference"
SLOW = "direct"  # takes part in one round of eight, of one scenario
AGENT = """
import signal, sys
from pathlib import Path
from kube46.cni.masquerading import Masquerading
from kube46.cni.server import Server
from kube46.cni.settings import Settings
Server(Settings("bench", socket=Path(sys.argv[1])), Masquerading()).start()
signal.pause()
"""


def main() -> None:
    """Run everything in network namespaces of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plugin", choices=("all", "bridge", "ptp", "portmap"), default="all")
    parser.add_argument("--masquerade", action="store_true", help="bridge with ipMasq; the reference calls iptables")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--bursts", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--present", type=int, default=1000)
    parser.add_argument("--crowds", action="store_true", help="also many at once among many, where iptables is called")
    parser.add_argument("--reference", type=Path, default=Path("/usr/lib/cni"))
    options = parser.parse_args()
    if not (options.reference / "bridge").exists():
        sys.exit(f"{options.reference}/bridge is missing: apt-get install containernetworking-plugins")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays when it is stopped
    work = Path(tempfile.mkdtemp(prefix="k46t-"))
    nodes = {name: f"k46t-f-bench-{os.getpid()}-{name}" for name in ("agent", "helper", REFERENCE, SLOW)}
    try:
        for node in nodes.values():
            namespaces.create(node)
        _run(options, nodes, work)
    finally:
        shutil.rmtree(work)  # with its socket gone the helper ends
        for node in nodes.values():
            namespaces.delete(node)


def _run(options: argparse.Namespace, nodes: dict[str, str], work: Path) -> None:
    socket = work / "cni.sock"
    python, nothing = Path(sys.executable), work / "none.sock"
    install(work / "agent", python=python, socket=socket, helpers=None)
    install(work / "helper", python=python, socket=nothing, helpers=work / "h")
    install(work / SLOW, python=python, socket=nothing, helpers=None)
    contenders = [
        Contender(name, options.reference if name == REFERENCE else work / name, work / f"data-{name}", node)
        for name, node in nodes.items()
    ]
    with namespaces.entered(nodes["agent"]):
        # A session of its own, as every service and the helper have: the scheduler shares the machine among sessions.
        agent = subprocess.Popen([python, "-c", AGENT, socket], start_new_session=True)
    started = time.monotonic()
    try:
        while not socket.exists():
            time.sleep(0.01)
        for scenario in _chosen(options):
            _measure(contenders, scenario, options)
        cpu = _cpu_of(agent.pid)
    finally:
        agent.terminate()
        agent.wait()
    _report(contenders, options, cpu, time.monotonic() - started)


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    if options.masquerade:
        return [one for one in SCENARIOS if one.masquerade]
    if options.plugin == "all":
        return [*SCENARIOS]
    return [one for one in SCENARIOS if one.plugin == options.plugin and not one.masquerade]


def _measure(contenders: list[Contender], scenario: Scenario, options: argparse.Namespace) -> None:
    """A scenario on a node without other pods, then among many."""
    taking_part = contenders if scenario is SCENARIOS[0] else contenders[:3]
    for present in (0, options.present):
        print(f"{time.strftime('%T')} {scenario.name}, {present} present", file=sys.stderr)
        for family in FAMILIES:
            for one in taking_part:
                one.assign(scenario, family, present)
                _pod(one, scenario, family, present, "warm", lambda *_: None)
        if present:
            for one in taking_part:
                with namespaces.entered(one.node):
                    one.fill(scenario, present)
        _rounds(taking_part, scenario, present, max(1, round(options.rounds * scenario.share)))
        if present and scenario.tables and not options.crowds:
            continue
        for number in range(max(1, round(options.bursts * scenario.share))):
            for family in FAMILIES:
                for one in _in_turn(contenders[:3], number):
                    crowd = options.at_once if options.crowds else min(options.at_once, scenario.crowd)
                    _burst(one, scenario, family, present, crowd)


def _rounds(contenders: list[Contender], scenario: Scenario, present: int, rounds: int) -> None:
    for number in range(rounds):
        for family in FAMILIES:
            for one in _in_turn(contenders, number):
                if one.name != SLOW or number % 8 == 0:
                    _pod(one, scenario, family, present, "alone", one.note)


def _in_turn(contenders: list[Contender], number: int) -> list[Contender]:
    begin = number % len(contenders)
    return contenders[begin:] + contenders[:begin]


def _pod(
    contender: Contender, scenario: Scenario, family: str, present: int, word: str, note: Callable[[Key, float], None]
) -> None:
    """Add and delete a pod, and note the times."""
    name = f"{contender.node}-{word}"
    with _pods([name], scenario), namespaces.entered(contender.node):
        contender.request("VERSION", scenario, family, present, name)  # a helper may have ended meanwhile
        for verb in VERBS:
            taken = contender.request(verb, scenario, family, present, name)
            note((scenario.name, f"alone, {present} present", verb, family), taken)


def _burst(one: Contender, scenario: Scenario, family: str, present: int, at_once: int) -> None:
    """Pods that start and end at once: the time of each, and of all."""
    names = [f"{one.node}-{number}" for number in range(at_once)]
    # The threads stand where the one that makes them stands.
    with _pods(names, scenario), namespaces.entered(one.node), ThreadPoolExecutor(at_once) as threads:
        one.request("VERSION", scenario, family, present, names[0])
        for verb in VERBS:
            started = time.perf_counter()
            requests = [
                threads.submit(one.request, verb, scenario, family, present, name, number)
                for number, name in enumerate(names)
            ]
            for request in requests:
                one.note((scenario.name, f"{at_once} at once, {present} present", verb, family), request.result())
            key = scenario.name, f"all {at_once}, {present} present", verb, family
            one.note(key, time.perf_counter() - started)


@contextmanager
def _pods(names: list[str], scenario: Scenario) -> Iterator[None]:
    """The pods' namespaces; portmap needs none."""
    try:
        for name in names if scenario.plugin != "portmap" else ():
            namespaces.create(name)
        yield
    finally:
        for name in names:
            namespaces.delete(name)


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _report(contenders: list[Contender], options: argparse.Namespace, cpu: float, seconds: float) -> None:
    reference = next(one for one in contenders if one.name == REFERENCE)
    figures: dict[str, float] = {}
    for scenario, what in dict.fromkeys(key[:2] for key in reference.times):
        print(f"{scenario + ', ' + what:40}" + "".join(f"{one.name:>16}" for one in contenders))
        for verb in VERBS:
            for family in FAMILIES:
                key = scenario, what, verb, family
                cells = [_cell(one.times.get(key, [])) for one in contenders]
                print(f"  {verb + ' ' + family:38}" + "".join(f"{cell:>16}" for cell in cells))
                for one in contenders:
                    if one is not reference and key in one.times:
                        figures |= _figures(key, one.name, one.times[key], reference.times[key])
    print(f"p50 / p99 in ms; {seconds:.0f} s in all; agent's CPU time in all: {cpu:.2f} s")
    print("\n".join(_summary({one.name: one for one in contenders})))
    print(json.dumps({"bench": "cni", "rounds": options.rounds, "bursts": options.bursts, **figures}))


def _summary(contenders: dict[str, Contender]) -> list[str]:
    """The table of bench/README.md."""
    reference = contenders[REFERENCE]
    lines = ["| | agent, × | helper, × | agent, ms | reference, ms |", "|---|--:|--:|--:|--:|"]
    for scenario, what, verb in dict.fromkeys(key[:3] for key in reference.times):
        keys = [(scenario, what, verb, family) for family in FAMILIES]
        ratios = [
            ", ".join(_times(_median(reference, key) / _median(contenders[name], key)) for key in keys)
            for name in ("agent", "helper")
        ]
        times = [_cell(contenders[name].times[keys[-1]]) for name in ("agent", REFERENCE)]
        lines.append(f"| {scenario}, {what}: {verb} | " + " | ".join(ratios + times) + " |")
    return lines


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def _median(one: Contender, key: Key) -> float:
    return statistics.median(one.times[key])


def _figures(key: Key, name: str, ours: list[float], theirs: list[float]) -> dict[str, float]:
    scenario, what, verb, family = key
    words = f"{scenario}_{_word(what)}_{verb.lower()}_{family}_{name}"
    found = {f"{words}_ratio": round(statistics.median(theirs) / statistics.median(ours), 3)}
    if (verb, family) == ("ADD", "dual"):
        found[f"{words}_ms"] = round(1000 * statistics.median(ours), 1)
    return found


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
