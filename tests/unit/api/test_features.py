"""Feature gates: what --feature-gates says, and what is refused."""

import pytest

from kube46.api import features
from kube46.api.features import DUAL_STACK, BadGates, parse


@pytest.mark.parametrize(
    ("texts", "stage", "on"),
    [
        ((), "", True),
        ((f"{DUAL_STACK}=false",), "", False),
        ((f" {DUAL_STACK} = F ,",), "", False),
        ((f"{DUAL_STACK}=false", f"{DUAL_STACK}=true"), "", True),
        ((), "alpha", False),
        (("AllAlpha=true",), "alpha", True),
        ((f"AllAlpha=true,{DUAL_STACK}=false",), "alpha", False),
        (("AllBeta=false",), "beta", False),
        (("AllBeta=false",), "", True),
        ((f"{DUAL_STACK}=true",), "stable", True),
    ],
)
def test_values(texts: tuple[str, ...], stage: str, on: bool) -> None:
    """Defaults of the stage, then groups, then single gates, the last word of each."""
    assert parse(texts, stage).enabled(DUAL_STACK) is on


@pytest.mark.parametrize(
    ("text", "stage", "error"),
    [
        ("IPv7=true", "", "unrecognized feature gate: IPv7"),
        (DUAL_STACK, "", f"missing bool value for {DUAL_STACK}"),
        (f"{DUAL_STACK}=maybe", "",
         f'invalid value of {DUAL_STACK}=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'),
        (f"{DUAL_STACK}=false", "stable",
         f"cannot set feature gate {DUAL_STACK} to false, feature is locked to true"),
        ("WatchList=0", "", "cannot set feature gate WatchList to false, feature is locked to true"),
    ],
)  # fmt: skip
def test_refusals(text: str, stage: str, error: str) -> None:
    """The texts are component-base's."""
    with pytest.raises(BadGates) as refused:
        parse([text], stage)
    assert str(refused.value) == error


def test_help() -> None:
    """The list names what can be set, with stages and defaults."""
    assert f"{DUAL_STACK}=true|false (GA - default=true)" in features.described()
    assert "AllAlpha=true|false (ALPHA - default=false)" in features.described()
