"""Adapter: network namespaces, links, addresses, routes and neighbours."""
