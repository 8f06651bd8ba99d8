"""Answers with what a server makes up hidden: equal answers become equal, whichever server gave them.

Hidden: uids, resourceVersions, random suffixes, dynamic addresses and node ports, each replaced by its number in order
of first appearance, so that a server that confuses two of them is found out; times and ages; continue tokens. The order
of managedFields is by time, to the second, so they are put into another order.
"""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Json = Any
RANGES = (ip_network("10.96.0.0/16"), ip_network("fd00:10:96::/112"))
DRY = {f"10.{number}.0.0" for number in range(96, 100)}  # what a dry run shows: which range gives it is chance
STATIC_BAND = 256  # addresses; those that conversations name lie in it, those that servers pick behind it
SMALL_BAND = 16  # the same of the ServiceCIDRs that conversations make; which range gives an address is chance
PORTS = range(30086, 32768)  # node ports that servers pick
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SUFFIX = re.compile(r"(?<=gen-\d-)[bcdfghjklmnpqrstvwxz2456789]{5}\b")
ADDRESS = re.compile(r"10\.9[6-9]\.\d{1,3}\.\d{1,3}|fd00:10:9[6-9]::[0-9a-f]{1,4}(?![0-9a-f:])")
VERSION = re.compile(r'(?<=resourceVersion\\":\\")\d+')
PORT = re.compile(r"(?<![\d.:])3\d{4}(?![\d.])|(?<=:)3\d{4}(?=/)|(?<=odePort:)3\d{4}")
MOVED = re.compile(r'(?<=")\d+(?=\\*")|^\d+$')  # perhaps a version that a patch has moved to another field
RECORD = re.compile(r"(?<=ResourceVersion in record \()\d+")
# how a scheme calls itself: after the line of a file that the compiler sees at another path when modules are vendored
SCHEME = re.compile(r"pkg/(runtime|api/legacyscheme)/scheme\.go:\d+")
# an object within the text of an error: Go writes its members partly in the order of its structs, partly by name
BODY = re.compile(r'"(\{\\".*?\})"(?=: |$)')
MISSING = re.compile(r"(?<=is missing in )'(\{.*\})'$")
# errors of an apply's types: upstream walks through a map, whose order is chance
ERRORS = re.compile(r"(?<=errors:\n)  \..*(?:\n  \..*)+")
# … and ends the walk through an object's members at the first that the type does not have
TYPED = re.compile(r"(?<=Kind=)(\w+\)): errors:\n((?:  .*\n?)+)")
UNKNOWN = "field not declared in schema"
CONFLICT = "FieldManagerConflict"
AGE = re.compile(r"^(\d+(ms|[smhdy]))+$")


class Normal:
    """The answers of one server in one conversation."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], str] = {}

    def answer(self, value: Json) -> Json:
        """An answer with everything hidden that the server made up."""
        return self._value(value, "")

    def text(self, text: str) -> str:
        """The same for text: messages, warnings, names."""
        text = MISSING.sub(lambda found: _sorted_json(found[1]) or found[0], BODY.sub(_sorted, text))
        text = ERRORS.sub(lambda found: "\n".join(sorted(found[0].split("\n"))), text)
        text = TYPED.sub(_first_unknown, text)
        text = SUFFIX.sub("<random>", UID.sub(lambda found: self._number("uid", found[0]), TIME.sub("<time>", text)))
        text = SCHEME.sub("<scheme>", RECORD.sub("<version>", VERSION.sub("<version>", text)))
        text = MOVED.sub(lambda found: self._seen.get(("version", found[0]), found[0]), text)
        text = PORT.sub(lambda found: self._port(found[0]), ADDRESS.sub(self._address, text))
        return AGE.sub("<age>", text)

    def _value(self, value: Json, key: str) -> Json:
        if isinstance(value, dict):
            if str(value.get("kind", "")).endswith(("List", "Table")) and "metadata" in value:
                value = self._list(_by_parent(value))
            return {self.text(k): self._value(value[k], k) for k in sorted(value)}
        if isinstance(value, list):
            if key == "causes":  # Go walks through a map of managers
                value = sorted(value, key=lambda cause: cause["message"] if cause.get("reason") == CONFLICT else "")
            if key == "managedFields":
                value = sorted(value, key=lambda entry: json.dumps({**entry, "time": ""}, sort_keys=True))
            return [self._value(entry, "") for entry in value]
        if isinstance(value, str):
            if key == "resourceVersion":
                return self._number("version", value) if value else value
            return "<continue>" if key == "continue" and value else self.text(value)
        if isinstance(value, int) and not isinstance(value, bool) and value in PORTS:
            return self._port(str(value))
        return value

    @staticmethod
    def _list(listed: Json) -> Json:
        """A list's own version counts writes to other objects, too."""
        return {
            **listed,
            "metadata": {key: value for key, value in listed["metadata"].items() if key != "resourceVersion"},
        }

    def _number(self, what: str, value: str) -> str:
        others = sum(1 for kind, _ in self._seen if kind == what)
        return self._seen.setdefault((what, value), f"<{what} {others + 1}>")

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ip_address(found[0])
        except ValueError:
            return found[0]
        if found[0] in DRY:
            return "<dry>"
        within = RANGES[address.version == 6]
        offset = int(address) - int(within[0])
        if address not in within:
            offset = int(address) % 256 + STATIC_BAND - SMALL_BAND
        if offset < STATIC_BAND or (isinstance(address, IPv4Address) and address == within[-1]):
            return found[0]
        return self._number("IPv6" if isinstance(address, IPv6Address) else "IPv4", found[0])

    def _port(self, text: str) -> str:
        return self._number("port", text) if int(text) in PORTS else text


def _by_parent(listed: Json) -> Json:
    """IPAddresses by their parents: they are listed by names, which are chance."""
    if listed["kind"] == "IPAddressList":
        key = lambda one: (json.dumps(one["spec"]["parentRef"], sort_keys=True), ":" in one["metadata"]["name"])  # noqa: E731
        return {**listed, "items": sorted(listed["items"], key=key)}
    columns = [column["name"] for column in listed.get("columnDefinitions") or ()]
    if columns[1:2] == ["ParentRef"]:
        return {**listed, "rows": sorted(listed["rows"], key=lambda row: (row["cells"][1], ":" in row["cells"][0]))}
    return listed


def _first_unknown(found: re.Match[str]) -> str:
    """Of several errors only the outermost unknown field, if there is one: what else is told is chance."""
    unknown = [line.strip() for line in found[2].splitlines() if line.endswith(UNKNOWN)]
    return f"{found[1]}: {min(unknown, key=lambda line: line.count('.'))}" if unknown else found[0]


def _sorted(found: re.Match[str]) -> str:
    try:
        body = _sorted_json(json.loads(f'"{found[1]}"'))
    except ValueError:
        return found[0]
    return json.dumps(body) if body else found[0]


def _sorted_json(text: str) -> str:
    """An object's JSON with members by name and without what is made up, "" for what is none."""
    try:
        body = json.loads(text)
    except ValueError:
        return ""
    meta = body.get("metadata") if isinstance(body, dict) else None
    if isinstance(meta, dict):
        meta["resourceVersion"] = "<version>"
        entries = meta.get("managedFields")
        if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
            for entry in entries:
                entry.pop("time", None)
            entries.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
    return json.dumps(body, sort_keys=True)
