"""Container images of this machine: read from archives, unpacked layer by layer, kept for all its clusters."""
