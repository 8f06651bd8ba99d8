"""Marks ServiceCIDRs as ready, and lets those go that were deleted once no Service needs them."""
