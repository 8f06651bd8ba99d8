"""Part: the embedded Kubernetes API server of a stand-alone cluster."""
