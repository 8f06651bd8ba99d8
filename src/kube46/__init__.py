"""kube46: a dual-stack (IPv4/IPv6) network for Kubernetes."""

__version__ = "0.1.0"
