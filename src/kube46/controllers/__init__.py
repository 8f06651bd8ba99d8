"""Part: cluster-wide network loops, which also run on real clusters."""
