"""What nodes keep of Services and EndpointSlices."""

from typing import TypeVar

import msgspec

from kube46.api.objects import EndpointSlice, RoutedService, RoutedSlice, Service
from kube46.dns.controller import MANAGED_LABEL
from kube46.proxy.controller import TRIGGER_TIME
from kube46.proxy.endpoints import HEADLESS_LABEL, SERVICE_NAME_LABEL
from kube46.proxy.rules import PROXY_NAME_LABEL, service_elements
from unit.proxy.samples import VIEW, pods, service, slices

T = TypeVar("T")
UNUSED = {
    "generation", "generateName", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "finalizers", "ownerReferences",
}  # fmt: skip
LEFT_OUT = {"EndpointSlice": UNUSED | {"uid"}, "Service": UNUSED}


def fields(kind: type) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def test_each_field_is_one_of_the_whole_object() -> None:
    """What is kept has the names that the whole objects' fields have; what of the metadata is left out is this."""
    for whole, kept in ((EndpointSlice, RoutedSlice), (Service, RoutedService)):
        assert fields(whole).keys() == fields(kept).keys()
        mine, theirs = fields(fields(kept)["metadata"].type), fields(fields(whole)["metadata"].type)
        assert theirs.keys() - mine.keys() == LEFT_OUT[whole.__name__]
        assert mine.keys() <= theirs.keys()


def test_the_labels_and_annotations_that_parts_look_at_are_kept() -> None:
    """Each that the proxy and cluster DNS know by name."""
    meta = fields(fields(RoutedSlice)["metadata"].type)
    labels, annotations = fields(meta["labels"].type), fields(meta["annotations"].type)
    assert {SERVICE_NAME_LABEL, HEADLESS_LABEL, MANAGED_LABEL, PROXY_NAME_LABEL} == labels.keys()
    assert {TRIGGER_TIME} == annotations.keys()


def test_the_same_elements_are_made_of_what_is_kept() -> None:
    """Of slices and Services with everything in them a node's proxy makes the same, kept or whole."""
    made = service(type="NodePort", session_affinity="ClientIP", external_traffic_policy="Local")
    parts = slices([*pods(2, 3), *pods(4, serving=True, terminating=True, ready=False)])
    kept_parts = [through(part, RoutedSlice, EndpointSlice) for part in parts]
    kept = through(made, RoutedService, Service)
    assert kept == made
    assert kept_parts == parts
    assert service_elements(kept, kept_parts, VIEW, {}) == service_elements(made, parts, VIEW, {})


def through(value: object, kept: type, whole: type[T]) -> T:
    """As a cache keeps it."""
    packed = msgspec.msgpack.encode(msgspec.json.decode(msgspec.json.encode(value), type=kept))
    return msgspec.msgpack.decode(packed, type=whole)
