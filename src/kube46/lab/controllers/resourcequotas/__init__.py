"""Counts what is used of ResourceQuotas."""
