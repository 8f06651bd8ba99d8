"""Keeps the legacy Endpoints object of every Service with a selector."""
