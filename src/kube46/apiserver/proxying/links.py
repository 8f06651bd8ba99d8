"""Links of a proxied page, and redirections, lead through the proxy again: their paths get its path before them.

Source: k8s.io/apimachinery pkg/util/proxy/transport.go (rewriteURL).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

# RFC 3986, appendix B
URL = re.compile(r"(?:(?P<scheme>[^:/?#]+):)?(?://(?P<host>[^/?#]*))?(?P<path>[^?#]*)(?P<rest>.*)", re.DOTALL)
WRONG = re.compile(r"[\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2})")
VALID = re.compile(r"[-A-Za-z0-9_.~!$&'()*+,;=:@/%\[\]]*")  # an encoding that needs no other
SAFE = "$&+,/:;=@"  # beside letters, digits and -._~
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


@dataclass(frozen=True, slots=True)
class Links:
    """Of one page: `prefix` is the proxy's path, `backend` the host that was asked, `host` what the client named."""

    prefix: str
    backend: str
    host: str

    def through(self, link: str) -> str:
        """The link through the proxy; those to other hosts, relative ones and what is no URL stay as they are."""
        found = URL.fullmatch(link)
        if found is None or WRONG.search(link):
            return link
        scheme, host, path, rest = found["scheme"] or "", found["host"] or "", found["path"], found["rest"]
        if scheme and not SCHEME.fullmatch(scheme):
            return link
        start = link[: found.start("path")]
        if not path.startswith("/") or host not in ("", self.backend, self.host):
            return start + (path if VALID.fullmatch(path) else escaped(unquote(path))) + rest
        path = unquote(path)
        if not path.startswith(self.prefix):
            path = joined(self.prefix, path)
        return (start if host and host == self.host else "") + escaped(path) + rest


def escaped(path: str) -> str:
    """As Go's net/url writes a path."""
    return quote(path, safe=SAFE)


def joined(prefix: str, path: str) -> str:
    """Both, without empty and `..` segments; a slash at the end stays."""
    whole = clean(f"{prefix}/{path}")
    return f"{whole}/" if path.endswith("/") and not whole.endswith("/") else whole


def clean(path: str) -> str:
    """Go's path.Join of an absolute path."""
    return posixpath.normpath("/" + path.lstrip("/"))
