"""The driver: turns changes of elements into one transaction on the table, and repairs the table when one fails.

The committed state is what the claims were when the last transaction was carried out, so nothing is listed between
transactions. The table is read at the start (to adopt what a predecessor left, without a flush), after a failure, and
when `resync` is called; a table of another layout, or one that can't be mended, is replaced whole in one transaction,
which established connections outlive: their translation is the kernel's connection tracking, not the table.
"""

import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from kube46.addresses.families import Family
from kube46.netlink import batches
from kube46.netlink.expressions import comment, inserted
from kube46.netlink.xtables import has_chain
from kube46.nftables import Nft, NftError, elements
from kube46.proxy import affinity, counting, encoding, firewall, listing, metrics
from kube46.proxy.claims import Changes, Claims
from kube46.proxy.layout import (
    COUNT_CHAIN,
    COUNTED,
    FIXED_CHAINS,
    TABLE,
    WORDS,
    chains,
    declarations,
    is_pick,
    marker,
    pick_rules,
    read_pick,
)  # fmt: skip
from kube46.proxy.listing import Listing
from kube46.proxy.rules import DROP, Element, Elements
from kube46.proxy.settings import NodeView, Settings

if TYPE_CHECKING:
    import socket

GRACE = 2.0
"""Seconds between the transaction that leaves a chain without use and the one that deletes it: kernels before 6.2 keep
a deleted element's reference for a moment."""
PART = 8_000
"""Elements of a transaction that fills a new table."""
LEARNT = ("affinity", COUNTED)
"""Maps and sets whose elements are packets', not ours, begin so."""
COMMENT, OURS = 'comment "kube46"', comment("kube46")
"""What each rule of a chain that picks carries, in text and in bytes: a rule without it is somebody else's."""
Items = list[tuple[Element, str]]
log = logging.getLogger(__name__)


class ProxyTable:
    """The node's `inet kube46-proxy` table through one handle."""

    def __init__(self, nft: Nft, settings: Settings) -> None:
        self._nft, self._settings = nft, settings
        self._node: NodeView | None = None
        self._socket: socket.socket | None = None
        self._uses: Counter[str] = Counter()
        self._idle: dict[str, float] = {}
        self._broken: set[str] = set()
        self._found: Listing | None = None
        self._absent = False
        self._trusted = False
        self._counts = False

    async def apply(self, changes: Changes, desired: Claims, node: NodeView) -> int:
        """Carry out the changes (already part of `desired`). Returns how many elements were changed in the kernel: more
        than asked for when the table had to be read. Raises NftError when even a new table is refused."""
        if self._trusted:
            try:
                await self._commit(changes, "" if node is self._node else self._fixed(node))
            except NftError as error:
                metrics.REPAIRS.inc()
                log.warning("Transaction refused, table is read and repaired error=%s", _first_line(error))
            else:
                self._node = node
                return len(changes)
        repaired = await self._repair(desired, self._fixed(node))
        await self._count()
        self._node = node
        return repaired

    async def _count(self) -> None:
        """Complete the chain that counts connections."""
        if self._settings.counted_ports and not self._counts:
            await self._apply(f"flush chain {TABLE} {COUNT_CHAIN}\n")
            await self._send(inserted(TABLE.name, COUNT_CHAIN, counting.rules(), OURS))
            self._counts = True

    def _fixed(self, node: NodeView) -> str:
        """The text that doesn't depend on any Service."""
        return "\n".join((*declarations(self._settings), *chains(self._settings, node))) + "\n"

    @property
    def is_trusted(self) -> bool:
        """Whether the next `apply` only writes."""
        return self._trusted

    def distrust(self) -> None:
        """Read the table at the next `apply`."""
        self._trusted = False

    async def others(self) -> list[str]:
        """What shows that another proxy works on the node."""
        return await other_proxies(self._nft)

    async def held(self) -> Elements:
        """What a table of our layout holds, read now if that is to be done; nothing when there is none.

        Backends that are in the desired state keep the places that they have here.
        """
        if not self._trusted and self._found is None:
            self._found = await self._adopt()
        return self._found or {}

    async def _repair(self, desired: Claims, fixed: str) -> int:
        """Read what is there and change only what differs; failing that, replace the table."""
        actual = await self._adopt() if self._found is None else self._found
        self._found = None
        if actual is not None:
            try:
                changes = actual.difference(desired)
                del actual  # which may be a hundred megabytes
                await self._commit(changes, fixed)
            except (NftError, ValueError) as error:
                metrics.REPAIRS.inc()
                log.warning("Repair refused, table is replaced error=%s", _first_line(error))
            else:
                return len(changes)
        if self._absent:
            try:
                await self._fill(desired, fixed)
            except NftError as error:
                log.warning("New table refused, a whole one is tried error=%s", _first_line(error))
            else:
                return len(desired)
        await self._replace(desired, fixed)
        return len(desired)

    async def _fill(self, desired: Claims, fixed: str) -> None:
        """Make a table where there is none, a part after the other, so that no part needs much memory. Whoever knocks
        finds nothing, as before, until verdicts come, which are last."""
        self._uses, self._idle, self._broken, self._counts = Counter(), {}, set(), False
        for verdicts in (False, True):
            chosen = (item for item in desired if _is_verdict(item[1]) is verdicts)
            while (part := [*itertools.islice(chosen, PART)]) or fixed:
                await self._carry_out([], part, fixed)
                fixed = ""

    async def _replace(self, desired: Claims, fixed: str) -> None:
        """A whole new table in one transaction; of text, for libnftables can't leave parts of one to others."""
        self._uses, self._idle, self._broken, self._counts = Counter(), {}, set(), False
        uses: Counter[str] = Counter(filter(None, (_target(element, value) for element, value in desired)))
        new = [name for name in uses if name not in FIXED_CHAINS]
        text = [f"add table {TABLE}\ndelete table {TABLE}\n", fixed, *map(self._new_chain, new)]
        self._trusted = False
        await self._nft.apply("".join([*text, *_grouped("add", desired)]))
        await self._finish(new)
        self._uses, self._trusted = uses, True

    async def _adopt(self) -> Listing | None:
        """The elements of a table of our layout, its chains taken over; None when there is none that can be read."""
        self._absent = False
        try:
            found = await self._nft.inside(partial(listing.read, TABLE.name))
        except (OSError, ValueError) as error:
            log.warning("Table not understood, it is replaced error=%s", error)
            return None
        self._absent = found is None
        if found is None or marker(self._settings) not in found.chains:
            return None
        chains = found.chains.keys() - {*FIXED_CHAINS, marker(self._settings)}
        uses = Counter({_target(("", ""), verdict): count for verdict, count in found.verdicts().items()})
        uses.update(_target(element, "") for element in found.ranges())
        self._uses = Counter({name: uses[name] for name in chains | uses.keys() if name is not None})
        self._idle = {name: 0.0 for name in chains if not uses[name]}
        self._counts = [*found.chains.get(COUNT_CHAIN, ())] == [OURS] * len(counting.rules())
        mine = [name for name in chains if uses[name] and (is_pick(name) or firewall.ranges_set(name))]
        self._broken = {name for name in mine if [*found.chains[name]] != [OURS] * self._length(name)}
        return found

    def _length(self, name: str) -> int:
        """How many rules a chain shall have."""
        if firewall.ranges_set(name):
            return 1
        mark = self._settings.mark
        return len([*pick_rules(name, mark)]) + (len(affinity.rules(name, mark)) if read_pick(name).sticky else 0)

    async def _commit(self, changes: Changes, fixed: str) -> None:
        gone = [(element, change.old) for element, change in changes.items() if change.old is not None]
        come = [(element, change.new) for element, change in changes.items() if change.new is not None]
        await self._carry_out(gone, come, fixed)

    async def _carry_out(self, gone: Items, come: Items, fixed: str) -> None:
        """All changes of Services are one transaction. What they refer to is made by one before; what nobody refers to
        any more is deleted by one afterwards: most changes have neither."""
        uses, idle = self._uses.copy(), dict(self._idle)
        new = sorted(self._broken)
        new += _count(uses, idle, gone, come, time.monotonic())
        before = [fixed, *map(self._new_chain, new), *_grouped("delete", _static(gone)), *_grouped("add", _apart(come))]
        after = [*_grouped("delete", _ranges(gone)), *_unused(uses, idle, time.monotonic())]
        batch = encoding.transaction(TABLE.name, gone, come)
        self._trusted = False  # until the kernel has answered: a cancelled call may or may not have been carried out
        await self._apply("".join(before))
        await self._finish(new)
        if batch:
            await self._send(batch)
        try:
            await self._apply("".join(after))
        except NftError:
            for family in WORDS:
                metrics.CLEANUP_FAILURES.labels(family).inc()
            raise
        self._uses, self._idle, self._broken, self._trusted = uses, idle, set(), True

    async def _apply(self, text: str) -> None:
        if text:
            await self._nft.apply(text)

    async def _finish(self, names: Iterable[str]) -> None:
        """Put new sticky chains' own rules before their others."""
        for name in names:
            if not firewall.ranges_set(name) and read_pick(name).sticky:
                await self._send(inserted(TABLE.name, name, affinity.rules(name, self._settings.mark), OURS))

    async def _send(self, batch: bytes) -> None:
        try:
            await self._nft.inside(lambda: self._on_thread(batch))
        except OSError as error:
            raise NftError(str(error), f"{len(batch)} bytes of netlink messages") from error

    def _on_thread(self, batch: bytes) -> None:
        """On one socket all the time: closing one waits until the kernel has freed what a transaction deleted, which
        takes an RCU grace period, 4 to 30 ms (nft_rcv_nl_event)."""
        if self._socket is None:
            self._socket = batches.opened()
            self._nft.hold(self._socket)
        try:
            batches.carry_out_on(self._socket, batch)
        except OSError:
            self._socket.close()
            self._socket = None
            raise

    def _new_chain(self, name: str) -> str:
        start = f"add chain {TABLE} {name}\nflush chain {TABLE} {name}\n"
        if ranges := firewall.ranges_set(name):
            ip, kind, _ = WORDS[ranges[1]]
            made = f"add set {TABLE} {ranges[0]} {{ type {kind} ; flags interval ; }}\n"
            return f"{made}{start}add rule {TABLE} {name} {ip} saddr != @{ranges[0]} drop {COMMENT}\n"
        rules = pick_rules(name, self._settings.mark)
        return start + "".join(f"add rule {TABLE} {name} {rule} {COMMENT}\n" for rule in rules)


def _count(uses: Counter[str], idle: dict[str, float], gone: Items, come: Items, now: float) -> list[str]:
    """Keep the number of users of each chain; returns the chains that are new."""
    new: list[str] = []
    for element, value in come:
        if (name := _target(element, value)) is not None:
            if name not in uses and name not in FIXED_CHAINS:
                new.append(name)
            uses[name] += 1
            idle.pop(name, None)
    for element, value in gone:
        if (name := _target(element, value)) is not None:
            uses[name] -= 1
            if not uses[name] and name not in FIXED_CHAINS:
                idle[name] = now
    return new


def _unused(uses: Counter[str], idle: dict[str, float], now: float) -> Iterator[str]:
    """Delete the chains that nobody has used for a while."""
    for name in [name for name, since in idle.items() if now - since > GRACE]:
        del idle[name], uses[name]
        yield f"flush chain {TABLE} {name}\ndelete chain {TABLE} {name}\n"
        if ranges := firewall.ranges_set(name):
            yield f"delete set {TABLE} {ranges[0]}\n"


async def clean(nft: Nft) -> None:
    """Delete the table: the part is turned off on this node. Established connections live on."""
    await nft.apply(f"add table {TABLE}\ndelete table {TABLE}\n")


async def other_proxies(nft: Nft) -> list[str]:
    """What shows that a kube-proxy works on the same node: its tables in nftables mode, its chains in iptables mode and
    in IPVS mode, whichever of its two kernel interfaces iptables uses."""
    tables = [entry["table"] for entry in await nft.read_json("list tables") if "table" in entry]
    chains = [entry["chain"] for entry in await nft.read_json("list chains") if "chain" in entry]
    found = [f"{table['family']} {table['name']}" for table in tables if table["name"] == "kube-proxy"]
    found += [f"{c['family']} {c['table']} {c['name']}" for c in chains if c["name"] == "KUBE-SERVICES"]
    return sorted([*found, *await nft.inside(_old_chains)])


def _old_chains() -> list[str]:
    try:
        return [
            f"{WORDS[family][0]} nat KUBE-SERVICES" for family in Family if has_chain(family, "nat", "KUBE-SERVICES")
        ]
    except OSError as error:
        log.warning("Not known whether a kube-proxy of iptables mode works on this node error=%s", error)
        return []


def _apart(items: Items) -> Items:
    """Elements that libnftables adds or deletes: intervals."""
    return [item for item in items if not encoding.is_binary(item[0][0])]


def _static(items: Items) -> Items:
    """Those of them that go before others come, which they may overlap."""
    return [item for item in _apart(items) if firewall.chain_of(item[0][0]) is None]


def _ranges(items: Items) -> Items:
    """Those that go when no frontend refers to them any more: without them nobody would be let through."""
    return [item for item in _apart(items) if firewall.chain_of(item[0][0]) is not None]


def _grouped(verb: str, items: Iterable[tuple[Element, str]]) -> Iterator[str]:
    """Commands that delete elements, or add them, set by set."""
    members: dict[str, list[str]] = {}
    for (name, key), value in items:
        members.setdefault(name, []).append(key if verb == "delete" or not value else f"{key} : {value}")
    for name, texts in members.items():
        yield from elements(verb, TABLE, name, texts)


def _target(element: Element, value: str) -> str | None:
    """The chain that an element needs: the one that its verdict goes to, or whose set it is in."""
    if not value:
        return firewall.chain_of(element[0])
    return value[5:] if value.startswith(("goto ", "jump ")) else None


def _is_verdict(value: str) -> bool:
    return value == DROP or value.startswith(("goto ", "jump "))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
