"""What form of answer a client accepts: JSON or YAML; whole objects, Tables or metadata only.

Protobuf is not offered: clients list JSON after it, as for custom resources of a real API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kube46.apiserver.statuses import StatusError

TRANSFORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, slots=True)
class Form:
    """`shape` is "" for the object itself."""

    media_type: str = "application/json"
    shape: str = ""
    version: str = "v1"


@lru_cache(maxsize=256)
def negotiate(accept: str, *, transforms: bool = True) -> Form:
    """The first range of the Accept header that we can answer; raises 406 when there is none."""
    if not accept:
        return Form()
    for text in accept.split(","):
        media, *parameters = (part.strip() for part in text.split(";"))
        options = dict(p.split("=", 1) for p in parameters if "=" in p)
        media = {"*/*": "application/json", "application/*": "application/json", "text/yaml": "application/yaml"}.get(
            media, media
        )
        if media not in ("application/json", "application/yaml"):
            continue
        shape = options.get("as", "")
        if not shape:
            return Form(media)
        known = shape in TRANSFORMS and options.get("g") == "meta.k8s.io" and options.get("v") in ("v1", "v1beta1")
        if transforms and known and not (shape == "Table" and media == "application/yaml"):
            return Form(media, shape, options["v"])
    text = "only the following media types are accepted: application/json, application/yaml"
    raise StatusError(406, "NotAcceptable", text, {})
