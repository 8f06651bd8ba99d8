"""Runs one pod of each DaemonSet on every node that it is for."""
