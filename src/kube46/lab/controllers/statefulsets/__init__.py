"""Gives each StatefulSet its numbered pods, in order."""
