"""The names of the loops, as `--controllers` spells them, and what kube-controller-manager calls its own ones.

A real cluster may want the first ones; the others only make sense where kube-controller-manager does not run them.
"""

from collections.abc import Iterable

NETWORK = ("node-ipam", "endpointslice", "endpoint", "endpointslicemirroring")
STAND_ALONE = (
    "scheduler",
    "replicaset",
    "replicationcontroller",
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
    "service-cidr",
    "resourcequota",
    "validatingadmissionpolicy-status",
)
ALL = (*NETWORK, *STAND_ALONE)

# kube-controller-manager's loops that do what one of ours does, where their name is not ours with `-controller`.
# Source: k8s.io/kubernetes cmd/kube-controller-manager/names/controller_names.go.
DOUBLES: dict[str, tuple[str, ...]] = {
    "endpoint": ("endpoints-controller",),
    "endpointslicemirroring": ("endpointslice-mirroring-controller",),
    "scheduler": (),  # kube-scheduler is a program of its own
    "serviceaccount": ("serviceaccount-controller", "root-ca-certificate-publisher-controller"),
    "node-lifecycle": ("node-lifecycle-controller", "taint-eviction-controller"),
    "storage-protection": ("persistentvolume-protection-controller", "persistentvolumeclaim-protection-controller"),
}
# Names that kube-controller-manager took before 1.27 and still takes, where they are not ours.
FORMER = {
    "nodeipam": "node-ipam",
    "garbagecollector": "garbage-collector",
    "nodelifecycle": "node-lifecycle",
    "root-ca-cert-publisher": "serviceaccount",
    "pvc-protection": "storage-protection",
    "pv-protection": "storage-protection",
}


def doubles(name: str) -> tuple[str, ...]:
    """kube-controller-manager's names of what our loop `name` does."""
    return DOUBLES.get(name, (f"{name}-controller",))


SPELLINGS = FORMER | {other: name for name in ALL for other in (name, *doubles(name))}


def choose(text: str, star: Iterable[str] = NETWORK) -> tuple[str, ...]:
    """The loops that `--controllers` names: `*` is `star`, `-NAME` leaves one out; ours or upstream's names.

    Raises ValueError on a name that is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word != "*" and word.removeprefix("-") not in SPELLINGS:
            raise ValueError(f"{word!r} is no controller: choose from *, {', '.join(ALL)}")
    named = [SPELLINGS[word] for word in words if word in SPELLINGS]
    without = {SPELLINGS[word[1:]] for word in words if word.startswith("-")}
    wanted = {*named, *(star if "*" in words else ())} - without
    return tuple(name for name in ALL if name in wanted)
