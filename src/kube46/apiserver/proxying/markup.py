"""Finds the links of an HTML document as it comes in, and replaces them.

As golang.org/x/net/html, with which kube-apiserver does it: every start tag is written anew, all else is left alone,
and so is what stands in scripts and styles. A tag that does not end is no tag.
Source: k8s.io/apimachinery pkg/util/proxy/transport.go; the HTML standard, 13.2.5.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LINKS: dict[str, tuple[str, ...]] = {
    "a": ("href",), "applet": ("codebase",), "area": ("href",), "audio": ("src",), "base": ("href",),
    "blockquote": ("cite",), "body": ("background",), "button": ("formaction",), "command": ("icon",), "del": ("cite",),
    "embed": ("src",), "form": ("action",), "frame": ("longdesc", "src"), "head": ("profile",), "html": ("manifest",),
    "iframe": ("longdesc", "src"), "img": ("longdesc", "src", "usemap"), "input": ("src", "usemap", "formaction"),
    "ins": ("cite",), "link": ("href",), "object": ("classid", "codebase", "data", "usemap"), "q": ("cite",),
    "script": ("src",), "source": ("src",), "video": ("poster", "src"),
}  # fmt: skip
RAW = ("iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "title", "textarea", "xmp")
# possessive throughout: what is no tag is found to be none in one go
START = re.compile(r"""<([a-zA-Z][^\s/>]*+)((?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+'|(?![\s"']))|["'])*+)>""")
ATTRIBUTE = re.compile(r"""([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>][^\s>]*)))?""")
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;", "\r": "&#13;"}
LONGEST = 1 << 16  # characters of a tag or comment, after which it is taken for text


class Rewriter:
    """`feed` gives what can be sent on; `close` the rest."""

    def __init__(self, link: Callable[[str], str]) -> None:
        self._link = link
        self._held = ""
        self._until = ""  # what ends the raw text that we are in: `-->` or the beginning of an end tag

    def feed(self, text: str) -> str:
        """More of the document; an unfinished tag is held back."""
        self._held += text
        out = []
        while (piece := self._next()) is not None:
            out.append(piece)
        return "".join(out)

    def close(self) -> str:
        """What was held back."""
        rest, self._held = self._held, ""
        return rest

    def _next(self) -> str | None:
        """The next piece that is complete; None when more is needed."""
        if not self._held:
            return None
        if self._until:
            return self._raw()
        place = self._held.find("<")
        if place != 0:
            return self._take(len(self._held) if place < 0 else place)
        if self._held in ("<", "<!", "<!-"):
            return None
        if self._held.startswith("<!--"):
            self._until = "-->"
            return self._take(4)
        if not self._held[1].isascii() or not self._held[1].isalpha():
            return self._take(1)
        found = START.match(self._held)
        if found is None:
            return self._hold()
        self._take(found.end())
        name = found[1].lower()
        end = "/" if found[2].endswith("/") else ""
        if name in RAW and not end:
            self._until = f"</{name}"
        return self._written(name, found[2], end)

    def _raw(self) -> str | None:
        place = self._held.lower().find(self._until)
        if place >= 0:
            self._until = ""
            return self._take(max(place, 1))
        kept = len(self._until) - 1
        return self._take(len(self._held) - kept) if len(self._held) > kept else None

    def _hold(self) -> str | None:
        return self._take(1) if len(self._held) > LONGEST else None

    def _take(self, count: int) -> str:
        piece, self._held = self._held[:count], self._held[count:]
        return piece

    def _written(self, name: str, attributes: str, end: str) -> str:
        links, out = LINKS.get(name, ()), []
        for found in ATTRIBUTE.finditer(attributes):
            key = found[1].lower()
            value = html.unescape(next((text for text in found.groups()[1:] if text is not None), ""))
            if key in links:
                value = self._link(value)
            out.append(f' {key}="{escaped(value)}"')
        return f"<{name}{''.join(out)}{end}>"


def escaped(text: str) -> str:
    """As Go's html.EscapeString."""
    return "".join(ESCAPES.get(character, character) for character in text)
