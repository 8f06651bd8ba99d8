"""The kube46 command: one module a command, loaded when it is called."""
