"""Names of images, as docker writes them out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab.images.errors import BadName
from kube46.lab.images.references import parse

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("me/app", "docker.io/me/app:latest"),
        ("index.docker.io/library/redis:7", "docker.io/library/redis:7"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("localhost/app:1", "localhost/app:1"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("registry.example/app__x/y--z.1", "registry.example/app__x/y--z.1:latest"),
        (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}"),
        (f"redis:7@{DIGEST}", f"docker.io/library/redis:7@{DIGEST}"),
        ("UPPER/app", "UPPER/app:latest"),
    ],
)
def test_written_out(text, whole):
    """Registry, `library/` and tag are filled in where docker fills them in; a whole name stays."""
    assert str(parse(text)) == whole
    assert parse(whole) == parse(text)


@pytest.mark.parametrize(
    "text",
    ["", ":", "Redis", "a//b", "/a", "a/", "a:", "a:b:c", "a b", "a@sha256:1", "a@md5:" + "0" * 32, "-a", "a/../b",
     "a:" + "t" * 129, "a\n", "x/" + "y" * 255, "a:ü", ".a/b", "registry.example:port/a"],
)  # fmt: skip
def test_refused(text):
    """What docker refuses is refused, and named."""
    with pytest.raises(BadName, match="image name"):
        parse(text)


@given(st.text(max_size=300))
def test_any_text(text):
    """Any text is either refused or written out to a name that is written out already, and can't be a path upwards."""
    try:
        found = str(parse(text))
    except BadName:
        return
    assert str(parse(found)) == found
    assert ".." not in found.split("/") and "\n" not in found
