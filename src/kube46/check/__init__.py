"""Part: the connectivity matrix."""
