"""host-local as a plugin, and as a machine under concurrent requests that are killed at any point."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kube46.cni.masquerading import Masquerading
from kube46.cni.plugin import answer

SETS = [[{"subnet": "10.9.0.0/29"}], [{"subnet": "fd09::/125"}]]  # 5 and 6 addresses for pods
CAPACITY = 5


def call(
    data: str, verb: str, container_id: str, *, args: str = "", env: dict[str, str] | None = None, **changes: Any
) -> tuple[int, dict[str, Any]]:
    """One request; the status, and what was printed."""
    ipam = {"type": "host-local", "dataDir": data, "ranges": SETS} | changes.pop("ipam", {})
    configuration = {"cniVersion": "1.1.0", "name": "net", "type": "host-local", "ipam": ipam} | changes
    environment = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": container_id,
        "CNI_NETNS": "/none",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": args,
    } | (env or {})
    found = answer("host-local", environment, json.dumps(configuration).encode(), Masquerading())
    return found.status, json.loads(found.output or b"{}")


def addresses(document: dict[str, Any]) -> set[str]:
    """The addresses of a result, without lengths."""
    return {one["address"].partition("/")[0] for one in document["ips"]}


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A data directory."""
    return str(tmp_path)


def test_an_address_of_each_family(data: str) -> None:
    """ADD assigns one of each set with its gateway; DEL gives both back, as often as asked."""
    status, result = call(data, "ADD", "a", ipam={"routes": [{"dst": "0.0.0.0/0"}]})

    assert status == 0
    assert result["ips"] == [
        {"address": "10.9.0.2/29", "gateway": "10.9.0.1"},
        {"address": "fd09::2/125", "gateway": "fd09::1"},
    ]
    assert result["routes"] == [{"dst": "0.0.0.0/0"}]
    assert call(data, "CHECK", "a") == (0, {})
    assert call(data, "DEL", "a") == (0, {})
    assert call(data, "DEL", "a") == (0, {})
    assert call(data, "CHECK", "a")[1]["code"] == 100
    assert sorted(os.listdir(Path(data) / "net")) == ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]


def test_a_second_add_is_refused(data: str) -> None:
    """The same attachment can't be added twice; its addresses stay."""
    _, first = call(data, "ADD", "a")
    assert call(data, "ADD", "a")[1]["code"] == 102
    assert {name for name in os.listdir(Path(data) / "net") if name[0] in "1f"} == addresses(first)


def test_exhaustion(data: str) -> None:
    """When one family is exhausted ADD is error 11, leaves nothing of the other, and STATUS is error 50."""
    for number in range(CAPACITY):
        assert call(data, "STATUS", "")[0] == 0
        assert call(data, "ADD", f"p{number}")[0] == 0
    before = set(os.listdir(Path(data) / "net"))

    assert call(data, "ADD", "late")[1]["code"] == 11
    assert set(os.listdir(Path(data) / "net")) == before
    assert call(data, "STATUS", "")[1]["code"] == 50


def test_requested_addresses(data: str) -> None:
    """An address asked for is assigned; the gateway's, a taken one and one of no range are refused, without a trace."""
    assert addresses(call(data, "ADD", "a", args="IP=10.9.0.5")[1]) == {"10.9.0.5", "fd09::2"}
    both = call(data, "ADD", "b", runtimeConfig={"ips": ["10.9.0.4/29", "fd09::6"]})[1]
    assert addresses(both) == {"10.9.0.4", "fd09::6"}
    before = set(os.listdir(Path(data) / "net"))
    for wanted, code in (
        ("10.9.0.5", 102),
        ("10.9.0.1", 102),
        ("fd09::", 7),
        ("10.10.0.1", 7),
        ("junk", 7),
        ("fd09::5%x", 7),
    ):
        assert call(data, "ADD", "c", args=f"IP={wanted}")[1]["code"] == code, wanted
    assert set(os.listdir(Path(data) / "net")) == before


def test_garbage_collection(data: str) -> None:
    """GC gives back what is not of a valid attachment, and only that; without the list it is error 7."""
    for name in "abc":
        call(data, "ADD", name)
    valid = {"cni.dev/valid-attachments": [{"containerID": "b", "ifname": "eth0"}]}
    assert call(data, "GC", "", **valid) == (0, {})
    assert [call(data, "CHECK", name)[0] for name in "abc"] == [1, 0, 1]
    assert call(data, "GC", "")[1]["code"] == 7
    assert call(data, "GC", "", **{"cni.dev/attachments": None}) == (0, {})
    assert call(data, "CHECK", "b")[0] == 1


def test_ranges_of_the_runtime(data: str) -> None:
    """The capability ipRanges gives further range sets, before the configured ones."""
    more = {"ipRanges": [[{"subnet": "10.8.0.0/24", "rangeStart": "10.8.0.50", "gateway": "10.8.0.254"}]]}
    result = call(data, "ADD", "a", runtimeConfig=more, args="IP=10.8.0.60")[1]
    assert result["ips"][0] == {"address": "10.8.0.60/24", "gateway": "10.8.0.254"}
    assert len(result["ips"]) == 3
    again = call(data, "ADD", "b", runtimeConfig=more | {"ips": ["fd09::5"]})[1]
    assert addresses(again) == {"10.8.0.61", "10.9.0.3", "fd09::5"}


PATHS = ["../../etc", "a/b", "..", ".", "/etc", "a\0b", "a\n", "", "-a", "\u00e4"]


@pytest.mark.parametrize("text", PATHS, ids=repr)
def test_names_that_lead_elsewhere(tmp_path: Path, text: str) -> None:
    """A container id, an interface or a network whose name might lead out of its directory is refused by every verb,
    and not even the directory is made.
    """
    data = tmp_path / "data"
    for verb in ("ADD", "DEL", "CHECK"):
        assert call(str(data), verb, text)[1]["code"] == 4
        assert call(str(data), verb, "a", name=text)[1]["code"] == 7
        if text not in ("-a", "\u00e4"):  # which a link may be called
            assert call(str(data), verb, "a", env={"CNI_IFNAME": text})[1]["code"] == 4
    assert os.listdir(tmp_path) == []


BAD_RANGES: list[dict[str, Any]] = [
    {"ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "10.9.0.128/25"}]]},
    {"ranges": [[{"subnet": "10.9.0.0/24"}, {"subnet": "fd09::/64"}]]},
    {"ranges": [[{"subnet": "10.9.0.0/24", "rangeStart": "10.9.1.1"}]]},
    {"ranges": [[{"subnet": "10.9.0.0/24", "rangeEnd": "fd09::1"}]]},
    {"ranges": [[{"subnet": "10.9.0.0/33"}]]},
    {"ranges": []},
    {"ranges": "10.9.0.0/24"},
    {"routes": [{"dst": "nowhere"}]},
    {"routes": [{"gw": "10.9.0.1"}]},
    {"dataDir": "relative"},
    {"dataDir": "/tmp/../etc"},
    {"dataDir": 5},
]


@pytest.mark.parametrize("ipam", BAD_RANGES, ids=str)
def test_configurations_that_are_refused(tmp_path: Path, ipam: dict[str, Any]) -> None:
    """What cannot be assigned from is error 7 with the key in it, for ADD and STATUS, and nothing is made."""
    for verb in ("ADD", "STATUS"):
        status, answer = call(str(tmp_path / "data"), verb, "a", ipam=ipam)
        assert (status, answer["code"]) == (1, 7)
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    """Where the directory cannot be made ADD is error 5, STATUS 50; DEL, GC and CHECK know that nothing is there."""
    (tmp_path / "file").write_text("")
    data = str(tmp_path / "file")
    assert call(data, "ADD", "a")[1]["code"] == 5
    assert call(data, "STATUS", "")[1]["code"] == 50
    assert call(data, "DEL", "a") == (0, {})
    assert call(data, "GC", "", **{"cni.dev/valid-attachments": []}) == (0, {})
    assert call(data, "CHECK", "a")[1]["code"] == 100


@pytest.mark.parametrize("directory", ["relative", "/tmp/../etc", "/a\0b"])
def test_data_directories_that_lead_elsewhere(directory: str) -> None:
    """A relative data directory, one with `..`, and what is no path are refused."""
    for verb in ("ADD", "DEL", "CHECK"):
        assert call(directory, verb, "a")[1]["code"] == 7


def test_resolv_conf(data: str, tmp_path: Path) -> None:
    """resolvConf's settings are in the result; a file that is missing is error 5, and nothing is assigned."""
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# x\nnameserver fd00::a\nnameserver 10.0.0.10\nsearch a b\noptions ndots:5\ndomain d\n\nsortlist\n"
    )
    _, result = call(data, "ADD", "a", ipam={"resolvConf": str(file)})
    assert result["dns"] == {
        "nameservers": ["fd00::a", "10.0.0.10"],
        "search": ["a", "b"],
        "options": ["ndots:5"],
        "domain": "d",
    }
    file.write_bytes(b"search \xff\n")
    assert call(data, "ADD", "c", ipam={"resolvConf": str(file)})[1]["dns"] == {"search": ["\ufffd"]}
    assert call(data, "ADD", "b", ipam={"resolvConf": "/nonexistent"})[1]["code"] == 5
    assert call(data, "ADD", "b", ipam={"resolvConf": "/a\0b"})[1]["code"] == 7
    assert call(data, "CHECK", "b")[0] == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_full_disk_leaves_nothing(data: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file of either family can't be written, the address or which was the last one, all are taken back."""
    original = os.write
    seen: list[int] = []

    def fail(fd: int, text: bytes) -> int:
        seen.append(fd)
        if len(seen) == number:
            raise OSError(28, "No space left on device")
        return original(fd, text)

    monkeypatch.setattr(os, "write", fail)
    assert call(data, "ADD", "a")[1]["code"] == 5
    monkeypatch.undo()

    assert not [name for name in os.listdir(Path(data) / "net") if name[0] in "1f"]


class Machine(RuleBasedStateMachine):
    """Requests in processes of their own, several at once, some killed before their n-th file operation."""

    ids = st.sampled_from([f"pod{number}" for number in range(7)])
    points = st.integers(1, 14)

    def __init__(self) -> None:
        super().__init__()
        self.data = tempfile.mkdtemp(prefix="k46t-f-")
        self.assigned: dict[str, set[str]] = {}
        self.unsure: set[str] = set()  # ADD or DEL was killed: a DEL has to follow

    def teardown(self) -> None:
        """After a DEL of all nothing is left, and every address can be assigned again."""
        try:
            for name in [f"pod{number}" for number in range(7)]:
                assert call(self.data, "DEL", name) == (0, {})
            assert not self.on_disk()
            found = [addresses(call(self.data, "ADD", f"fresh{number}")[1]) for number in range(CAPACITY)]
            assert len(set.union(*found)) == 2 * CAPACITY
        finally:
            shutil.rmtree(self.data)

    def on_disk(self) -> dict[str, str]:
        """Each address file's owner; an empty file is nobody's."""
        directory = Path(self.data) / "net"
        files = [file for file in directory.iterdir() if file.name[0] in "1f"] if directory.exists() else []
        return {file.name: text.split("\r\n")[0] for file in files if (text := file.read_bytes().decode())}

    def many(self, requests: list[tuple[str, str, int]]) -> list[dict[str, Any] | None]:
        """Run (verb, id, point) at once, each in a process; None for one that was killed."""
        children = [_spawn(lambda one=one: call(self.data, one[0], one[1])[1], one[2]) for one in requests]
        found = []
        for pid, pipe in children:
            with os.fdopen(pipe, "rb") as stream:
                text = stream.read()
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
            found.append(json.loads(text) if text else None)
        return found

    @rule(names=st.lists(ids, min_size=1, max_size=4, unique=True), point=st.none() | points)
    def add(self, names: list[str], point: int | None) -> None:
        """Add several pods at once; the first is killed on the way when there is a point."""
        wanted = [name for name in names if name not in self.unsure]
        requests = [("ADD", name, point or 0 if index == 0 else 0) for index, name in enumerate(wanted)]
        free = CAPACITY - len(self.assigned)
        done = 0
        for name, result in zip(wanted, self.many(requests), strict=True):
            if result is None:
                if name not in self.assigned:
                    self.unsure.add(name)
            elif "ips" in result:
                assert name not in self.assigned
                self.assigned[name] = addresses(result)
                assert len(self.assigned[name]) == 2
                done += 1
            else:
                assert result["code"] == (102 if name in self.assigned else 11)
        assert done <= free
        if not self.unsure:
            assert len(self.assigned) == CAPACITY or all(name in self.assigned for name in wanted)

    @rule(names=st.lists(ids, min_size=1, max_size=4, unique=True), point=st.none() | points)
    def delete(self, names: list[str], point: int | None) -> None:
        """Delete several pods at once; the first is killed on the way when there is a point."""
        requests = [("DEL", name, point or 0 if index == 0 else 0) for index, name in enumerate(names)]
        for name, result in zip(names, self.many(requests), strict=True):
            self.assigned.pop(name, None)
            if result is None:
                self.unsure.add(name)
            else:
                assert result == {}
                self.unsure.discard(name)

    @invariant()
    def nobody_shares_and_nothing_leaks(self) -> None:
        """Every address of a pod is its own on disk; all others on disk are of requests that were killed."""
        disk = self.on_disk()
        for name, owned in self.assigned.items():
            assert {address for address, owner in disk.items() if owner == name} == owned
        assert set(disk.values()) <= set(self.assigned) | self.unsure
        assert len(disk) == len(set(disk))


def _spawn(work: Callable[[], Any], point: int) -> tuple[int, int]:
    """Run work in a forked process that kills itself before its `point`-th file operation (0: never)."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid:
        os.close(send)
        return pid, receive
    try:
        os.close(receive)
        _arm(point)
        text = json.dumps(work()).encode()
        os.write(send, text)
        os._exit(0)
    finally:
        os._exit(9)


def _arm(point: int) -> None:
    left = [point]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return run

    for name in ("open", "write", "unlink", "close"):
        setattr(os, name, counted(getattr(os, name)))
    for name in ("write_text", "unlink", "read_bytes"):
        setattr(Path, name, counted(getattr(Path, name)))


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=15, stateful_step_count=20)
