"""Part: the promises of KEP-563 as named checks, for any cluster of any vendor."""
