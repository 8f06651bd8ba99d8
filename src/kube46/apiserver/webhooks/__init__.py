"""Calls of programs outside that the API server asks: where they are, how they are reached, what goes wrong."""
