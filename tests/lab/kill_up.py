#!/usr/bin/env python3
"""Kill `kube46 up` at random moments, run `kube46 down`, and see that nothing of the cluster is left.

    tests/lab/kill_up.py --count 200 [--seed N]

Runs in mount, PID and network namespaces of its own, with /run, /var/lib, /var/cache, /etc and a home of its own: so
what is compared is theirs wholly, and nothing else on the machine disturbs it. A foreign namespace, link and nft
table are there, and must be there afterwards.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NAME = "dkill"
INSIDE = "KUBE46_KILL_TEST_INSIDE"
KUBE46 = str(Path(sys.executable).parent / "kube46")
EMPTY = ("/run", "/var/lib", "/var/cache")
WATCHED = (*EMPTY, "/etc")
LONGEST = 2.5  # seconds after its start that `up` is killed at the latest: it takes less
MODES = ("group", "main", "all")
FOREIGN = """
add table inet foreign
add chain inet foreign keep { type filter hook input priority 0; }
add rule inet foreign keep tcp dport 9 counter drop
"""
# They count, or follow the kernel's own events.
UNSTEADY = ("nf_conntrack_count", "/stat/", "inet_peer", "route/flush")
Snapshot = dict[str, list[str]]


def enter_namespaces() -> None:
    """Replace ourselves by the same program in namespaces of its own; never returns."""
    os.environ[INSIDE] = "1"
    command = [
        "unshare",
        "--mount",
        "--pid",
        "--net",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
    ]
    os.execvp(command[0], [*command, sys.executable, *sys.argv])


def prepare() -> None:
    """Directories of our own, and the foreign things that must live on."""
    # what others have mounted there would come and go below ours
    for mount in sorted({line.split()[0] for line in mounts()}, key=len, reverse=True):
        if mount.startswith("/run/"):
            subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)
    for directory in (*EMPTY, "/mnt"):
        subprocess.run(["mount", "-t", "tmpfs", "kill-test", directory], check=True)
    subprocess.run(["cp", "-a", "/etc", "/mnt/etc"], check=True)
    subprocess.run(["mount", "--bind", "/mnt/etc", "/etc"], check=True)
    Path("/mnt/home").mkdir()
    for path in (Path("/etc/cni/net.d"), Path("/etc/cni")):  # of a cluster that runs outside
        with suppress(OSError):
            path.rmdir()
    os.environ["HOME"] = "/mnt/home"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "netns", "add", "foreign"], check=True)
    subprocess.run(["ip", "link", "add", "foreign0", "type", "veth", "peer", "name", "foreign1"], check=True)
    subprocess.run(["nft", "-f", "-"], input=FOREIGN, text=True, check=True)
    os.environ.pop("KUBECONFIG", None)


def snapshot() -> Snapshot:
    """All that `down` must leave as it was before `up`."""
    return {
        "namespaces": sorted(os.listdir("/run/netns")),
        "links": output("ip", "-o", "link"),
        "addresses": output("ip", "-o", "address"),
        "nft": output("nft", "list", "ruleset"),
        "processes": sorted(processes()),
        "mounts": sorted(mounts()),
        "sysctls": sorted(sysctls()),
        "bpffs": sorted(str(path) for path in Path("/sys/fs/bpf").rglob("*")),
        "files": sorted(line for directory in (*WATCHED, "/mnt/home") for line in files(directory)),
    }


def output(*command: str) -> list[str]:
    """A command's lines."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def processes() -> Iterator[str]:
    """Every process of this PID namespace but ourselves; zombies of ours are reaped first, as PID 1 has to."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError):
                state = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0]
                yield f"{Path(f'/proc/{entry}/comm').read_text().strip()} {state}"


def mounts() -> Iterator[str]:
    """Mount points with their file systems; without the numbers, which change."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        kind = fields[fields.index("-") + 1]
        shared = any(field.startswith("shared") for field in fields[6:])
        # a namespace's own number is its root here
        yield f"{fields[4]} {kind} {'' if kind == 'nsfs' else fields[3]} {'shared' if shared else ''}"


def sysctls() -> Iterator[str]:
    """All of /proc/sys/net in this namespace."""
    for path in Path("/proc/sys/net").rglob("*"):
        if path.is_file() and not any(word in str(path) for word in UNSTEADY):
            with suppress(OSError):
                yield f"{path}={path.read_text().strip()}"


def files(directory: str) -> Iterator[str]:
    """Paths and modes below a directory, and the contents' hashes of small files."""
    for root, directories, names in os.walk(directory):
        for name in directories:
            yield f"{root}/{name}/"
        for name in names:
            path = Path(root, name)
            with suppress(OSError):
                status = path.lstat()
                small = path.is_file() and not path.is_symlink() and status.st_size < 1 << 16
                digest = hashlib.md5(path.read_bytes()).hexdigest() if small else status.st_size
                yield f"{path} {status.st_mode:o} {digest}"


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """`+` for what is new, `-` for what is gone."""
    found = []
    for kind, old in before.items():
        found += [f"{kind}: + {line}" for line in sorted(set(after[kind]) - set(old))]
        found += [f"{kind}: - {line}" for line in sorted(set(old) - set(after[kind]))]
    return found


def kill(started: "subprocess.Popen[bytes]", mode: str) -> None:
    """End `up` by SIGKILL: its process group, only its main process, or every process there is."""
    if mode == "all":
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(int(entry), signal.SIGKILL)
    elif mode == "group":
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    else:
        started.kill()
    started.wait()


def once(generator: random.Random, before: Snapshot) -> tuple[str, list[str]]:
    """One `up`, killed, and one `down`; what was done, and what is left."""
    delay, mode = generator.uniform(0.0, LONGEST), generator.choice(MODES)
    # four of five times within the part in which namespaces, files and processes are made
    delay = delay if generator.random() < 0.2 else delay * 0.4
    started = subprocess.Popen(
        [KUBE46, "up", "--name", NAME, "--no-check"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(delay)
    kill(started, mode)
    down = subprocess.run([KUBE46, "down", "--name", NAME], capture_output=True, text=True, check=False, timeout=60)
    left = differences(before, snapshot())
    # before `up` made anything, there is no such cluster: that is status 2
    if down.returncode not in (0, 2):
        left.append(f"down: status {down.returncode}: {down.stderr.strip()}")
    return f"{mode} after {delay:.3f} s", left


def main() -> int:
    """Exit status 1 when anything was left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if INSIDE not in os.environ:
        enter_namespaces()
    prepare()
    print(f"seed {options.seed}", flush=True)
    generator, failed = random.Random(options.seed), 0
    before = snapshot()
    for number in range(1, options.count + 1):
        what, left = once(generator, before)
        print(f"{number:3}/{options.count} {what}: {'clean' if not left else 'LEFT'}", flush=True)
        for line in left[:20]:
            print(f"    {line}", flush=True)
        if left:
            failed += 1
            before = snapshot()
    print(f"{options.count - failed} of {options.count} clean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
