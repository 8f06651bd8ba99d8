"""Notes in policies what is wrong with the types in their expressions."""
