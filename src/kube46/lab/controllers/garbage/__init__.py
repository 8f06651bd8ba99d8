"""Deletes objects whose owners are gone, and ends foreground and orphaning deletions."""
