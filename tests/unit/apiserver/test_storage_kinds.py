"""PersistentVolumes, claims and classes are answered as Kubernetes' own strategies answer them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from kube46.api.storage.classes import default_class
from kube46.apiserver import fieldvalidation, statuses
from kube46.apiserver.kinds import KINDS
from kube46.apiserver.strategies import STRATEGIES
from kube46.apiserver.strategy import Context

CASES = [json.loads(line) for line in (Path(__file__).parent / "volume_answers.jsonl").read_text().splitlines()]
BY_KIND = {kind.kind: kind for kind in KINDS}
# The server's own, not the strategies'
MADE = ("uid", "creationTimestamp", "resourceVersion", "finalizers")

PARTS = {"Pod": "volumes", "StatefulSet": "volumeClaimTemplates"}  # what this table is about of these kinds


class Nothing:
    """A transaction in which there is nothing."""

    def list(self, plural: str, namespace: str = "") -> Any:
        """No object."""
        return iter(())

    def get(self, plural: str, name: str, namespace: str = "") -> None:
        """No object."""


def answer(case: dict[str, Any]) -> tuple[Any, Any]:
    """The object that is stored, or the status that refuses it."""
    kind = BY_KIND[case["Kind"]]
    new = fieldvalidation.decode(json.dumps(case["New"]).encode(), kind, "Ignore").object
    strategy, txn = STRATEGIES[kind.plural], Nothing()
    subresource = "status" if case["Op"] == "status" else ""
    context = Context(txn, kind, new["metadata"]["name"], new["metadata"].get("namespace", ""), subresource)  # type: ignore[arg-type]
    strategy.default(new)
    if case["Op"] == "create":
        strategy.prepare_create(new, context)
        problems = strategy.validate_create(new, context)
    else:
        old = copy.deepcopy(case["Old"])
        strategy.default(old)
        strategy.prepare_update(new, old, context)
        problems = strategy.validate_update(new, old, context)
    return (None, statuses.invalid(kind, new["metadata"]["name"], problems)) if problems else (new, None)


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{c['Op']}-{c['Kind']}" for n, c in enumerate(CASES)])
def test_answers_are_gos(case: dict[str, Any]) -> None:
    """Objects are stored, and refused with texts and causes, as by the registry of Kubernetes 1.37.2."""
    try:
        stored, refused = answer(case)
    except statuses.StatusError as error:
        # Admission comes before validation, and is not among what Go was asked.
        assert error.code == 403
        assert "expanded" in error.message or "resized" in error.message
        return
    wanted = case.get("Error")
    assert (refused.message if refused else None) == (wanted["message"] if wanted else None)
    if wanted:
        causes = [(c["reason"], c["field"]) for c in wanted["details"]["causes"]]
        assert [(c["reason"], c["field"]) for c in refused.details["causes"]] == causes
        return
    if part := PARTS.get(case["Kind"]):
        assert stored["spec"].get(part) == case["Out"]["spec"].get(part)
    else:
        assert _plain(stored) == _plain(case["Out"])


def _plain(obj: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    found["metadata"] = {key: value for key, value in found["metadata"].items() if key not in MADE}
    # Go was not asked to read what it stored: that is when it fills the phase.
    status = {"phase": "Pending", **(found.get("status") or {})}
    status.pop("lastPhaseTransitionTime", None)
    found["status"] = status
    return found


def test_the_newest_default_class_counts() -> None:
    """Of several default classes the newest is taken, of those made at once the first by name."""
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}

    def made(name: str, at: str, annotations: dict[str, str]) -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": at, "annotations": annotations}}

    old, new, twin = made("a", "1", mark), made("z", "2", mark), made("b", "2", mark)
    assert default_class([made("none", "3", {})]) == ""
    assert default_class([old, new]) == "z"
    assert default_class([old, new, twin]) == "b"
