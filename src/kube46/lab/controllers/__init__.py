"""Cluster-wide loops that only a stand-alone cluster needs; a real one has its own controller manager and scheduler."""
