"""host-local's directory."""

import os
import threading
from ipaddress import ip_address
from pathlib import Path

import pytest

from kube46.cni.requests import Attachment
from kube46.cni.store import Store

POD = Attachment("pod", "eth0")
V4, V6 = ip_address("10.0.0.2"), ip_address("fd00::2")


def test_files_are_those_of_the_reference(tmp_path: Path) -> None:
    """An address is a file of its name with `ID CR LF IFNAME`; the last one of each set is noted."""
    store = Store("net", str(tmp_path))
    with store.locked():
        store.reserve(V4, POD, 0)
        store.reserve(V6, POD, 1)

    directory = tmp_path / "net"
    assert sorted(os.listdir(directory)) == ["10.0.0.2", "fd00::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]
    assert (directory / "fd00::2").read_bytes() == b"pod\r\neth0"
    assert (directory / "last_reserved_ip.1").read_bytes() == b"fd00::2"


def test_what_others_wrote_is_seen(tmp_path: Path) -> None:
    """A store that lives on sees what other processes add, change and remove, at once."""
    store, other = Store("net", str(tmp_path)), Store("net", str(tmp_path))
    with store.locked():
        store.reserve(V4, POD, 0)
    with other.locked():
        assert other.addresses_of(POD) == ["10.0.0.2"]
        other.release("10.0.0.2")
        other.reserve(V4, Attachment("other", "eth0"), 0)
        other.reserve(V6, POD, 1)
    with store.locked():
        assert store.addresses_of(POD) == ["fd00::2"]
        assert store.owners() == {"10.0.0.2": Attachment("other", "eth0"), "fd00::2": POD}
        assert store.last(1) == V6
    (tmp_path / "net" / "10.0.0.9").write_bytes(b"third\r\neth0\n")
    with store.locked():
        assert store.addresses_of(Attachment("third", "eth0")) == ["10.0.0.9"]


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading many files again for each request is what makes the reference slow: only changed ones are read."""
    store = Store("net", str(tmp_path))
    with store.locked():
        for last in range(2, 50):
            store.reserve(ip_address(f"10.0.0.{last}"), Attachment(f"pod{last}", "eth0"), 0)
    with store.locked():
        pass
    read: list[Path] = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path), original(path))[1])
    (tmp_path / "net" / "10.0.0.99").write_bytes(b"new\r\neth0")
    with store.locked():
        assert len(store.taken()) == 49

    assert [path.name for path in read] == ["10.0.0.99"]


def test_an_empty_file_is_free(tmp_path: Path) -> None:
    """A file whose writer was killed before it wrote is no assignment, and is removed."""
    store = Store("net", str(tmp_path))
    with store.locked():
        pass
    (tmp_path / "net" / "10.0.0.2").touch()
    with store.locked():
        assert store.taken() == set()
        store.reserve(V4, POD, 0)
    assert store.last(0) == V4
    (tmp_path / "net" / "last_reserved_ip.0").write_text("")
    assert store.last(0) is None


def test_files_of_old_plugins_and_of_nobody(tmp_path: Path) -> None:
    """A file with only an id belongs to that container's every interface; names that are no address are let alone."""
    store = Store("net", str(tmp_path))
    with store.locked():
        (tmp_path / "net" / "10.0.0.2").write_text("pod")
        (tmp_path / "net" / "notes.txt").write_text("pod\r\neth0")
        (tmp_path / "net" / "10.0.0.3").mkdir()
    with store.locked():
        assert store.addresses_of(POD) == ["10.0.0.2"]
        assert store.owners() == {"10.0.0.2": Attachment("pod", "")}
        assert "10.0.0.3" in store.taken()
        store.release("10.0.0.2")
        store.release("10.0.0.2")
    assert (tmp_path / "net" / "notes.txt").exists()


def test_a_taken_address_cannot_be_reserved(tmp_path: Path) -> None:
    """The file system itself refuses a second owner."""
    store = Store("net", str(tmp_path))
    with store.locked():
        store.reserve(V4, POD, 0)
        with pytest.raises(FileExistsError):
            store.reserve(V4, Attachment("other", "eth0"), 0)


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    """The lock holds between threads of one process too."""
    store = Store("net", str(tmp_path))
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with store.locked():
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.002)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 8
