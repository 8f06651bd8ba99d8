"""BIND itself, driven by updates."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from kube46.dns.bind import Bind, BindError, load_secret
from kube46.dns.configuration import Named
from kube46.dns.records import changes
from kube46.dns.rules import Record, fixed_records

pytestmark = pytest.mark.root
DOMAIN, REVERSE = "cluster.local", "96.10.in-addr.arpa"
FIXED = fixed_records(DOMAIN, ["10.96.0.10", "fd00:10:96::a"])
WEB = {Record(f"web.shop.svc.{DOMAIN}", "A", "10.96.0.7"), Record(f"7.0.{REVERSE}", "PTR", f"web.shop.svc.{DOMAIN}.")}


@pytest.fixture
def named() -> Iterator[Named]:
    """A named of our own on a free port of both loopback addresses; its process and files go afterwards."""
    # Debian's AppArmor profile lets named write below this directory only.
    directory = Path(f"/var/cache/bind/k46t-dns-{os.getpid()}-{secrets.token_hex(3)}")
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield Named(directory, (DOMAIN, REVERSE), ("127.0.0.1", "::1"), (), load_secret(directory), port)
    pid = directory / "named.pid"
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGKILL)
    shutil.rmtree(directory)


def ask(named: Named, name: str, kind: str, address: str = "::1") -> tuple[str, list[str]]:
    """The answer over UDP: its code and its data, sorted."""
    query = dns.message.make_query(name, kind)
    answer = dns.query.udp(query, address, port=named.port, timeout=5)
    return dns.rcode.to_text(answer.rcode()), sorted(item.to_text() for rrset in answer.answer for item in rrset)


def run(named: Named, scenario: Callable[[Bind], Awaitable[None]]) -> None:
    """Runs a scenario with a driver of the named."""
    asyncio.run(scenario(Bind(named, DOMAIN, named.directory / "log")))  # type: ignore[arg-type]


def test_a_started_named_serves_what_it_was_given(named: Named) -> None:
    """Names of one family answer NODATA, not NXDOMAIN, for the other; both loopback addresses answer."""

    async def scenario(bind: Bind) -> None:
        await bind.start(FIXED | WEB)
        assert ask(named, f"web.shop.svc.{DOMAIN}", "A") == ("NOERROR", ["10.96.0.7"])
        assert ask(named, f"web.shop.svc.{DOMAIN}", "A", "127.0.0.1") == ("NOERROR", ["10.96.0.7"])
        assert ask(named, f"web.shop.svc.{DOMAIN}", "AAAA") == ("NOERROR", [])
        assert ask(named, f"none.shop.svc.{DOMAIN}", "AAAA") == ("NXDOMAIN", [])
        assert ask(named, f"7.0.{REVERSE}", "PTR") == ("NOERROR", [f"web.shop.svc.{DOMAIN}."])
        assert ask(named, f"dns-version.{DOMAIN}", "TXT") == ("NOERROR", ['"1.1.0"'])

    run(named, scenario)


def test_updates_show_at_once(named: Named) -> None:
    """An alias replaces addresses in one message; many records pass in several."""
    alias = Record(f"web.shop.svc.{DOMAIN}", "CNAME", "example.com.")
    many = {Record(f"e{n}.big.shop.svc.{DOMAIN}", "A", f"10.244.{n // 250}.{n % 250}") for n in range(400)}

    async def scenario(bind: Bind) -> None:
        await bind.start(FIXED | WEB)
        await bind.apply(changes((DOMAIN, REVERSE), WEB, [alias, *many]))
        assert ask(named, f"web.shop.svc.{DOMAIN}", "CNAME") == ("NOERROR", ["example.com."])
        assert ask(named, f"e399.big.shop.svc.{DOMAIN}", "A") == ("NOERROR", ["10.244.1.149"])
        assert ask(named, f"7.0.{REVERSE}", "PTR") == ("NXDOMAIN", [])

    run(named, scenario)


def test_a_second_run_adopts_the_first_ones_named(named: Named) -> None:
    """The process stays the same, what is missing is added and what is too much is removed."""
    pid = named.directory / "named.pid"

    async def first(bind: Bind) -> None:
        await bind.start(FIXED | {Record(f"old.{DOMAIN}", "A", "10.0.0.1")})

    async def second(bind: Bind) -> None:
        before = pid.read_text()
        await bind.start(FIXED | WEB)
        assert pid.read_text() == before
        assert ask(named, f"web.shop.svc.{DOMAIN}", "A")[1] == ["10.96.0.7"]
        assert ask(named, f"old.{DOMAIN}", "A") == ("NXDOMAIN", [])
        assert ask(named, f"ns.dns.{DOMAIN}", "AAAA")[1] == ["fd00:10:96::a"]

    run(named, first)
    run(named, second)


def test_a_killed_named_is_noticed_and_can_be_started_again(named: Named) -> None:
    """Updates to a dead server fail, and a new start serves everything."""

    async def scenario(bind: Bind) -> None:
        await bind.start(FIXED)
        os.kill(int((named.directory / "named.pid").read_text()), signal.SIGKILL)
        await asyncio.wait_for(bind.ended(), 60)
        with pytest.raises(BindError, match="did not answer"):
            await bind.apply(changes((DOMAIN, REVERSE), (), WEB))
        await bind.start(FIXED | WEB)
        assert ask(named, f"web.shop.svc.{DOMAIN}", "A")[1] == ["10.96.0.7"]

    run(named, scenario)


def test_a_connection_that_named_closed_is_opened_again(named: Named) -> None:
    """named ends connections that idle; the next update notices and goes through all the same."""

    async def scenario(bind: Bind) -> None:
        await bind.start(FIXED)
        await bind.apply(changes((DOMAIN, REVERSE), (), WEB))
        for _, writer in bind._connections.values():
            writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        await bind.apply(changes((DOMAIN, REVERSE), WEB, ()))
        assert ask(named, f"web.shop.svc.{DOMAIN}", "A") == ("NXDOMAIN", [])

    run(named, scenario)


def test_strangers_may_neither_update_nor_transfer(named: Named) -> None:
    """Without the key an update and a transfer are refused."""

    async def scenario(bind: Bind) -> None:
        await bind.start(FIXED)
        stranger = Named(named.directory, named.zones, named.addresses, (), "c3RyYW5nZXI=", named.port)
        other = Bind(stranger, DOMAIN, named.directory / "log")
        with pytest.raises(BindError):
            await other.apply(changes((DOMAIN, REVERSE), (), WEB))
        with pytest.raises(BindError):
            await other.repair(set(WEB))
        assert ask(named, f"web.shop.svc.{DOMAIN}", "A") == ("NXDOMAIN", [])

    run(named, scenario)
