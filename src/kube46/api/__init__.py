"""Pure: the Kubernetes objects kube46 uses, their defaulting, validation and allocation rules."""
