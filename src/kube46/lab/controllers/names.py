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


def choose(text: str) -> tuple[str, ...]:
    """The loops that `--controllers` names: `*` is those of a real cluster, `-NAME` leaves one out.

    Raises ValueError on a name that is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word != "*" and word.removeprefix("-") not in ALL:
            raise ValueError(f"{word!r} is no controller: choose from *, {', '.join(ALL)}")
    wanted = {name for word in words for name in (NETWORK if word == "*" else (word,))}
    return tuple(name for name in ALL if name in wanted and f"-{name}" not in words)
