"""What a pod was given by its resizes, on disk: it may be less than its object asks for by now."""

import msgspec

from kube46.lab.kubelet.directories import PodDirectory, read_record, write
from kube46.lab.kubelet.manifests import Resources
from kube46.lab.kubelet.resizing import Amounts


def recorded(directory: PodDirectory) -> Amounts:
    """What a pod was given, by an earlier kubelet's record; else what its runs are held to. {}: nothing is known."""
    try:
        if (found := read_record(directory.allocated)) is not None:
            return msgspec.convert(found, Amounts)
        newest = {name: directory.runs(name)[-1:] for name in directory.containers()}
        records = {n: read_record(directory.run(n, runs[0]).record) or {} for n, runs in newest.items() if runs}
        return {n: msgspec.convert(r["given"], Resources) for n, r in records.items() if r.get("given") is not None}
    except msgspec.ValidationError:
        return {}


def remember(directory: PodDirectory, given: Amounts) -> None:
    """Keep what a pod was given over the kubelet's own end. Raises OSError."""
    write(directory.allocated, msgspec.json.encode(given))
