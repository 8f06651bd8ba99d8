"""Clients from before dual-stack: what they read, edit and write back loses no second family."""

from server.apiserver import oldclients
from server.running import Server


def test_old_clients(server: Server) -> None:
    """By PUT of whole objects and by patches, clients that know only clusterIP, podIP and podCIDR keep the rest."""
    with server.client() as api:
        told = oldclients.converse(api, "old-clients")
    oldclients.check(told)
