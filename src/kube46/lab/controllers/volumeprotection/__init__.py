"""Lets claims and volumes go that were deleted and that nobody uses any more."""
