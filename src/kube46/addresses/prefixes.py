"""Arithmetic on prefixes: cutting a pool into blocks, and the reverse-DNS names of a prefix."""

from ipaddress import ip_network

from kube46.addresses.families import Address, Prefix


def parse(text: str) -> Prefix:
    """A prefix from text. Raises ValueError when host bits are set or the text is no prefix."""
    return ip_network(text, strict=True)


def block_count(pool: Prefix, length: int) -> int:
    """How many blocks of prefix length `length` (bits) the pool holds; 0 when the pool is smaller than one."""
    return 1 << (length - pool.prefixlen) if length >= pool.prefixlen else 0


def block(pool: Prefix, length: int, index: int) -> Prefix:
    """The `index`-th block (from 0) of prefix length `length` in the pool. Raises ValueError past the end."""
    if not 0 <= index < block_count(pool, length):
        raise ValueError(f"{pool} holds no block number {index} of length /{length}")
    start = int(pool.network_address) + (index << (pool.max_prefixlen - length))
    return ip_network((start.to_bytes(pool.max_prefixlen // 8, "big"), length))


def nth(pool: Prefix, index: int) -> Address:
    """The `index`-th address of the prefix, counted from its network address. Raises IndexError past the end."""
    return pool[index]


def reverse_zones(pool: Prefix) -> list[str]:
    """The fewest reverse-DNS zones that hold exactly this prefix, cut at octets (IPv4) or nibbles (IPv6).

    `10.96.0.0/15` → `["96.10.in-addr.arpa", "97.10.in-addr.arpa"]`. Source: RFC 1035 section 3.5, RFC 3596 section 2.5.
    """
    step = 8 if pool.version == 4 else 4
    length = -(-pool.prefixlen // step) * step
    labels_cut = (pool.max_prefixlen - length) // step
    firsts = (block(pool, length, index).network_address for index in range(block_count(pool, length)))
    return [".".join(address.reverse_pointer.split(".")[labels_cut:]) for address in firsts]
