"""What form of answer a client accepts: JSON, YAML or protobuf; whole objects, Tables or metadata only.

Source: k8s.io/apiserver pkg/endpoints/handlers/negotiation; goautoneg for the order of an Accept header's clauses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kube46.apiserver import protobuf_wire
from kube46.apiserver.statuses import StatusError

JSON, YAML, PROTOBUF = "application/json", "application/yaml", protobuf_wire.MEDIA_TYPE
OFFERED = (JSON, YAML, PROTOBUF)  # a wildcard takes the first
CUSTOM = (JSON, YAML)  # of whole custom resources: only their metadata has a form in protobuf
METADATA = ("PartialObjectMetadata", "PartialObjectMetadataList")
VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True)
class Form:
    """`shape` is "" for the object itself."""

    media_type: str = JSON
    shape: str = ""
    version: str = "v1"


@dataclass(frozen=True, slots=True)
class _Clause:
    """One media range of an Accept header."""

    type: str
    subtype: str
    options: dict[str, str]
    quality: float

    def takes(self, media: str) -> bool:
        return media == f"{self.type}/{self.subtype}" or (self.subtype == "*" and self.type in ("*", "application"))

    def form(self, media: str, whole: tuple[str, ...], *, tables: bool = True) -> Form | None:
        """The form it asks for in that media type; None when there is no such thing."""
        if self.options.get("stream", "watch") != "watch" or self.options.get("sv"):
            return None
        if not self.options.keys() & {"as", "g", "v"}:
            return Form(media) if media in whole else None
        shape, version = self.options.get("as", ""), self.options.get("v", "")
        if self.options.get("g") != "meta.k8s.io" or version not in VERSIONS:
            return None
        # lists of metadata have other field numbers in v1beta1, which no client has asked for since 1.16
        fits = version == "v1" if media == PROTOBUF else True
        known = (shape in METADATA and fits) or (shape == "Table" and media != PROTOBUF and tables)
        return Form(media, shape, version) if known else None


@lru_cache(maxsize=256)
def negotiate(
    accept: str,
    *,
    whole: tuple[str, ...] = OFFERED,
    stream: bool = False,
    shaped: bool = True,
    tables: bool = True,
) -> Form:
    """The best clause of the Accept header that we can answer; raises 406 when there is none.

    `whole` are the media types of whole objects; a `stream`, a watch, has no YAML; a refusal is not `shaped`; of what
    is answered and never kept, reviews, there are no `tables`.
    """
    if not accept:
        return Form()
    found = next(
        (
            form
            for clause in _clauses(accept)
            for media in OFFERED
            if clause.takes(media)
            and (form := clause.form(media, whole, tables=tables)) is not None
            and (shaped or not form.shape)
        ),
        None,
    )
    if found is not None and not (stream and found.media_type == YAML):
        return found
    offered = [media for media in OFFERED if media in whole and not (stream and media == YAML)]
    names = ", ".join(f"{media};stream=watch" if stream else media for media in offered)
    raise StatusError(406, "NotAcceptable", f"only the following media types are accepted: {names}")


@lru_cache(maxsize=256)
def check_router(accept: str, *, listing: bool) -> None:
    """Refuse with 406 what upstream's router, which knows no `application/*`, keeps from built-in kinds."""
    produced = [*OFFERED, *((f"{JSON};stream=watch", f"{PROTOBUF};stream=watch") if listing else ())]
    wanted = [clause.partition(";")[0].strip() for clause in accept.split(",")]
    if accept and not any(media == "*/*" or media in produced for media in wanted):
        text = f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}"
        raise StatusError(406, "NotAcceptable", text, {})


def _clauses(accept: str) -> list[_Clause]:
    """In the order in which they are tried: by quality, wildcards last."""
    found = [clause for text in accept.split(",") if (clause := _clause(text)) is not None]
    return sorted(found, key=lambda c: (-c.quality, c.type == "*", c.subtype == "*"))


def _clause(text: str) -> _Clause | None:
    media, *parameters = (part.strip() for part in text.split(";"))
    kind, slash, subtype = media.partition("/")
    if not slash and kind == "*":
        subtype = "*"
    if not subtype or "/" in subtype:
        return None
    pairs = (parameter.split("=") for parameter in parameters)
    options = {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2 and pair[1]}
    return _Clause(kind, subtype, options, _quality(options.pop("q", "1")))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
