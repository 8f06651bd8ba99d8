"""Who owns which field: managedFields, and server-side apply, which is decided by them (KEP-555)."""
