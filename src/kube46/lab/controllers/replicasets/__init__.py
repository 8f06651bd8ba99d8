"""Keeps the number of pods that each ReplicaSet asks for."""
