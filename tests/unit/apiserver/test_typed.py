"""Configs of applies that don't fit their types: what kube-apiserver 1.37.2 was seen to say."""

import pytest

from kube46.apiserver.managedfields import typed


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"ports": [{"port": 80, "name": "a"}], "ipFamilies": ["IPv4"], "selector": {"a": "b"}}, ""),
        ({"ports": None, "clusterIP": None, "sessionAffinityConfig": None}, ""),
        ({"surplus": None}, ".spec.surplus: field not declared in schema"),
        ({"ports": {"a": "b"}}, ".spec.ports: expected list, got &{map[a:b]}"),
        ({"ipFamilies": 1.5}, ".spec.ipFamilies: expected list, got &{1.5}"),
        ({"ipFamilies": [-1]}, ".spec.ipFamilies[0]: expected string, got &value.valueUnstructured{Value:-1}"),
        ({"selector": {"a": 1}}, ".spec.selector.a: expected string, got &value.valueUnstructured{Value:1}"),
        ({"selector": []}, ".spec.selector: expected map, got &{[]}"),
        ({"publishNotReadyAddresses": "yes"}, ".spec.publishNotReadyAddresses: expected boolean, got &{yes}"),
        ({"sessionAffinityConfig": ["a"]}, ".spec.sessionAffinityConfig: expected map, got &{[a]}"),
        (
            {"ports": [{"nodePort": []}]},
            '.spec.ports[port=0,protocol="TCP"].nodePort: expected numeric (int or float), got []interface {}',
        ),
        ({"ports": [1]}, ".spec.ports: element 0: associative list with keys may not have non-map elements"),
        (
            {"ports": [{"port": 80, "protocol": {}}]},
            ".spec.ports[port=80,protocol=].protocol: expected string, got "
            "&value.valueUnstructured{Value:map[string]interface {}{}}",
        ),
        ({"ports": [{"port": [1, "a"], "name": 1}], "x": 1},
         'errors:\n  .spec.ports[port=[1,"a"],protocol="TCP"].name: expected string, got '
         '&value.valueUnstructured{Value:1}\n'
         '  .spec.ports[port=[1,"a"],protocol="TCP"].port: expected numeric (int or float), got []interface {}\n'
         "  .spec.x: field not declared in schema"),
        (
            {"ports": [{"port": 80}, {"port": 80}]},
            '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
        ),
    ],
)  # fmt: skip
def test_services(spec: dict[str, object], text: str) -> None:
    """Paths name items by their keys, and values are printed as Go prints them."""
    assert typed.problem({"metadata": {"name": "app"}, "spec": spec}, "", "v1", "Service") == text


def test_metadata() -> None:
    """Metadata are typed, too; several errors are listed."""
    uid = {"metadata": {"uid": [{}]}}
    told = "expected string, got &value.valueUnstructured{Value:[]interface {}{map[string]interface {}{}}}"
    assert typed.problem(uid, "", "v1", "Service") == f".metadata.uid: {told}"
    time = {"metadata": {"creationTimestamp": [], "deletionTimestamp": 7}}
    assert typed.problem(time, "", "v1", "Service") == ".metadata.creationTimestamp: expected any scalar, got &{[]}"
    ended = {"metadata": {"uid": 1.5, "surplus": "x"}}  # before uid in the order of names
    assert typed.problem(ended, "", "v1", "Service") == ".metadata.surplus: field not declared in schema"
    two = {"spec": {"ipFamilies": 1, "clusterIPs": 2}}
    lines = typed.problem(two, "", "v1", "Service").splitlines()
    assert lines[0] == "errors:"
    assert sorted(lines[1:]) == [
        "  .spec.clusterIPs: expected list, got &{2}",
        "  .spec.ipFamilies: expected list, got &{1}",
    ]
