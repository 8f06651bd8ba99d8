"""Session affinity ClientIP in the kernel, to the second: who is known where, and the rules that know it. Pure.

    SCOPE-sticky    frontend            → number of the Service port
    affinity        client . port       → slot of its endpoint; learnt by packets, for `timeoutSeconds`
    members         port . slot         → endpoint, while it is one that may be chosen
    SCOPE-slots     frontend . index    → slot of the backend of that index

A slot is a number that an endpoint keeps, so neither another's coming and going nor a restart of the agent moves a
client; all addresses of a Service port share its number, and so the affinity (K-12). Endpoints for policy Local are
members of a port number of their own: a client never gets one that its policy forbids.

A result of a look-up reaches the next one's key through the packet's mark, which is put back in the same rule: so
libnftables 1.0.6 can list the rules, which would abort `nft list ruleset` of everybody on the node otherwise.
"""

import zlib
from collections.abc import Iterable, Sequence

from kube46.addresses.families import Family
from kube46.netlink import expressions as go
from kube46.proxy.layout import LOCAL, Pick, read_pick

SPARE, SAVED = 14, 15
"""Registers for a number on its way through the mark, and for the mark itself."""
NFPROTO = {Family.IPV4: 2, Family.IPV6: 10}
SOURCE, DESTINATION = {Family.IPV4: 12, Family.IPV6: 8}, {Family.IPV4: 16, Family.IPV6: 24}
"""Offsets of the addresses in a packet."""


def number(*words: str) -> int:
    """A Service port's number from its names; even."""
    return zlib.crc32(" ".join(words).encode()) & ~1


def slots(backends: Iterable[str]) -> dict[str, int]:
    """Each backend's slot: a hash of its text, so that it needs no memory; of two alike one moves on."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    for backend in sorted(backends):
        slot = zlib.crc32(backend.encode())
        while slot in taken:
            slot = slot + 1 & 0xFFFFFFFF
        taken.add(slot)
        found[backend] = slot
    return found


def elements(
    family: Family, verdicts: str, key: str, port: int, backends: Sequence[str], first: int
) -> dict[tuple[str, str], str]:
    """What makes a frontend sticky, whose backends lie from index `first` on."""
    v, found = family.version, {}
    of = slots(backends)
    found[f"{verdicts}-sticky{v}", key] = str(port)
    for index, backend in enumerate(backends, first):
        found[f"{verdicts}-slots{v}", f"{key} . {index}"] = str(of[backend])
        found[f"members{v}", f"{port | (first == LOCAL)} . {of[backend]}"] = backend
    return found


def rules(chain: str, mark: int) -> list[bytes]:
    """The rules that go before all others of a sticky chain: those who are known, and those who are to be."""
    pick = read_pick(chain)
    return [b"".join(_rule(family, pick, mark, known=known)) for family in NFPROTO for known in (True, False)]


def _rule(family: Family, pick: Pick, mark: int, *, known: bool) -> Iterable[bytes]:
    scope, kind, count, timeout = pick.scope, pick.kind, pick.count, pick.sticky
    v, words = family.version, 1 if family is Family.IPV4 else 4
    client, port, slot, frontend = 0, words, words + 1, words + 1
    index = frontend + (words if scope == "service" else 0) + 2
    yield go.family_is(NFPROTO[family])
    yield go.mark(SAVED)
    if kind == "masquerade":
        yield go.set_bits(SAVED, mark)
    if scope == "service":
        yield go.payload(frontend, go.Base.NETWORK, DESTINATION[family], 4 * words)
    yield go.transport(index - 2)
    yield go.payload(index - 1, go.Base.TRANSPORT, 2, 2)
    yield go.look_up(f"{scope}-sticky{v}", frontend, SPARE)
    if kind == "local":
        yield go.set_bits(SPARE, 1)
    yield from _through_mark(port)
    yield go.payload(client, go.Base.NETWORK, SOURCE[family], 4 * words)
    if known:
        yield go.look_up(f"affinity{v}", client, SPARE)
    else:
        yield go.random_number(index, count, LOCAL if kind == "local" else 0)
        yield go.look_up(f"{scope}-slots{v}", frontend, SPARE)
    yield from _through_mark(slot)
    if not known:  # what was known is of an endpoint that went
        yield go.remember(f"affinity{v}", go.Update.DELETE, client, slot)
        yield go.remember(f"affinity{v}", go.Update.UPDATE, client, slot, timeout)
    yield go.look_up(f"members{v}", port, slot + 1)
    if known:
        yield go.remember(f"affinity{v}", go.Update.UPDATE, client, slot, timeout)
    yield go.translate(NFPROTO[family], slot + 1, slot + 1 + words)


def _through_mark(register: int) -> Iterable[bytes]:
    """SPARE's number into a register, by way of the mark, which becomes SAVED."""
    return go.set_mark(SPARE), go.mark(register), go.set_mark(SAVED)
