"""Part: Services and endpoints into the DNS engine, BIND."""
