"""What a ResourceQuota counts, and whether a request fits in it."""
