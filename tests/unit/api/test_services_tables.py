"""Every row of the tables of the semantics page: Service families on create and update, with full messages."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from kube46.addresses.families import Family
from kube46.api import errors
from kube46.api.services import addresses, carry, defaults, families, immutable, sync, validation

TABLES = Path(__file__).parent / "recordings"
FAMILIES = {"v4": Family.IPV4, "v6": Family.IPV6}
POLICIES = {"Single": "SingleStack", "Prefer": "PreferDualStack", "Require": "RequireDualStack"}


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with (TABLES / name).open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def service(policy: str, family_list: str, ips: list[str]) -> dict[str, Any]:
    """A Service as a client would send it."""
    spec: dict[str, Any] = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    if policy != "unset":
        spec["ipFamilyPolicy"] = POLICIES[policy]
    if family_list != "unset":
        spec["ipFamilies"] = [str(FAMILIES[name]) for name in family_list.split(",")]
    if ips:
        spec["clusterIP"], spec["clusterIPs"] = ips[0], ips
    sent = {"metadata": {"name": "foo", "namespace": "default"}, "spec": spec}
    defaults.default(sent)
    return sent


def shown(names: list[str]) -> str:
    """Families as the tables write them."""
    return ",".join(key for name in names for key, family in FAMILIES.items() if family == name)


def refusal(problems: list[errors.FieldError]) -> str:
    """The message of the answer."""
    return errors.summary("Service", "", "foo", problems)[0]


@pytest.mark.parametrize("row", rows("create.tsv"), ids=lambda row: "-".join(list(row.values())[:4]))
def test_create_table(row: dict[str, str]) -> None:
    """A new Service gets the families and policy of the table, or exactly its message."""
    given = {"v4": "10.0.0.1", "v6": "2000::1"}
    headless, wanted = row["clusterIPs"].startswith("None"), row["clusterIPs"]
    ips = ["None"] if headless else [] if wanted == "unset" else [given[name] for name in wanted.split(",")]
    sent = service(row["ipFamilyPolicy"], row["ipFamilies"], ips)
    if wanted == "None,no selector":
        del sent["spec"]["selector"]
    sync.on_create(sent["spec"])
    cluster = [FAMILIES[name] for name in row["cluster"].split(",")]
    problems = families.initialise(sent["spec"], None, cluster)
    if row["http"] == "422":
        assert refusal(problems) == row["status_message"]
        return
    assert not problems
    assert sent["spec"]["ipFamilyPolicy"] == row["result_policy"]
    assert shown(sent["spec"]["ipFamilies"]) == row["result_families"]


@pytest.mark.parametrize("row", rows("update.tsv"), ids=lambda row: "-".join(list(row.values())[:4]))
def test_update_table(row: dict[str, str]) -> None:
    """A PUT on a stored Service gives the policy, families and addresses of the table, or exactly its message."""
    held = {"v4": "10.0.0.9", "v6": "2000::9"}
    dual = row["stored"].startswith("dual")
    stored_ips = list(held.values()) if dual else ["10.0.0.9"]
    stored = service("Require" if dual else "Single", "v4,v6" if dual else "v4", stored_ips)
    names = row["put_clusterIPs"]
    sent = service(
        row["put_policy"], row["put_families"], [] if names == "unset" else [held[n] for n in names.split(",")]
    )
    spec, old = sent["spec"], stored["spec"]
    carry.allocated_values(spec, old)
    sync.on_update(spec, old)
    problems = families.initialise(spec, old, list(Family))
    if not problems:
        wanted, _ = addresses.on_update(spec, old)
        addresses.place(spec, {family: asked or "2000::77" for family, asked in wanted.items()})
        problems = immutable.errors(spec, old) + validation.errors(sent, stored)
    if row["http"] == "422":
        assert refusal(problems) == row["status_message"]
        return
    assert not problems
    assert spec["ipFamilyPolicy"] == row["result_policy"]
    assert shown(spec["ipFamilies"]) == row["result_families"]
    assert spec["clusterIPs"][0] == "10.0.0.9"
    assert len(spec["clusterIPs"]) == 1 + int(row["result_ips"].removeprefix("kept+"))


def test_tables_are_whole() -> None:
    """No row of the semantics page is missing."""
    assert (len(rows("create.tsv")), len(rows("update.tsv"))) == (560, 72)
