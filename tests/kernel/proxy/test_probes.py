"""healthCheckNodePort over real sockets, in both families."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest

from kube46.addresses.families import Family
from kube46.proxy.checks import Check
from kube46.proxy.probes import Probes

pytestmark = pytest.mark.root
OWNER = ("default", "web")
LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
ADDRESSES = {family: (ip_network(address),) for family, address in LOOPBACK.items()}


def free_port() -> int:
    """A port that nobody has in either family."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        return int(server.getsockname()[1])


def with_probes(work: Callable[[Probes, int], Awaitable[None]], healthy: Callable[[], bool] = lambda: True) -> None:
    """Something with probes that answer on loopback, and a port for them."""

    async def session() -> None:
        probes = Probes(healthy)
        probes.addresses = ADDRESSES
        try:
            await work(probes, free_port())
        finally:
            probes.close()

    asyncio.run(session())


async def get(family: Family, port: int, request: bytes = b"GET /any HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    """All that comes back; a reset is nothing."""
    reader, writer = await asyncio.open_connection(LOOPBACK[family], port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_each_family_answers_for_its_endpoints() -> None:
    """200 with endpoints here, 503 without, one port for both families; counts change without a new socket."""

    async def work(probes: Probes, port: int) -> None:
        probes.want(OWNER, {Family.IPV4: Check(port, 1), Family.IPV6: Check(port, 0)})
        await probes.sync()
        assert (await get(Family.IPV4, port)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await get(Family.IPV6, port)).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        probes.want(OWNER, {family: Check(port, 3) for family in Family})
        await probes.sync()
        for family in Family:
            answer = await get(family, port)
            assert b"X-Load-Balancing-Endpoint-Weight: 3\r\n" in answer
            assert answer.endswith(b'"localEndpoints": 3,\n\t"serviceProxyHealthy": true\n}')

    with_probes(work)


def test_a_service_that_goes_closes_its_port() -> None:
    """Also of one family only, and when the port changes."""

    async def work(probes: Probes, port: int) -> None:
        probes.want(OWNER, {family: Check(port, 1) for family in Family})
        await probes.sync()
        probes.want(OWNER, {Family.IPV6: Check(port, 1)})
        await probes.sync()
        assert await get(Family.IPV6, port)
        with pytest.raises(ConnectionRefusedError):
            await get(Family.IPV4, port)
        probes.want(OWNER, {})
        await probes.sync()
        with pytest.raises(ConnectionRefusedError):
            await get(Family.IPV6, port)

    with_probes(work)


def test_a_taken_port_is_told_once_and_opened_when_it_is_free(caplog: pytest.LogCaptureFixture) -> None:
    """A pod on the node's network may have it; the proxy works on."""

    async def work(probes: Probes, port: int) -> None:
        probes.want(OWNER, {Family.IPV4: Check(port, 1)})
        with socket.create_server(("127.0.0.1", port)):
            await probes.sync()
            await probes.sync()
        assert len(caplog.records) == 1
        await probes.sync()
        assert (await get(Family.IPV4, port)).startswith(b"HTTP/1.1 200")

    with_probes(work)


def test_a_taken_port_is_an_event_of_its_service() -> None:
    """As kube-proxy's: once, with the family and the port."""
    told: list[tuple[tuple[str, str], str, str]] = []

    async def tell(owner: tuple[str, str], reason: str, message: str) -> None:
        told.append((owner, reason, message))

    async def work() -> None:
        probes, port = Probes(lambda: True, tell), free_port()
        probes.want(OWNER, {Family.IPV6: Check(port, 1)})
        try:
            with socket.create_server(("::1", port), family=socket.AF_INET6):
                await probes.sync()
                await probes.sync()
        finally:
            probes.close()
        ((owner, reason, message),) = told
        assert (owner, reason) == (OWNER, "FailedToStartServiceHealthcheck")
        assert f"IPv6: the health check of {'/'.join(OWNER)} on port {port} is not served" in message

    asyncio.run(work())


def test_what_is_no_request_gets_no_answer() -> None:
    """A long line, an early end, and an address that answers for no node port: closed without a word."""

    async def work(probes: Probes, port: int) -> None:
        probes.want(OWNER, {family: Check(port, 1) for family in Family})
        await probes.sync()
        assert await get(Family.IPV6, port)
        assert await get(Family.IPV4, port, b"x" * 20000) == b""
        probes.addresses = {Family.IPV6: ADDRESSES[Family.IPV6]}
        assert await get(Family.IPV4, port) == b""

    with_probes(work)


def test_a_proxy_that_does_not_keep_up_says_so() -> None:
    """The load balancer goes elsewhere."""

    async def work(probes: Probes, port: int) -> None:
        probes.want(OWNER, {Family.IPV6: Check(port, 1)})
        await probes.sync()
        assert (await get(Family.IPV6, port)).startswith(b"HTTP/1.1 503")

    with_probes(work, lambda: False)
