"""Adapter: list, watch, write, caches and leases; the only code that talks to a Kubernetes API."""
