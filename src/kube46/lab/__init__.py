"""Stand-alone clusters on one machine, in network namespaces."""
