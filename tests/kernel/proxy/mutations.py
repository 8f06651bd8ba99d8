"""One-line mutations of the proxy, each of which brings back a bug of test_bugs.py: `make mutations`.

    python -m kernel.proxy.mutations [NUMBER …]

Each is applied to a copy of the sources, and its test has to fail on them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
TESTS = Path(__file__).with_name("test_bugs.py")


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is replaced where; `bug` is the number of the test that shows it."""

    bug: int
    name: str
    file: str
    old: str
    new: str

    def apply(self, source: str) -> str:
        """The mutated text. Raises ValueError when the place is not there exactly once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.file}: {self.old!r} is there {source.count(self.old)} times")
        return source.replace(self.old, self.new)


ICMP = (
    "    hooks['icmp'], rules['icmp'] = 'type filter hook output priority 0 ;', ['{} ct state related drop']\n"
    "    for name in rules:\n        hook ="
)
MUTATIONS = (
    Mutation(
        1,
        "flows are forgotten only when endpoints are left",
        "proxy/flows.py",
        "for end in ends - flows.get(where, frozenset()))",
        "for end in ends - (flows.get(where) or ends))",
    ),
    Mutation(
        2,
        "what happened while no proxy ran is not looked at",
        "proxy/flows.py",
        "return answering not in ends",
        "return False",
    ),
    Mutation(
        3,
        "a restart forgets every flow",
        "proxy/flows.py",
        "return answering not in ends",
        "return True",
    ),
    Mutation(
        4,
        "everybody's rules are read",
        "proxy/nftables.py",
        "        self._absent = found is None",
        "        self._absent = found is None and not await self._nft.read_json()",
    ),
    Mutation(
        5,
        "the table is listed for each change",
        "proxy/nftables.py",
        "uses, idle, set(), True",
        "uses, idle, set(), False",
    ),
    Mutation(
        6,
        "IPv6 is masqueraded whatever the policy",
        "proxy/rules.py",
        'if service.spec.external_traffic_policy != "Local":',
        'if service.spec.external_traffic_policy != "Local" or frontend.family is Family.IPV6:',
    ),
    Mutation(
        7,
        "node ports in every family",
        "proxy/rules.py",
        "in cluster_ips(service).items():",
        'in {Family.IPV4: "0.0.0.0", Family.IPV6: "::", **cluster_ips(service)}.items():',
    ),
    Mutation(
        8,
        "slices of any family",
        "proxy/rules.py",
        "backend_map(self.scope, self.protocol, self.family)",
        "backend_map(self.scope, self.protocol, Family.IPV4)",
    ),
    Mutation(
        9,
        "external addresses of IPv4 only",
        "proxy/rules.py",
        "for text in texts)",
        'for text in texts if "." in text)',
    ),
    Mutation(
        10,
        "ICMPv6 errors are filtered",
        "proxy/layout.py",
        "    for name in rules:\n        hook =",
        ICMP.format("meta l4proto ipv6-icmp"),
    ),
    Mutation(
        11,
        "ICMP errors are filtered",
        "proxy/layout.py",
        "    for name in rules:\n        hook =",
        ICMP.format("meta l4proto { icmp, ipv6-icmp }"),
    ),
    Mutation(
        12,
        "each address has an affinity of its own",
        "proxy/affinity.py",
        '-sticky{v}", key] = str(port)',
        '-sticky{v}", key] = str(number(key))',
    ),
    Mutation(
        13,
        "an element goes with the first of its owners",
        "proxy/claims.py",
        "        if not rest:",
        "        if True:",
    ),
    Mutation(
        14,
        "node ports on loopback",
        "proxy/layout.py",
        "{ip} daddr != {loopback} fib daddr type local",
        "fib daddr type local",
    ),
    Mutation(
        15,
        "a second proxy is looked for in IPv4 only",
        "proxy/nftables.py",
        'if table["name"] == "kube-proxy"]',
        'if table == {**table, "family": "ip", "name": "kube-proxy"}]',
    ),
    Mutation(
        16,
        "addresses are cut to fit",
        "proxy/endpoints.py",
        'return _old(text, family) if "ffff" in text.lower() else None',
        'return inet_ntop(AF_INET, inet_pton(AF_INET6, text)[:4]) if ":" in text else None',
    ),
)


def fails(mutation: Mutation) -> bool:
    """Whether the bug's test fails on sources with the mutation."""
    with tempfile.TemporaryDirectory(prefix="k46t-mutation-") as directory:
        shutil.copytree(ROOT / "src", Path(directory) / "src", ignore=shutil.ignore_patterns("__pycache__"))
        path = Path(directory) / "src/kube46" / mutation.file
        path.write_text(mutation.apply(path.read_text()))
        environment = {**os.environ, "PYTHONPATH": f"{directory}/src:{ROOT}/tests", "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("KUBE46_TEST_PREFIX", None)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(TESTS)]
        command += ["-k", f"test_bug_{mutation.bug:02}_"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode not in (0, 1):  # neither passed nor failed: nothing was shown
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return done.returncode == 1


def main() -> None:
    """Apply all, or those of the bugs named."""
    wanted = {int(text) for text in sys.argv[1:]}
    survivors = []
    for mutation in MUTATIONS:
        if not wanted or mutation.bug in wanted:
            failed = fails(mutation)
            print(f"{mutation.bug:2} {mutation.name}: {'its test fails' if failed else 'SURVIVES'}", flush=True)
            survivors += [] if failed else [mutation]
    sys.exit(f"{len(survivors)} mutations survive" if survivors else 0)


if __name__ == "__main__":
    main()
