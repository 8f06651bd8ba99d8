"""Adapter: nftables through libnftables: one open handle, text in, JSON out, atomic transactions."""

from kube46.nftables.handle import Nft, NftError
from kube46.nftables.library import give_back_memory
from kube46.nftables.text import Table, concat, elements, identifier, quoted

__all__ = ["Nft", "NftError", "Table", "concat", "elements", "give_back_memory", "identifier", "quoted"]
