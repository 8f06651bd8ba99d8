"""What commands print, and how they wait for one another."""

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kube46.api.objects import Condition, Meta, Node, NodeAddress, NodeSpec, NodeStatus
from kube46.lab import locks, outside, summary
from kube46.lab.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        """It is."""
        return True


def test_plain_output_has_a_line_a_step_and_no_escapes() -> None:
    """In a log file there is neither a spinner nor a colour."""
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.step("Nodes"):
        progress.tick("Nodes")

    assert stream.getvalue().splitlines() == [" * Nodes  0.0 s"]


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_follow_no_color(environment: dict[str, str], coloured: bool) -> None:
    """A terminal gets a spinner in any case, colours unless NO_COLOR is set (no-color.org)."""
    stream = Terminal()
    with Progress(stream, environment).step("Nodes"):
        pass

    assert "✓" in stream.getvalue()
    assert ("\x1b[32m" in stream.getvalue()) is coloured


def test_a_failed_step_is_marked() -> None:
    """The line says so before the error does."""
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), Progress(stream).step("Nodes"):
        raise ValueError("no")

    assert stream.getvalue() == " x Nodes\n"
    with pytest.raises(ValueError, match="no"), Progress(stream).step("web: 1 ready", "web: not ready"):
        raise ValueError("no")
    assert stream.getvalue() == " x Nodes\n x web: not ready\n"


def test_timings_add_up() -> None:
    """Each step has a line, the total is the last."""
    progress = Progress(io.StringIO())
    for text in ("One", "Two"):
        with progress.step(text):
            pass

    assert [line.split()[0] for line in progress.timings().splitlines()] == ["One", "Two", "total"]


def test_nodes_are_listed_with_both_families() -> None:
    """Addresses and blocks stand in the node's order."""
    node = Node(
        metadata=Meta(name="node1"),
        spec=NodeSpec(pod_cidrs=("fd00::/64", "10.244.0.0/24")),
        status=NodeStatus(
            addresses=(NodeAddress("InternalIP", "fd46::11"), NodeAddress("Hostname", "node1")),
            conditions=(Condition("Ready", "True"),),
        ),
    )

    assert summary.nodes([node]).splitlines()[1].split() == ["node1", "Ready", "fd46::11", "fd00::/64,10.244.0.0/24"]


def test_a_lock_is_waited_for_and_survives_its_directorys_deletion(tmp_path: Path) -> None:
    """Who waits while the holder deletes the directory gets a lock on a new one."""
    directory, waited, order = tmp_path / "dev", threading.Event(), []

    def second() -> None:
        with locks.held(directory, waited.set):
            order.append("second")
            assert directory.exists()

    with locks.held(directory):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(60)
        order.append("first")
        directory.rmdir()
    thread.join(5)

    assert order == ["first", "second"]


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    """A killed command leaves no lock."""
    code = f"from kube46.lab import locks; from pathlib import Path; locks.held(Path({str(tmp_path)!r})).__enter__()"
    subprocess.run([sys.executable, "-c", code], check=True)
    waited = []
    with locks.held(tmp_path, lambda: waited.append(True)):
        pass

    assert waited == []


@pytest.mark.parametrize(("name", "text"), [("outside.test", outside.zone()), (".", outside.root_zone())])
def test_the_zones_have_every_kind_of_name(name: str, text: str) -> None:
    """dnspython, an independent reader, accepts them."""
    import dns.zone

    zone = dns.zone.from_text(text, origin=name, relativize=True)

    assert zone.get_rdataset("@", "SOA") is not None
    if name != ".":
        assert zone.get_rdataset("only4", "AAAA") is None
        assert zone.get_rdataset("only6", "A") is None
        large = zone.get_rdataset("large", "TXT")
        assert large is not None
        assert sum(len(record.to_wire() or b"") for record in large) > 512
