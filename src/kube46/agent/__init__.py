"""Runs a node's parts."""
