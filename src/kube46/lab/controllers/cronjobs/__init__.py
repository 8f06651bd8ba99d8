"""Makes Jobs when they are due."""
