"""The syntaxes of names, labels, ports and qualified names, with Kubernetes' texts.

Each function returns the complaints about a text, an empty list when it is fine.
Sources: k8s.io/apimachinery/pkg/util/validation/validation.go, pkg/api/validate/content (1.37).
"""

from __future__ import annotations

import functools
import re

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
WILDCARD = rf"\*\.{SUBDOMAIN}"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({QUALIFIED})?"
CONFIG_KEY = "[-._a-zA-Z0-9]+"

LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
NAME_PART_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text fits; unlike `$`, a trailing newline does not."""
    return re.fullmatch(pattern, text) is not None


def too_long(most: int, unit: str = "characters") -> str:
    """The complaint about a text of more than `most` bytes; upstream's newer half (pkg/api/validate) calls them so."""
    return f"must be no more than {most} {unit}"


@functools.cache  # the texts are this module's own
def example(text: str, pattern: str, *examples: str) -> str:
    """`text (e.g. 'a',  or 'b', regex used for validation is '…')`: the double blank is upstream's."""
    listed = " or ".join(f"'{one}', " for one in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{pattern}')"


def _check(text: str, most: int, pattern: str, complaint: str, unit: str = "characters") -> list[str]:
    problems = [too_long(most, unit)] if len(text.encode()) > most else []
    return problems if matches(pattern, text) else [*problems, complaint]


def label(text: str) -> list[str]:
    """DNS-1123 label."""
    complaint = example(LABEL_TEXT, LABEL, "my-name", "123-abc")
    return _check(text, 63, LABEL, "must not contain dots" if matches(SUBDOMAIN, text) else complaint)


def label_1035(text: str) -> list[str]:
    """DNS-1035 label: the names of custom kinds and versions."""
    return _check(text, 63, LABEL_1035, example(LABEL_1035_TEXT, LABEL_1035, "my-name", "abc-123"))


def subdomain(text: str, unit: str = "characters") -> list[str]:
    """DNS-1123 subdomain."""
    return _check(text, 253, SUBDOMAIN, example(SUBDOMAIN_TEXT, SUBDOMAIN, "example.com"), unit)


def wildcard_subdomain(text: str) -> list[str]:
    """`*.` and a DNS-1123 subdomain."""
    return _check(text, 253, WILDCARD, example(WILDCARD_TEXT, WILDCARD, "*.example.com"))


def qualified(text: str) -> list[str]:
    """`prefix/Name`: annotation and label keys, appProtocol, loadBalancerClass."""
    parts = text.split("/")
    problems: list[str] = []
    if len(parts) > 2:
        whole = example(f"a valid label key {NAME_PART_TEXT}", QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"{whole} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {problem}" for problem in subdomain(parts[0], "bytes")]
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        problems.append(f"name part {too_long(63, 'bytes')}")
    if not matches(QUALIFIED, name):
        problems.append(example(f"name part {NAME_PART_TEXT}", QUALIFIED, "MyName", "my.name", "123-abc"))
    return problems


def label_value(text: str) -> list[str]:
    """The value of a label."""
    complaint = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
        "and must start and end with an alphanumeric character"
    )
    return _check(text, 63, LABEL_VALUE, example(complaint, LABEL_VALUE, "MyValue", "my_value", "12345"), "bytes")


def port_name(text: str) -> list[str]:
    """The name of a container's port (an IANA service name, RFC 6335)."""
    problems = [too_long(15)] if len(text) > 15 else []
    if not matches("[-a-z0-9]+", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def port_number(number: int) -> list[str]:
    """A port to listen on or to connect to."""
    return [] if 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or Secret: a file name."""
    complaint = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    problems = _check(text, 253, CONFIG_KEY, example(complaint, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text == ".":
        problems.append("must not be '.'")
    if text == "..":
        problems.append("must not be '..'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def path_segment(text: str) -> list[str]:
    """A name that is used as one part of a URL path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in text]


def environment_variable(text: str) -> list[str]:
    """The name of an environment variable: any printable ASCII but `=` (RelaxedEnvironmentVariableValidation)."""
    if text and all(" " <= char <= "~" and char != "=" for char in text):
        return []
    complaint = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return ["environment variable name must be non-empty"] if not text else [complaint]
