"""Which block of each family a node gets: the range allocator of kube-controller-manager, without its leak.

Each family has its own blocks and its own rotating cursor, so blocks are handed out in sequence and a freed block comes
back only after the cursor has been round (semantics B-18). Unlike upstream, a node that cannot have a block of every
family gets none (B-20 loses the first family's block until a restart), and a block stays taken while any node has it.
Source: kubernetes/pkg/controller/nodeipam/ipam/{range_allocator,cidrset/cidr_set}.go.
"""

from collections import Counter

from kube46.addresses import prefixes
from kube46.addresses.families import Prefix
from kube46.controllers.nodeipam.settings import Pool, Settings

Blocks = tuple[Prefix, ...]


class Exhausted(Exception):
    """No block is left in one of the ranges; the text is upstream's."""


class OutOfRange(ValueError):
    """A node has a block that the configured ranges cannot hold."""


class BlockSet:
    """The blocks of one pool: how many holders each taken one has, and where the search for a free one begins."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.size = prefixes.block_count(pool.prefix, pool.length)
        self._holders: Counter[int] = Counter()
        self._cursor = 0

    @property
    def taken(self) -> int:
        """How many blocks have a holder."""
        return len(self._holders)

    def next_free(self) -> int | None:
        """The first free block at or after the cursor, going round; None when all are taken."""
        if len(self._holders) == self.size:
            return None
        index = self._cursor
        while index in self._holders:
            index = (index + 1) % self.size
        return index

    def allocate(self, index: int) -> Prefix:
        """Takes the free block `index` and moves the cursor past it."""
        self._holders[index] += 1
        self._cursor = (index + 1) % self.size
        return prefixes.block(self.pool.prefix, self.pool.length, index)

    def hold(self, part: Prefix) -> None:
        """One more holder for every block that `part` touches. Raises OutOfRange when it lies outside the pool."""
        self._holders.update(self._touched(part))

    def release(self, part: Prefix) -> None:
        """One holder less for every block that `part` touches."""
        for index in self._touched(part):
            if self._holders[index] <= 1:
                del self._holders[index]
            else:
                self._holders[index] -= 1

    def _touched(self, part: Prefix) -> range:
        pool = self.pool.prefix
        if part.version != pool.version or not part.overlaps(pool):
            raise OutOfRange(f"cidr {part} is out the range of cluster cidr {pool}")
        if part.prefixlen <= pool.prefixlen:
            return range(self.size)
        base, shift = int(pool.network_address), pool.max_prefixlen - self.pool.length
        first, last = ((int(a) - base) >> shift for a in (part.network_address, part.broadcast_address))
        return range(first, last + 1)


class Allocator:
    """Who holds which blocks. `owner` is a node's uid: a node made again under the same name is another one."""

    def __init__(self, settings: Settings) -> None:
        self._sets = tuple(BlockSet(pool) for pool in settings.pools)
        self._held: dict[str, Blocks] = {}
        for reserved in settings.reserved:
            for blocks in self._sets:
                if reserved.version == blocks.pool.prefix.version and reserved.overlaps(blocks.pool.prefix):
                    blocks.hold(reserved)

    def held_by(self, owner: str) -> Blocks:
        """The blocks of `owner`, in the order of the pools; empty when it has none."""
        return self._held.get(owner, ())

    def occupy(self, owner: str, name: str, blocks: Blocks) -> None:
        """Records the blocks that the node `name` already has. Raises OutOfRange, in upstream's words."""
        if not blocks or self._held.get(owner) == blocks:
            return
        self._check(name, blocks)
        self.release(owner)
        for pool, block in zip(self._sets, blocks, strict=False):
            pool.hold(block)
        self._held[owner] = blocks

    def allocate(self, owner: str) -> Blocks:
        """A block of every pool, the same ones when asked again. Raises Exhausted and then takes none."""
        if owner in self._held:
            return self._held[owner]
        found: list[int] = []
        for place, pool in enumerate(self._sets):
            index = pool.next_free()
            if index is None:
                raise Exhausted(
                    f"failed to allocate cidr from cluster cidr at idx:{place}: CIDR allocation failed; there are no "
                    f"remaining CIDRs left to allocate in the accepted range: {pool.pool.prefix} holds {pool.size} "
                    f"blocks of /{pool.pool.length}"
                )
            found.append(index)
        blocks = tuple(pool.allocate(index) for pool, index in zip(self._sets, found, strict=True))
        self._held[owner] = blocks
        return blocks

    def release(self, owner: str) -> bool:
        """Frees what `owner` held; whether it held anything."""
        blocks = self._held.pop(owner, ())
        for pool, block in zip(self._sets, blocks, strict=False):
            pool.release(block)
        return bool(blocks)

    def usage(self) -> list[tuple[Prefix, int, int]]:
        """Each pool with the number of its taken blocks and of all its blocks."""
        return [(pool.pool.prefix, pool.taken, pool.size) for pool in self._sets]

    def _check(self, name: str, blocks: Blocks) -> None:
        for place, block in enumerate(blocks):
            if place >= len(self._sets):
                raise OutOfRange(
                    f"node:{name} has an allocated cidr: {block} at index:{place} that does not exist in cluster cidrs "
                    "configuration; give --cluster-cidr the range that it was cut from, or delete the node"
                )
            pool = self._sets[place].pool.prefix
            if block.version != pool.version or not block.overlaps(pool):
                raise OutOfRange(
                    f"failed to mark cidr[{block}] at idx [{place}] as occupied for node: {name}: cidr {block} is out "
                    f"the range of cluster cidr {pool}; give --cluster-cidr the range that it was cut from, or delete "
                    "the node"
                )
