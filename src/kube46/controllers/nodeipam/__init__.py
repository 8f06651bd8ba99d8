"""Gives every node a block of pod addresses of each family."""
