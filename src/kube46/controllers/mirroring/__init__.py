"""Mirrors Endpoints that people write for Services without a selector into EndpointSlices."""
