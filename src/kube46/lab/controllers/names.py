"""The names of the loops, as `--controllers` spells them.

Names are kube-controller-manager's. A real cluster may want the first ones; the others only make sense where there is
no kube-controller-manager.
"""

NETWORK = ("node-ipam", "endpointslice", "endpoint", "endpointslicemirroring")
STAND_ALONE = (
    "scheduler",
    "replicaset",
    "deployment",
    "daemonset",
    "statefulset",
    "job",
    "cronjob",
    "disruption",
    "garbage-collector",
    "namespace",
    "serviceaccount",
    "node-lifecycle",
    "persistentvolume-binder",
    "ephemeral-volume",
    "storage-protection",
)
ALL = (*NETWORK, *STAND_ALONE)
