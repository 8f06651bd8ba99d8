"""Runs each Job's pods to their end, and counts them."""
