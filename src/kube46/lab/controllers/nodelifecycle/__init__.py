"""Notices nodes that went silent, marks them and their pods, and deletes pods of nodes that are gone."""
