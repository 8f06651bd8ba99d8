"""Part: CNI plugins bridge and host-local, and the agent side that does their work."""
