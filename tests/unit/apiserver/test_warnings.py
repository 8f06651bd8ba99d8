"""Warning headers, as k8s.io/apiserver pkg/endpoints/filters/warning.go writes them."""

import pytest

from kube46.apiserver.answers import warning_headers


@pytest.mark.parametrize(
    ("texts", "expected"),
    {
        "once each": (["a", "b", "a"], ["a", "b"]),
        "quotes": (['say "no" \\'], ['say \\"no\\" \\\\']),
        "other alphabets": (["Schlüssel ✗ „bad“"], ["Schlüssel ✗ „bad“"]),
        "control characters": (["a\nb", "\x85", "c"], ["c"]),
        "nothing": ([""], []),
        "a long one": (["x" * 4096], ["x" * 4096]),
        "too long a one": (["x" * 4097], ["x" * 256]),
        "many": ([f"{number:03}" + "x" * 300 for number in range(30)], [f"{n:03}" + "x" * 253 for n in range(16)]),
    }.values(),
)
def test_texts(texts: list[str], expected: list[str]) -> None:
    """Each once, in UTF-8; cut when all are too long together, and never with control characters."""
    headers = warning_headers(texts)
    assert [value.decode() for _, value in headers] == [f'299 - "{text}"' for text in expected]
