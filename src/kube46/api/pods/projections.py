"""What a projected volume is made of: validation of its sources.

Source: k8s.io/kubernetes pkg/apis/core/validation/validation.go (validateProjectionSources).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.podcertificates import KEY_TYPES, SHORTEST, annotation_errors, longest
from kube46.api.pods import files
from kube46.api.selectors import selector_errors
from kube46.api.signers import bundle_name_problems, signer_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Object = dict[str, Any]

SHORTEST_TOKEN, LONGEST_TOKEN = 600, 1 << 32  # seconds
# In the order of upstream's list, which is that of its errors.
KINDS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")
BUNDLE_FIELDS = ("name", "signerName", "labelSelector", "optional", "path", "user")
TWICE = "conflicting duplicate paths"


def errors(sources: Sequence[Object], field: str) -> list[FieldError]:
    """Every error of the sources of the projected volume at `field`."""
    found: list[FieldError] = []
    taken: set[str] = set()
    for index, source in enumerate(sources):
        given = [kind for kind in KINDS if source.get(kind) is not None]
        for kind in given:
            one, place = source[kind], f"{field}.sources[{index}].{kind}"
            match kind:
                case "secret" | "configMap":
                    found += _keys(one, place)
                case "downwardAPI":
                    for item in one.get("items") or ():
                        found += files.item_errors(place, "", item)
                case "serviceAccountToken":
                    found += _token(one, field, place)
                case "clusterTrustBundle":
                    found += _bundle(one, place)
                case _:
                    found += _certificate(one, place)
            for path, shown in _paths(kind, one):
                found += [invalid(field, shown, TWICE)] if path in taken else []
                taken.add(path)
        if len(given) > 1:
            text = "may not specify more than 1 volume type per source"
            found.append(forbidden(f"{field}.sources[{index}]", text))
    return found


def _paths(kind: str, source: Object) -> Iterator[tuple[str, str]]:
    """The paths that a source takes, each with what is shown when another has it."""
    if kind in ("secret", "configMap", "downwardAPI"):
        paths = [item.get("path") or "" for item in source.get("items") or ()]
        yield from ((path, path if kind == "downwardAPI" else source.get("name") or "") for path in paths if path)
    elif kind == "clusterTrustBundle":
        yield source.get("path") or "", source.get("path") or ""
    elif kind == "podCertificate":
        yield from ((source[name], source[name]) for name in CERTIFICATE_PATHS if source.get(name))


def _keys(source: Object, place: str) -> list[FieldError]:
    found = [] if source.get("name") else [required(f"{place}.name")]
    for index, item in enumerate(source.get("items") or ()):
        found += files.item_errors(place, f"{place}.items[{index}]", item)
    return found


def _token(source: Object, field: str, place: str) -> list[FieldError]:
    seconds, path = source["expirationSeconds"], source.get("path") or ""
    found: list[FieldError] = []
    if seconds < SHORTEST_TOKEN:
        found.append(invalid(f"{place}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > LONGEST_TOKEN:
        text = "may not specify a duration larger than 2^32 seconds"
        found.append(invalid(f"{place}.expirationSeconds", seconds, text))
    return found + (files.relative(f"{field}.path", path) if path else [required(f"{field}.path")])


def _bundle(source: Object, place: str) -> list[FieldError]:
    name, signer, selector = (source.get(key) for key in ("name", "signerName", "labelSelector"))
    found: list[FieldError] = []
    if name is not None and signer is not None:
        shown = {key[0].upper() + key[1:]: source.get(key) for key in BUNDLE_FIELDS}  # Go's internal type
        found.append(invalid(place, shown, "only one of name and signerName may be used"))
    elif name is not None:
        found += [] if name else [required(f"{place}.name", "must be a valid object name")]
        owner = name.rpartition(":")[0].replace(":", "/")
        texts = (f"not a valid clustertrustbundlename: {text}" for text in bundle_name_problems(name, owner))
        found += each_invalid(f"{place}.name", name, texts)
        if selector is not None:
            text = "labelSelector must be unset if name is specified"
            found.append(invalid(f"{place}.labelSelector", selector, text))
    elif signer is not None:
        found += [] if signer else [required(f"{place}.signerName", "must be a valid signer name")]
        found += signer_errors(signer, f"{place}.signerName")
        found += selector_errors(selector or {}, f"{place}.labelSelector")
    else:
        found.append(required(place, "either name or signerName must be specified"))
    path = source.get("path") or ""
    found += [] if path else [required(f"{place}.path")]
    return found + files.relative(f"{place}.path", path)


def _certificate(source: Object, place: str) -> list[FieldError]:
    signer, kind, seconds = source.get("signerName") or "", source.get("keyType"), source.get("maxExpirationSeconds")
    found = signer_errors(signer, f"{place}.signerName")
    found += annotation_errors(source.get("userAnnotations"), f"{place}.userAnnotations")
    if kind not in KEY_TYPES:
        found.append(not_supported(f"{place}.keyType", kind or "", KEY_TYPES, in_order=True))
    if seconds is not None:
        here, name = f"{place}.maxExpirationSeconds", "if provided, maxExpirationSeconds must be"
        found += [invalid(here, seconds, f"{name} >= {SHORTEST}")] if seconds < SHORTEST else []
        most = longest(signer)
        found += [invalid(here, seconds, f"{name} <= {most}")] if seconds > most else []
    paths = {name: source[name] for name in CERTIFICATE_PATHS if source.get(name)}
    for name, path in paths.items():
        found += files.relative(f"{place}.{name}", path)
    text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
    return found if paths else [*found, required(place, text)]
