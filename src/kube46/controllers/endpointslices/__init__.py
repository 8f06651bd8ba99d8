"""Keeps the EndpointSlices of every Service with a selector, one set of slices for each family."""
