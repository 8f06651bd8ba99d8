"""Binds claims to volumes, has volumes provisioned, and says what becomes of those that were let go."""
