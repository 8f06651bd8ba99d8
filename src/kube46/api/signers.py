"""Names of signers of certificates: `domain/path`.

Source: k8s.io/kubernetes pkg/apis/core/validation/names.go.
"""

from __future__ import annotations

from kube46.api import names
from kube46.api.errors import FieldError, go_quote, invalid, required, too_long

LONGEST_DOMAIN, LONGEST_LABEL = 253, 63
LONGEST = LONGEST_DOMAIN + 1 + LONGEST_LABEL + 1 + LONGEST_DOMAIN


def signer_errors(name: str, place: str = "spec.signerName") -> list[FieldError]:
    """Every error of a signer's name."""
    if not name:
        return [required(place)]
    domain, slash, path = name.partition("/")
    if not slash or "/" in path:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(place, name, text)]
    found = [too_long(place, LONGEST_DOMAIN)] if len(domain) > LONGEST_DOMAIN else []
    labels = domain.split(".")
    found += next((_of_label(place, domain, one, texts) for one in labels if (texts := names.label(one))), [])
    if len(labels) < 2:
        found.append(invalid(place, domain, "should be a domain with at least two segments separated by dots"))
    parts = path.split(".")
    found += next((_of_label(place, path, one, texts) for one in parts if (texts := names.subdomain(one))), [])
    return [*found, too_long(place, LONGEST)] if len(name) > LONGEST else found


def _of_label(place: str, whole: str, label: str, texts: list[str]) -> list[FieldError]:
    return [invalid(place, whole, f"validating label {go_quote(label)}: {text}") for text in texts]


def of_kubernetes(name: str) -> bool:
    """Whether the signer is the Kubernetes project's own."""
    domain = name.partition("/")[0]
    return domain == "kubernetes.io" or domain.endswith(".kubernetes.io")


def bundle_name_problems(name: str, signer: str) -> list[str]:
    """What is wrong with the name of a ClusterTrustBundle of that signer, or of none."""
    prefix = signer.replace("/", ":") + ":" if signer else ""
    if not signer and ":" in name:
        return ['ClusterTrustBundle without signer name must not have ":" in its name']
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.subdomain(name.removeprefix(prefix))
