"""Keeps one ReplicaSet at the size that each Deployment asks for, and replaces it when the template changes."""
