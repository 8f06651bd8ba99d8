"""The handle on a real kernel, in a network namespace of its own."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from kube46.nftables import Nft, NftError, Table, concat, elements, handle, quoted

pytestmark = pytest.mark.root
TABLE = Table("k46t")


@pytest.fixture
def netns() -> Iterator[str]:
    """A fresh network namespace."""
    name = f"k46t-g-{os.getpid()}-nft"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def nft(netns: str) -> Iterator[Nft]:
    """A handle on it."""
    with Nft(netns) as opened:
        yield opened


def names(nft: Nft) -> set[str]:
    return {entry["table"]["name"] for entry in nft.list_json("list tables") if "table" in entry}


def test_a_transaction_lands_in_the_named_namespace_only(nft: Nft) -> None:
    """What is written through the handle is seen through it, and not in the namespace the process is in."""
    with Nft() as here:
        before = names(here)
        nft.run(f"add table {TABLE}")
        assert names(nft) == {"k46t"}
        assert names(here) == before


def test_an_error_carries_the_message_of_libnftables_and_nothing_is_done(nft: Nft) -> None:
    """A transaction is refused as a whole, with nft's own words and our text."""
    text = f"add table {TABLE}\nadd chain {TABLE} a\nadd rule {TABLE} absent accept\n"
    with pytest.raises(NftError, match="No such file or directory") as raised:
        nft.run(text)
    assert raised.value.text == text
    assert names(nft) == set()


def test_a_handle_lives_on_after_an_error(nft: Nft) -> None:
    """The error of one transaction is not reported again by the next."""
    with pytest.raises(NftError):
        nft.run("add nonsense")
    nft.run(f"add table {TABLE}")
    assert names(nft) == {"k46t"}


def test_elements_of_both_families_are_written_and_read(nft: Nft) -> None:
    """Concatenated keys with values go in as text in batches and come out as JSON."""
    nft.run(f"add table {TABLE}\nadd map {TABLE} m {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr ; }}")
    vip, backend = ip_address("fd00::1"), ip_address("fd00::2")
    wanted = [f"{concat(vip, 'tcp', port)} : {backend}" for port in range(1, 1202)]
    nft.run("".join(elements("add", TABLE, "m", wanted)))
    (found,) = (entry["map"] for entry in nft.list_json(f"list map {TABLE} m") if "map" in entry)
    assert len(found["elem"]) == 1201


def test_hostile_text_in_a_comment_stays_a_comment(nft: Nft) -> None:
    """Text with quotes, newlines and commands in it adds no object."""
    hostile = 'x" ; }\nadd table inet owned\n\\'
    nft.run(f"add table {TABLE}\nadd chain {TABLE} a {{ comment {quoted(hostile)} ; }}")
    assert names(nft) == {"k46t"}


def test_the_context_is_renewed_without_losing_anything(nft: Nft, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every RENEW_AFTER transactions a new context is opened, in the same namespace."""
    monkeypatch.setattr(handle, "RENEW_AFTER", 3)
    for number in range(10):
        nft.run(f"add table inet t{number}")
    assert names(nft) == {f"t{number}" for number in range(10)}


def test_apply_leaves_the_event_loop_free(nft: Nft) -> None:
    """Concurrent applies are carried out one after another, off the event loop's thread."""

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(nft.apply(f"add table inet t{number}"))

    asyncio.run(scenario())
    assert len(names(nft)) == 5


def test_a_missing_namespace_is_said_at_once() -> None:
    """Opening a handle on a namespace that isn't there raises, and names it."""
    with pytest.raises(FileNotFoundError, match="k46t-g-none"):
        Nft("k46t-g-none")
