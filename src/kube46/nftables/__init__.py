"""Adapter: nftables tables and atomic transactions through one open libnftables handle."""
