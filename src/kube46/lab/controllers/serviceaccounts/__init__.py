"""Gives every namespace its ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`."""
