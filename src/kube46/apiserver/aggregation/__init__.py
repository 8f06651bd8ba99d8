"""API servers that are added to this one: their groups and versions are served here, by asking them."""
