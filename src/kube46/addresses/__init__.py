"""Pure: address families, prefixes, pools and planning arithmetic."""
