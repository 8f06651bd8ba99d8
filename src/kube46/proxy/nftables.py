"""The driver: turns changes of elements into one transaction on the table, and repairs the table when one fails.

The committed state is what the claims were when the last transaction was carried out, so nothing is listed between
transactions. The table is read at the start (to adopt what a predecessor left, without a flush), after a failure, and
when `resync` is called; a table of another layout, or one that can't be mended, is replaced whole in one transaction,
which established connections outlive: their translation is the kernel's connection tracking, not the table.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kube46.netlink.batches import carry_out
from kube46.netlink.expressions import inserted
from kube46.nftables import Nft, NftError, elements
from kube46.proxy import affinity, firewall, metrics
from kube46.proxy.claims import Change, Changes, Claims, difference
from kube46.proxy.layout import FIXED_CHAINS, TABLE, WORDS, chains, declarations, marker, pick_rules, read_pick
from kube46.proxy.rules import Element, Elements
from kube46.proxy.settings import NodeView, Settings

GRACE = 2.0
"""Seconds between the transaction that leaves a chain without use and the one that deletes it: kernels before 6.2 keep
a deleted element's reference for a moment."""
PART = 20_000
"""Elements of a transaction that fills a new table."""
LEARNT = "affinity"
"""Maps whose elements are packets', not ours, begin so."""
log = logging.getLogger(__name__)


class ProxyTable:
    """The node's `inet kube46-proxy` table through one handle."""

    def __init__(self, nft: Nft, settings: Settings) -> None:
        self._nft, self._settings = nft, settings
        self._fixed = ""
        self._uses: Counter[str] = Counter()
        self._idle: dict[str, float] = {}
        self._broken: set[str] = set()
        self._found: Elements | None = None
        self._absent = False
        self._trusted = False

    async def apply(self, changes: Changes, desired: Claims, node: NodeView) -> Changes:
        """Carry out the changes (already part of `desired`). Returns what was changed in the kernel: more than asked
        for when the table had to be read. Raises NftError when even a new table is refused."""
        fixed = "\n".join((*declarations(self._settings), *chains(self._settings, node))) + "\n"
        if self._trusted:
            try:
                await self._commit(changes, "" if fixed == self._fixed else fixed)
            except NftError as error:
                metrics.REPAIRS.inc()
                log.warning("Transaction refused, table is read and repaired error=%s", _first_line(error))
            else:
                self._fixed = fixed
                return changes
        repaired = await self._repair(desired, fixed)
        self._fixed = fixed
        return repaired

    @property
    def is_trusted(self) -> bool:
        """Whether the next `apply` only writes."""
        return self._trusted

    def distrust(self) -> None:
        """Read the table at the next `apply`."""
        self._trusted = False

    async def held(self) -> Elements:
        """What a table of our layout holds, read now if that is to be done; nothing when there is none.

        Backends that are in the desired state keep the places that they have here.
        """
        if not self._trusted and self._found is None:
            self._found = await self._adopt()
        return self._found or {}

    async def _repair(self, desired: Claims, fixed: str) -> Changes:
        """Read what is there and change only what differs; failing that, replace the table."""
        actual = await self._adopt() if self._found is None else self._found
        self._found = None
        if actual is not None:
            changes = difference(actual, desired)
            try:
                await self._commit(changes, fixed)
            except NftError as error:
                metrics.REPAIRS.inc()
                log.warning("Repair refused, table is replaced error=%s", _first_line(error))
            else:
                return changes
        self._uses, self._idle, self._broken = Counter(), {}, set()
        changes = {element: Change(None, value) for element, value in desired}
        if self._absent:
            try:
                await self._fill(changes, fixed)
            except NftError as error:
                log.warning("New table refused, a whole one is tried error=%s", _first_line(error))
                self._uses, self._idle = Counter(), {}
            else:
                return changes
        await self._commit(changes, f"add table {TABLE}\ndelete table {TABLE}\n{fixed}")
        return changes

    async def _fill(self, changes: Changes, fixed: str) -> None:
        """Make a table where there is none, a part after the other: libnftables needs over 1 KB an element of a text.
        Whoever knocks finds nothing, as before, until verdicts come, which are last."""
        ordered = sorted(changes.items(), key=lambda item: _target(item[0], item[1].new) is not None)
        for first in range(0, len(ordered) or 1, PART):
            await self._commit(dict(ordered[first : first + PART]), "" if first else fixed)

    async def _adopt(self) -> Elements | None:
        """The elements of a table of our layout, its chains taken over; None when there is none."""
        try:
            listed = await self._nft.read_json(f"list table {TABLE}")
        except NftError:
            self._absent = True
            return None
        self._absent = False
        found = {entry["chain"]["name"] for entry in listed if "chain" in entry}
        if marker(self._settings) not in found:
            return None
        found -= {*FIXED_CHAINS, marker(self._settings)}
        actual = dict(read_elements(listed))
        self._uses = Counter(filter(None, (_target(element, value) for element, value in actual.items())))
        self._idle = {name: 0.0 for name in found if not self._uses[name]}
        for name in found:
            self._uses.setdefault(name, 0)
        rules = Counter(entry["rule"]["chain"] for entry in listed if "rule" in entry)
        self._broken = {name for name in found if self._uses[name] and rules[name] != self._length(name)}
        return actual

    def _length(self, name: str) -> int:
        """How many rules a chain shall have."""
        if firewall.ranges_set(name):
            return 1
        mark = self._settings.mark
        return len([*pick_rules(name, mark)]) + (len(affinity.rules(name, mark)) if read_pick(name).sticky else 0)

    async def _commit(self, changes: Changes, fixed: str) -> None:
        uses, idle = self._uses.copy(), dict(self._idle)
        new: list[str] = []
        text = fixed + "".join(self._transaction(changes, uses, idle, new, time.monotonic()))
        self._trusted = False  # until the kernel has answered: a cancelled call may or may not have been carried out
        if text:
            await self._nft.apply(text)
        for name in new:
            if not firewall.ranges_set(name) and read_pick(name).sticky:  # until now it has picked by chance
                await self._finish(name)
        self._uses, self._idle, self._broken, self._trusted = uses, idle, set(), True

    async def _finish(self, name: str) -> None:
        """Put a sticky chain's own rules before its others."""
        batch = inserted(TABLE.name, name, affinity.rules(name, self._settings.mark))
        try:
            await self._nft.inside(lambda: carry_out(batch))
        except OSError as error:
            raise NftError(str(error), f"the rules of {name}") from error

    def _transaction(
        self, changes: Changes, uses: Counter[str], idle: dict[str, float], new: list[str], now: float
    ) -> Iterator[str]:
        """The commands, in an order in which nothing is referred to before it is there or deleted while in use."""
        for broken in sorted(self._broken):
            new.append(broken)
            yield from self._new_chain(broken)
        for element, change in changes.items():
            if (name := _target(element, change.new)) is not None:
                if name not in uses and name not in FIXED_CHAINS:
                    new.append(name)
                    yield from self._new_chain(name)
                uses[name] += 1
                idle.pop(name, None)
        for element, change in changes.items():
            if (name := _target(element, change.old)) is not None:
                uses[name] -= 1
                if not uses[name] and name not in FIXED_CHAINS:
                    idle[name] = now
        yield from _grouped("delete", changes)
        yield from _grouped("add", changes)
        for name in [name for name, since in idle.items() if now - since > GRACE]:
            del idle[name], uses[name]
            yield f"flush chain {TABLE} {name}\ndelete chain {TABLE} {name}\n"
            if ranges := firewall.ranges_set(name):
                yield f"delete set {TABLE} {ranges[0]}\n"

    def _new_chain(self, name: str) -> Iterator[str]:
        if ranges := firewall.ranges_set(name):
            ip, kind, _ = WORDS[ranges[1]]
            yield f"add set {TABLE} {ranges[0]} {{ type {kind} ; flags interval ; }}\n"
            yield f"add chain {TABLE} {name}\nflush chain {TABLE} {name}\n"
            yield f"add rule {TABLE} {name} {ip} saddr != @{ranges[0]} drop\n"
            return
        yield f"add chain {TABLE} {name}\nflush chain {TABLE} {name}\n"
        for rule in pick_rules(name, self._settings.mark):
            yield f"add rule {TABLE} {name} {rule}\n"


async def clean(nft: Nft) -> None:
    """Delete the table: the part is turned off on this node. Established connections live on."""
    await nft.apply(f"add table {TABLE}\ndelete table {TABLE}\n")


async def other_proxies(nft: Nft) -> list[str]:
    """What shows that a kube-proxy works on the same node: its tables in nftables mode, its chains in iptables mode."""
    tables = [entry["table"] for entry in await nft.read_json("list tables") if "table" in entry]
    chains = [entry["chain"] for entry in await nft.read_json("list chains") if "chain" in entry]
    found = [f"{table['family']} {table['name']}" for table in tables if table["name"] == "kube-proxy"]
    found += [f"{c['family']} {c['table']} {c['name']}" for c in chains if c["name"] == "KUBE-SERVICES"]
    return sorted(found)


def _grouped(verb: str, changes: Changes) -> Iterator[str]:
    """Commands that delete all old elements, or add all new ones, set by set."""
    members: dict[str, list[str]] = {}
    for (name, key), change in changes.items():
        value = change.old if verb == "delete" else change.new
        if value is not None:
            member = key if verb == "delete" or not value else f"{key} : {value}"
            members.setdefault(name, []).append(member)
    for name, texts in members.items():
        yield from elements(verb, TABLE, name, texts)


def _target(element: Element, value: str | None) -> str | None:
    """The chain that an element needs: the one that its verdict goes to, or whose set it is in."""
    if not value:
        return firewall.chain_of(element[0]) if value is not None else None
    return value[5:] if value.startswith(("goto ", "jump ")) else None


def _first_line(error: NftError) -> str:
    return error.message.partition("\n")[0]


# nft's JSON (libnftables-json(5)) read back as the text that we write


def read_elements(listed: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], str]]:
    """The elements of all sets and maps of a listing, spelled as we write them."""
    for entry in listed:
        holder = entry.get("map") or entry.get("set") or {}
        if holder.get("name", "").startswith(LEARNT):
            continue
        for element in holder.get("elem", ()):
            key, value = element if isinstance(element, list) else (element, "")
            yield (holder["name"], _text(key)), _text(value)


def _text(value: Any) -> str:
    match value:
        case {"concat": [*parts]}:
            return " . ".join(map(_text, parts))
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"goto": {"target": chain}}:
            return f"goto {chain}"
        case {"jump": {"target": chain}}:
            return f"jump {chain}"
        case {"drop": _}:
            return "drop"
        case {"elem": {"val": inner}}:
            return _text(inner)
    return str(value)
