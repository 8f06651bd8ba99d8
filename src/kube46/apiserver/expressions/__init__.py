"""Expressions (CEL) of admission policies and of webhooks' match conditions."""
