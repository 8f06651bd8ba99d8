"""BIND: its process, its files, and changes to its zones by RFC 2136 UPDATE.

named outlives us: a later run finds it by its pid file, reads what it serves by zone transfer and sends only the
difference, so a restart of the agent neither drops a query nor empties a cache.
"""

import asyncio
import base64
import contextlib
import logging
import os
import pwd
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone

from kube46.dns.configuration import KEY_NAME, TTL, Named, named_conf, zone_file, zone_text
from kube46.dns.records import Change, changes
from kube46.dns.rules import Record

log = logging.getLogger(__name__)
START_SECONDS = 10.0
# A 60 kB message holds BIND's thread for 10 ms; 150 records stay near one.
BATCH = 150
KEY = dns.name.from_text(KEY_NAME)
USER = "bind"


class BindError(Exception):
    """named refused or did not answer; the message names the zone and the reason."""


def load_secret(directory: Path) -> str:
    """The key shared with named, base64, made on first use and kept for adoption."""
    path = directory / "update.key"
    try:
        return path.read_text()
    except FileNotFoundError:
        text = base64.b64encode(secrets.token_bytes(32)).decode()
        path.touch(mode=0o600)
        path.write_text(text)
        return text


class Bind:
    """One named. `start` returns when it serves exactly the records asked for."""

    def __init__(self, named: Named, domain: str, log_file: Path) -> None:
        self._named, self._domain, self._log_file = named, domain, log_file
        self._keyring = dns.tsigkeyring.from_text({KEY_NAME: ("hmac-sha256", named.secret)})
        self._connections: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    async def start(self, records: Iterable[Record]) -> None:
        """Adopts the named that runs with this configuration, else starts one. Raises BindError."""
        wanted = set(records)
        conf = self._named.directory / "named.conf"
        text = named_conf(self._named)
        running = self._running_pid()
        if running and conf.exists() and conf.read_text() == text:
            self._pid = running
            log.info("Adopted named pid=%d", running)
            await self.repair(wanted)
            return
        if running:
            await self._stop(running)
        self._write(conf, text, wanted)
        self._launch(conf)
        await self._until_serving()

    async def repair(self, wanted: set[Record]) -> None:
        """Reads every zone and sends what differs from `wanted`."""
        present = await asyncio.to_thread(self._transfer)
        await self.apply(changes(self._named.zones, present - wanted, wanted - present))

    async def apply(self, differences: Iterable[Change]) -> None:
        """Sends the changes, each zone's in one message as far as size allows. Raises BindError."""
        for change in differences:
            steps = [(False, record) for record in change.removed] + [(True, record) for record in change.added]
            for start in range(0, len(steps), BATCH):
                await self._update(change.zone, steps[start : start + BATCH])

    async def ended(self) -> None:
        """Returns when the process has ended."""
        pidfd = os.pidfd_open(self._pid)
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            if self._child:
                self._child.poll()
            self._disconnect()

    async def _update(self, zone: str, steps: list[tuple[bool, Record]]) -> None:
        message = dns.update.UpdateMessage(f"{zone}.", keyring=self._keyring, keyname=KEY)
        for add, record in steps:
            if add:
                message.add(f"{record.name}.", TTL, record.type, record.data)
            else:
                message.delete(f"{record.name}.", record.type, record.data)
        answer = await self._exchange(zone, message)
        if answer.rcode() != dns.rcode.NOERROR:
            raise BindError(f"named refused an update of {zone}: {dns.rcode.to_text(answer.rcode())}")

    async def _exchange(self, zone: str, message: dns.message.Message) -> dns.message.Message:
        """One message and its answer. named closes connections that idle for 30 s: then a new one is tried once."""
        kept = zone in self._connections
        try:
            return await self._once(zone, message)
        except BindError:
            if not kept:
                raise
        return await self._once(zone, message)

    async def _once(self, zone: str, message: dns.message.Message) -> dns.message.Message:
        """The exchange on the zone's own connection: two messages in flight on one would wait 40 ms (Nagle)."""
        wire = message.to_wire(max_size=65535)
        try:
            async with asyncio.timeout(10):
                if zone not in self._connections:
                    address, port = self._named.addresses[0], self._named.port
                    self._connections[zone] = await asyncio.open_connection(address, port)
                reader, writer = self._connections[zone]
                writer.write(len(wire).to_bytes(2, "big") + wire)
                await writer.drain()
                length = int.from_bytes(await reader.readexactly(2), "big")
                body = await reader.readexactly(length)
            return dns.message.from_wire(body, keyring=message.keyring, request_mac=message.mac)
        except (OSError, EOFError, TimeoutError, dns.exception.DNSException) as error:
            self._disconnect(zone)
            raise BindError(f"named did not answer for {zone}: {str(error) or type(error).__name__}") from error

    def _disconnect(self, zone: str | None = None) -> None:
        for name in [zone] if zone else list(self._connections):
            if connection := self._connections.pop(name, None):
                connection[1].close()

    def _transfer(self) -> set[Record]:
        """All records of all zones but the SOAs and the reverse zones' NS, by AXFR (RFC 5936)."""
        found: set[Record] = set()
        for zone in self._named.zones:
            copy = dns.zone.Zone(f"{zone}.", relativize=False)
            query, _ = dns.xfr.make_query(copy, keyring=self._keyring, keyname=KEY)
            try:
                dns.query.inbound_xfr(self._named.addresses[0], copy, query, port=self._named.port, timeout=10)
            except (OSError, dns.exception.DNSException) as error:
                raise BindError(f"named did not hand over {zone}: {str(error) or type(error).__name__}") from error
            for name, _, data in copy.iterate_rdatas():
                kind = dns.rdatatype.to_text(data.rdtype)
                if kind != "SOA" and not (kind == "NS" and zone != self._domain):
                    found.add(Record(name.to_text(omit_final_dot=True).lower(), kind, data.to_text()))
        return found

    def _running_pid(self) -> int:
        """The pid of the named of our directory, 0 without one: a pid alone may belong to another program by now."""
        try:
            pid = int((self._named.directory / "named.pid").read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if str(self._named.directory / "named.conf").encode() in arguments else 0

    async def _stop(self, pid: int) -> None:
        self._pid = pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            await self.ended()

    def _write(self, conf: Path, text: str, records: set[Record]) -> None:
        directory = self._named.directory
        owner = pwd.getpwnam(USER)
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        for left in directory.glob("*.jnl"):
            left.unlink()  # a journal belongs to the zone file that is replaced now
        serial = int(time.time())
        by_zone = {change.zone: change.added for change in changes(self._named.zones, (), records)}
        files: dict[Path, str] = {conf: text}
        for zone in self._named.zones:
            files[directory / zone_file(zone)] = zone_text(zone, self._domain, by_zone.get(zone, ()), serial)
        for path, content in files.items():
            path.unlink(missing_ok=True)
            path.touch(mode=0o640)
            os.chown(path, owner.pw_uid, owner.pw_gid)
            path.write_text(content)

    def _launch(self, conf: Path) -> None:
        pid_file = self._named.directory / "named.pid"
        pid_file.unlink(missing_ok=True)
        with self._log_file.open("ab") as output:
            self._child = subprocess.Popen(
                ["named", "-f", "-n", "1", "-u", USER, "-c", str(conf)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._pid = self._child.pid
        log.info("Started named pid=%d directory=%s", self._pid, self._named.directory)

    async def _until_serving(self) -> None:
        """named listens only after its zones are loaded, so the first answer says that all is there."""
        zone = self._named.zones[0]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            if self._child and self._child.poll() is not None:
                raise BindError(f"named ended at start, status {self._child.returncode}: see {self._log_file}")
            try:
                await self._exchange(zone, dns.message.make_query(f"{zone}.", "SOA"))
                return
            except BindError:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(0.01)


async def supervise(bind: Bind, records: Callable[[], set[Record]], restarted: Callable[[], None]) -> None:
    """Starts named again whenever it ends, with the records of that moment; never returns."""
    while True:
        await bind.ended()
        log.error("named ended and is started again")
        restarted()
        try:
            await bind.start(records())
        except BindError as error:
            log.error("named does not start error=%s", error)
            await asyncio.sleep(1)
