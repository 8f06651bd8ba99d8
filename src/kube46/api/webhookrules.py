"""Errors of webhook configurations, and of the places that webhooks of any kind have.

Sources: k8s.io/kubernetes pkg/apis/admissionregistration/validation, k8s.io/apiserver pkg/util/webhook/validation.go.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, invalid, required

Object = dict[str, Any]
FORM = "; desired format: https://host[/path]"


def client_config(client: Object, place: str) -> list[FieldError]:
    """Where a webhook is: a URL or a Service."""
    url, service = client.get("url"), client.get("service")
    if (url is None) is (service is None):
        return [required(place, "exactly one of url or service is required")]
    return _url(str(url), f"{place}.url") if service is None else _service(service, f"{place}.service")


def _url(text: str, place: str) -> list[FieldError]:
    try:
        url = urlsplit(text)
    except ValueError as error:
        return [required(place, f"url must be a valid URL: {error}{FORM}")]
    found: list[FieldError] = []
    if url.scheme != "https":
        found.append(invalid(place, url.scheme, f"'https' is the only allowed URL scheme{FORM}"))
    user, _, host = url.netloc.rpartition("@")
    if not host:
        found.append(invalid(place, host, f"host must be specified{FORM}"))
    if "@" in url.netloc:
        found.append(invalid(place, user, "user information is not permitted in the URL"))
    if url.fragment:
        found.append(invalid(place, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        found.append(invalid(place, url.query, "query parameters are not permitted in the URL"))
    return found


def _service(service: Object, place: str) -> list[FieldError]:
    swapped = (("name", "namespace"), ("namespace", "name"))  # kube-apiserver tells of one in the other's name
    found = [required(f"{place}.{told}") for told, key in swapped if not service.get(key)]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        found.append(invalid(f"{place}.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    path, field = service.get("path"), f"{place}.path"
    if path in (None, "", "/"):
        return found
    if path == "//":
        return [*found, invalid(field, path, "segment[0] may not be empty")]
    if not path.startswith("/"):
        found.append(invalid(field, path, "must start with a '/'"))
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            found.append(invalid(field, path, f"segment[{index}] may not be empty"))
        else:
            found += each_invalid(field, path, [f"segment[{index}]: {text}" for text in names.subdomain(step)])
    return found
