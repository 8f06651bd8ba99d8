"""PersistentVolumes, their claims and classes: defaulting and validation."""
