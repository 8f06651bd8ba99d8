# ruff: noqa: E501 – a table that is read across
"""Admission policies, each for a namespace of its own, and requests that they judge: what both servers are asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
DEPLOYMENTS = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "resources": ["deployments"],
    "operations": ["CREATE", "UPDATE"],
}
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}
PODS = {"apiGroups": [""], "apiVersions": ["*"], "resources": ["pods", "pods/*"], "operations": ["*"]}
RULE = "rules.policies.example.org"


@dataclass(frozen=True, slots=True)
class Case:
    """A policy of a sort, its bindings, objects made before them, and what is asked for in its namespace."""

    name: str
    spec: Object
    asked: tuple[Object, ...]  # objects to create in a dry run, or (method, path, body) under `raw`
    bindings: tuple[Object, ...] = ({},)
    before: tuple[Object, ...] = ()
    mutating: bool = False
    more: tuple[Object, ...] = field(default=())  # further policies' specs, bound after this one


def deployment(replicas: int = 1, **meta: Any) -> Object:
    """A deployment of one container."""
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i", "args": ["x"]}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **meta}, "spec": spec}


def settings(data: dict[str, str] | None = None, **meta: Any) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", **meta}, "data": data or {}}


def pod(**spec: Any) -> Object:
    """A pod of one container."""
    containers = [{"name": "c", "image": "i"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def validating(*expressions: str | Object, rule: Object = DEPLOYMENTS, **more: Any) -> Object:
    """A policy's spec."""
    validations = [{"expression": one} if isinstance(one, str) else one for one in expressions]
    return {
        "matchConstraints": {"resourceRules": [rule]},
        **({"validations": validations} if validations else {}),
        **more,
    }


def applying(*expressions: str, rule: Object = DEPLOYMENTS, **more: Any) -> Object:
    """A mutating policy's spec with apply configurations."""
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": one}} for one in expressions]
    return {
        "matchConstraints": {"resourceRules": [rule]},
        "reinvocationPolicy": "Never",
        "mutations": mutations,
        **more,
    }


def patching(*expressions: str, rule: Object = DEPLOYMENTS, **more: Any) -> Object:
    """A mutating policy's spec with JSON patches."""
    mutations = [{"patchType": "JSONPatch", "jsonPatch": {"expression": one}} for one in expressions]
    return {
        "matchConstraints": {"resourceRules": [rule]},
        "reinvocationPolicy": "Never",
        "mutations": mutations,
        **more,
    }


def judged(
    name: str, *expressions: str | Object, asked: tuple[Object, ...] = (deployment(1), deployment(3)), **more: Any
) -> Case:
    """A validating policy that is asked about deployments."""
    return Case(name, validating(*expressions, **more), asked)


def failing(name: str, expression: str, **more: Any) -> Case:
    """A validation that can't be evaluated, with both failure policies."""
    return Case(
        name,
        validating(expression, failurePolicy="Fail", **more),
        (deployment(),),
        more=(validating(expression, failurePolicy="Ignore", **more),),
    )


PARAMS = {"apiVersion": "v1", "kind": "ConfigMap"}
LIMIT = "object.spec.replicas <= int(params.data.max)"
VALIDATING = (
    judged("plain", "object.spec.replicas > 1"),
    judged("message", {"expression": "object.spec.replicas > 1", "message": "  too few "}),
    judged("expression", {"expression": "object.spec.replicas > 1", "messageExpression": "'got ' + string(object.spec.replicas)"}),
    judged("no-message", {"expression": "object.spec.replicas > 1", "message": "m", "messageExpression": "'got ' + object.spec.replicas"}),
    judged("blank-message", {"expression": "object.spec.replicas > 1", "message": "m", "messageExpression": "' ' + string(object.spec.nope)"}),
    judged("two-lines", {"expression": "object.spec.replicas > 1", "messageExpression": r"'a\nb'"}),
    *(judged(f"reason-{reason.lower()}", {"expression": "false", "reason": reason}) for reason in ("Forbidden", "Invalid", "RequestEntityTooLarge")),
    judged("several", "object.spec.replicas > 1", {"expression": "false", "reason": "Forbidden", "message": "never"}),
    judged("variables", "variables.many", "variables.odd", variables=[{"name": "n", "expression": "object.spec.replicas"}, {"name": "odd", "expression": "variables.n % 2 == 1"}, {"name": "many", "expression": "variables.n > 1"}], asked=(deployment(1), deployment(2), deployment(3))),
    judged("lazy", "object.spec.replicas > 1 || variables.bad == 'x'", variables=[{"name": "bad", "expression": "object.spec.nope"}]),
    judged("failing-variable", "variables.two == 'x'", variables=[{"name": "bad", "expression": "object.spec.nope"}, {"name": "two", "expression": "variables.bad + 'x'"}]),
    judged("namespace-object", "namespaceObject.metadata.name == request.namespace && has(namespaceObject.metadata.labels)"),
    judged("request", "request.operation == 'CREATE' && request.dryRun && request.kind.kind == 'Deployment' && request.resource.resource == 'deployments' && request.requestKind == request.kind && request.name == 'web' && request.userInfo.username == 'admin' && request.userInfo.groups == ['system:masters', 'system:authenticated'] && request.options.kind == 'CreateOptions'"),
    judged("old-object", "oldObject == null"),
    judged("times", "object.metadata.?creationTimestamp.hasValue()", "type(object.metadata.?creationTimestamp.orValue('')) == string"),
    judged("quantities", "object.spec.template.spec.containers.all(c, !has(c.resources.limits) || quantity(c.resources.limits.cpu).isLessThan(quantity('2')))"),
    judged("authorizer", "authorizer.group('apps').resource('deployments').check('create').allowed()", "authorizer.requestResource.check('create').allowed()"),
    judged("account", {"expression": "authorizer.serviceAccount('default', 'nobody').group('').resource('pods').namespace('x').check('list').allowed()", "messageExpression": "'no: ' + request.name"}),
    judged("reasons", "authorizer.path('/healthz').check('get').reason() == '' && !authorizer.path('/x').check('get').errored()", "[1, 2, 3].all(x, authorizer.path('/x').check('get').error() == '')"),
    judged("conditions", "false", matchConditions=[{"name": "few", "expression": "object.spec.replicas < 2"}]),
    judged("conditions-two", "false", matchConditions=[{"name": "bad", "expression": "object.spec.nope == 1"}, {"name": "few", "expression": "object.spec.replicas < 2"}]),
    judged("conditions-all-bad", "false", matchConditions=[{"name": "bad", "expression": "object.spec.nope == 1"}, {"name": "worse", "expression": "1 / 0 == 1"}]),
    judged("conditions-ignored", "false", failurePolicy="Ignore", matchConditions=[{"name": "bad", "expression": "object.spec.nope == 1"}]),
    failing("no-key", "object.spec.nope == 1"),
    failing("no-overload", "object.spec.replicas + 'a' == ''"),
    failing("by-zero", "object.spec.replicas / 0 == 1"),
    failing("no-index", "[1][object.spec.replicas] == 1"),
    failing("bad-int", "int(object.metadata.name) == 1"),
    failing("empty-path", "authorizer.path('').check('get').allowed()"),
    failing("bad-quantity", "quantity(object.metadata.name).isInteger()"),
    Case("warn", validating("object.spec.replicas > 1", {"expression": "false", "message": "beware"}), (deployment(1), deployment(2)), bindings=({"validationActions": ["Warn"]},)),
    Case("audit", validating("false", auditAnnotations=[{"key": "k", "valueExpression": "'v'"}]), (deployment(),), bindings=({"validationActions": ["Audit"]},)),
    Case("warn-audit", validating("false"), (deployment(),), bindings=({"validationActions": ["Warn", "Audit"]},)),
    Case("bad-annotation", validating(auditAnnotations=[{"key": "k", "valueExpression": "string(object.spec.nope)"}]), (deployment(),)),
    Case("object-selector", validating("false", matchConstraints={"resourceRules": [DEPLOYMENTS], "objectSelector": {"matchLabels": {"a": "b"}}}), (deployment(), deployment(labels={"a": "b"}))),
    Case("names", validating("false", rule={**MAPS, "resourceNames": ["one", "two"]}), (settings(), settings(name="two"))),
    Case("exclude", validating("false", matchConstraints={"resourceRules": [MAPS], "excludeResourceRules": [{**MAPS, "resourceNames": ["settings"]}]}), (settings(), settings(name="other"))),
    Case("narrowed", validating("false", rule=MAPS), (settings(), settings(labels={"a": "b"})), bindings=({"matchResources": {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}},)),
    Case("narrowed-rules", validating("false", rule=MAPS), (settings(), settings(name="other")), bindings=({"matchResources": {"resourceRules": [{**MAPS, "resourceNames": ["other"]}]}},)),
    Case("two-bindings", validating("false", rule=MAPS), (settings(),), bindings=({"validationActions": ["Warn"]}, {"validationActions": ["Deny"]})),
    Case("generated", validating("false", rule=MAPS), ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}},)),
    Case("params", validating(LIMIT, paramKind=PARAMS), (deployment(1), deployment(4)), bindings=({"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},), before=(settings({"max": "3"}, name="limits"),)),
    Case("params-message", validating({"expression": LIMIT, "messageExpression": "params.kind + ' ' + params.apiVersion + ' ' + params.metadata.name"}, paramKind=PARAMS), (deployment(4),), bindings=({"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},), before=(settings({"max": "3"}, name="limits"),)),
    Case("params-missing", validating(LIMIT, paramKind=PARAMS), (deployment(1),), bindings=({"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},)),
    Case("params-missing-allowed", validating(LIMIT, paramKind=PARAMS), (deployment(1),), bindings=({"paramRef": {"name": "limits", "parameterNotFoundAction": "Allow"}},)),
    Case("params-selected", validating(LIMIT, paramKind=PARAMS), (deployment(1), deployment(2), deployment(4)), bindings=({"paramRef": {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Deny"}},), before=(settings({"max": "3"}, name="a", labels={"limit": "yes"}), settings({"max": "3"}, name="b", labels={"limit": "yes"}), settings({"max": "0"}, name="c"))),
    Case("params-none", validating("params == null", paramKind=PARAMS), (deployment(1),)),
    Case("params-unknown-kind", validating("params == null", paramKind={"apiVersion": "example.org/v1", "kind": "Nothing"}), (deployment(1),)),
    Case("params-unknown-ignored", validating("false", failurePolicy="Ignore", paramKind={"apiVersion": "example.org/v1", "kind": "Nothing"}), (deployment(1),)),
    Case("params-cluster", validating("params.metadata.name == 'default'", paramKind={"apiVersion": "v1", "kind": "Namespace"}), (deployment(1),), bindings=({"paramRef": {"name": "default", "parameterNotFoundAction": "Deny"}},)),
    Case("params-cluster-in-namespace", validating("false", paramKind={"apiVersion": "v1", "kind": "Namespace"}), (deployment(1),), bindings=({"paramRef": {"name": "default", "namespace": "default", "parameterNotFoundAction": "Deny"}},)),
)  # fmt: skip
MUTATING = (
    Case("annotations", applying("Object{metadata: Object.metadata{annotations: {'by': 'policy'}}}"), (deployment(), deployment(annotations={"a": "b"})), mutating=True),
    Case("replicas", applying("Object{spec: Object.spec{replicas: 1337}}"), (deployment(),), mutating=True),
    Case("in-order", applying("Object{spec: Object.spec{replicas: object.spec.replicas + 1}}", "Object{spec: Object.spec{replicas: object.spec.replicas * 10}}"), (deployment(2),), mutating=True),
    Case("containers", applying("Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'c', image: 'other'}, Object.spec.template.spec.containers{name: 'd', image: 'new'}]}}}}"), (deployment(),), mutating=True),
    Case("init", applying("Object{spec: Object.spec{initContainers: object.spec.containers.map(c, Object.spec.initContainers{name: c.name + '-init', image: c.image, restartPolicy: 'Always'})}}", rule=PODS), (pod(),), mutating=True),
    Case("atomic", applying("Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'c', args: ['a']}]}}}}"), (deployment(),), mutating=True),
    Case("unknown-field", applying("Object{spec: Object.spec{nope: 1}}"), (deployment(),), mutating=True),
    Case("unknown-ignored", applying("Object{spec: Object.spec{nope: 1}}", failurePolicy="Ignore"), (deployment(),), mutating=True),
    Case("wrong-type", applying("Object{spec: Object.spec{replicas: 'many'}}"), (deployment(),), mutating=True),
    Case("wrong-place", applying("Object{spec: Object.metadata{replicas: 1}}"), (deployment(),), mutating=True),
    Case("evaluation", applying("Object{spec: Object.spec{replicas: object.spec.nope}}"), (deployment(),), mutating=True),
    Case("conditions-map", applying("Object{spec: Object.spec{replicas: 5}}", matchConditions=[{"name": "few", "expression": "object.spec.replicas < 2"}]), (deployment(1), deployment(2)), mutating=True),
    Case("bad-conditions-map", applying("Object{spec: Object.spec{replicas: 5}}", matchConditions=[{"name": "bad", "expression": "object.spec.nope == 1"}]), (deployment(1),), mutating=True),
    Case("json-patch", patching("[JSONPatch{op: 'replace', path: '/spec/replicas', value: 7}, JSONPatch{op: 'add', path: '/metadata/labels', value: {'x': 'y'}}, JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a.b/c'), value: 'z'}]"), (deployment(),), mutating=True),
    Case("json-object", patching("[JSONPatch{op: 'add', path: '/spec/template/spec/containers/-', value: Object.spec.template.spec.containers{name: 'd', image: 'e'}}]"), (deployment(),), mutating=True),
    Case("json-test", patching("[JSONPatch{op: 'test', path: '/spec/replicas', value: 2}, JSONPatch{op: 'replace', path: '/spec/replicas', value: 9}]"), (deployment(1), deployment(2)), mutating=True),
    Case("json-missing", patching("[JSONPatch{op: 'remove', path: '/spec/nope'}]"), (deployment(1),), mutating=True),
    Case("json-op", patching("[JSONPatch{op: 'nope', path: '/spec'}]"), (deployment(1),), mutating=True),
    Case("json-conditional", patching("object.spec.replicas > 1 ? [JSONPatch{op: 'remove', path: '/spec/replicas'}] : []"), (deployment(1), deployment(2)), mutating=True),
    Case("variables-map", applying("Object{spec: Object.spec{replicas: variables.twice}}", variables=[{"name": "n", "expression": "object.spec.replicas"}, {"name": "twice", "expression": "variables.n * 2"}]), (deployment(4),), mutating=True),
    Case("params-map", applying("Object{spec: Object.spec{replicas: int(params.data.n)}}", paramKind=PARAMS), (deployment(4),), mutating=True, bindings=({"paramRef": {"name": "wanted", "parameterNotFoundAction": "Deny"}},), before=(settings({"n": "6"}, name="wanted"),)),
    Case("params-missing-map", applying("Object{spec: Object.spec{replicas: int(params.data.n)}}", paramKind=PARAMS), (deployment(4),), mutating=True, bindings=({"paramRef": {"name": "wanted", "parameterNotFoundAction": "Deny"}},)),
    Case("once", applying("Object{spec: Object.spec{replicas: object.spec.replicas + 1}}"), (deployment(1),), mutating=True, more=(applying("Object{metadata: Object.metadata{labels: {'x': 'y'}}}"),)),
    Case("again", applying("Object{spec: Object.spec{replicas: object.spec.replicas + 1}}", reinvocationPolicy="IfNeeded"), (deployment(1),), mutating=True, more=(applying("Object{metadata: Object.metadata{labels: {'x': 'y'}}}"),)),
    Case("dropped-default", patching("[JSONPatch{op: 'remove', path: '/spec/strategy'}]"), (deployment(1),), mutating=True),
    Case("delete-map", applying("Object{metadata: Object.metadata{annotations: {'by': 'policy'}}}", rule={**MAPS, "operations": ["CREATE"]}), (settings(), settings(annotations={"by": "me"})), mutating=True),
)  # fmt: skip
CASES = (*VALIDATING, *MUTATING)


def refused(*expressions: str | Object, rule: Object = DEPLOYMENTS, **more: Any) -> tuple[str, Object]:
    """A validating policy that can't be stored."""
    return "validatingadmissionpolicies", validating(*expressions, rule=rule, **more)


def unfit(*expressions: str, **more: Any) -> tuple[str, Object]:
    """A mutating policy that can't be stored."""
    return "mutatingadmissionpolicies", applying(*expressions, **more)


def loose(**spec: Any) -> tuple[str, Object]:
    """A binding that can't be stored."""
    return "validatingadmissionpolicybindings", {"policyName": "p", "validationActions": ["Deny"], **spec}


REFUSED = (
    refused(), refused("object.spec.replicas"), refused("1"), refused("object."), refused("nobody == 1"), refused("nobody.x == 1"),
    refused("object.x == 1 && nobody.x.y > 1 || foo()"), refused("request.nope == 1"), refused("request.kind == 'x'"), refused("namespaceObject.metadata.nope == ''"),
    refused("params.x == 1"), refused("variables.x == 1"), refused("variables.x == 1", variables=[{"name": "y", "expression": "1"}]),
    refused("variables.x == 'a'", variables=[{"name": "x", "expression": "1"}]), refused("true", variables=[{"name": "x-y", "expression": "1"}]),
    refused("true", variables=[{"name": "for", "expression": "1"}]), refused("true", variables=[{"name": "x", "expression": "variables.y"}, {"name": "y", "expression": "1"}]),
    refused("true", variables=[{"name": "", "expression": ""}]), refused("true", variables=[{"name": "x", "expression": "nobody"}]), refused("'a' == 1"), refused("size(1) == 1"),
    refused({"expression": "true", "messageExpression": "1"}), refused({"expression": "true", "messageExpression": "object.metadata.name"}),
    refused({"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"}), refused({"expression": "true", "messageExpression": "  "}),
    refused({"expression": " ", "message": " "}), refused({"expression": "true", "message": "a\nb", "reason": "Nope"}),
    refused("true", matchConditions=[{"name": "a", "expression": "1"}, {"name": "a", "expression": "true"}, {"name": "-", "expression": ""}, {"name": "", "expression": "variables.x"}]),
    refused("true", matchConditions=[{"name": "a", "expression": "params.x"}]), refused("true", matchConditions=[{"name": f"c{n}", "expression": "true"} for n in range(65)]),
    refused("true", failurePolicy="Maybe"), refused("true", paramKind={}), refused("true", paramKind={"apiVersion": "a/b/c", "kind": "X Y"}), refused("true", paramKind={"apiVersion": "A/", "kind": "x"}),
    refused("true", rule={}), refused("true", rule={**DEPLOYMENTS, "operations": ["*", "CREATE", "NOPE"], "apiGroups": ["*", "a"], "apiVersions": ["", "*"], "resources": ["*/*", "pods", "", "pods/*", "pods/log", "*/x", "a/x"], "scope": "Nope"}),
    refused("true", rule={**DEPLOYMENTS, "resources": ["*", "pods"]}), refused("true", rule={**DEPLOYMENTS, "resourceNames": ["a/b", "c", "c"]}),
    refused("true", matchConstraints={}), refused("true", matchConstraints={"resourceRules": [DEPLOYMENTS], "matchPolicy": "Nope", "objectSelector": {"matchLabels": {"-": "a b"}}, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
    refused(auditAnnotations=[{"key": "a b", "valueExpression": "1"}, {"key": "k", "valueExpression": ""}, {"key": "k", "valueExpression": "object.metadata.name"}]),
    refused(auditAnnotations=[{"key": f"k{n}", "valueExpression": "'x'"} for n in range(21)]), refused(auditAnnotations=[{"key": "k", "valueExpression": "'" + "x" * 5200 + "'"}]),
    unfit(), unfit("{}"), unfit("1"), unfit("Object{a: nobody}"), unfit("Objekt{a: 1}"), unfit("Object.spec{a: 1}"), unfit(" "), unfit("Object{}", reinvocationPolicy="Nope"), unfit("Object{}", reinvocationPolicy=""),
    unfit("Object{spec: Object.spec{a: nobody.b, c: 'a' + 1}}"), unfit("[JSONPatch{op: 'add'}]"), unfit("Object{}", rule={**DEPLOYMENTS, "operations": ["DELETE"]}),
    ("mutatingadmissionpolicies", patching("JSONPatch{op: 'add'}")), ("mutatingadmissionpolicies", patching("[JSONPatch{op: 1, path: true}]")),
    ("mutatingadmissionpolicies", patching("Object{}")), ("mutatingadmissionpolicies", patching("[]")), ("mutatingadmissionpolicies", {**applying("Object{}"), "mutations": [{"patchType": "Nope"}, {}, {"patchType": "JSONPatch"}, {"patchType": "JSONPatch", "jsonPatch": {"expression": ""}, "applyConfiguration": {"expression": "Object{}"}}, {"patchType": "ApplyConfiguration", "jsonPatch": {"expression": "[]"}}]}),
    loose(policyName=""), loose(policyName="A_B"), loose(validationActions=[]), loose(validationActions=["Deny", "Warn", "Nope", "Nope"]), loose(paramRef={}), loose(paramRef={"name": "a/b", "selector": {"matchLabels": {"-": ""}}, "parameterNotFoundAction": "Nope"}),
    loose(paramRef={"name": "a", "parameterNotFoundAction": ""}), loose(matchResources={"resourceRules": [{}], "excludeResourceRules": [{"resourceNames": ["."]}]}),
    ("mutatingadmissionpolicybindings", {"policyName": "", "matchResources": {"resourceRules": [{**DEPLOYMENTS, "operations": ["DELETE"]}]}}),
)  # fmt: skip

EVERY = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
SEEN = """[request.operation, request.resource.group, request.resource.version, request.resource.resource,
request.?subResource.orValue('-'), request.kind.group, request.kind.version, request.kind.kind, request.requestKind.kind,
request.requestKind.version, request.requestResource.resource, request.requestResource.version,
request.?requestSubResource.orValue('-'), request.?name.orValue('-'), request.?namespace.orValue('-'),
string(request.dryRun), request.options == null ? 'no options' : string(request.options.kind) + ' '
+ ['fieldManager', 'dryRun', 'force', 'fieldValidation', 'gracePeriodSeconds'].filter(f, f in request.options).join(','),
object == null ? 'no object' : string(object.kind) + string(object.apiVersion) + string(object.?metadata.?name.orValue('-')),
oldObject == null ? 'none' : string(oldObject.kind) + string(oldObject.apiVersion) + string(oldObject.metadata.name),
namespaceObject == null ? 'no namespace' : namespaceObject.metadata.name].join(' ')"""  # what a policy sees of a request
MERGE, JSON, APPLY = "application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
SPACE = "policies-operations"
MAPS_AT, PODS_AT = f"/api/v1/namespaces/{SPACE}/configmaps", f"/api/v1/namespaces/{SPACE}/pods"
WEB = f"/apis/apps/v1/namespaces/{SPACE}/deployments/web"
OLD_SCALER = f"/apis/autoscaling/v1/namespaces/{SPACE}/horizontalpodautoscalers/h"
SCALE = {
    "kind": "Scale",
    "apiVersion": "autoscaling/v1",
    "metadata": {"name": "web", "namespace": SPACE},
    "spec": {"replicas": 4},
}
SCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "h"},
    "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}
# method, path, body, content type: each refused by a policy that tells what it sees
OPERATIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("POST", MAPS_AT, settings(name="n"), ""), ("POST", f"{MAPS_AT}?dryRun=All&fieldManager=x&fieldValidation=Strict", settings(name="n"), ""),
    ("PUT", f"{MAPS_AT}/settings", settings({"x": "y"}), ""), ("PATCH", f"{MAPS_AT}/settings", {"data": {"a": "c"}}, MERGE),
    ("PATCH", f"{MAPS_AT}/settings", [{"op": "add", "path": "/data/x", "value": "1"}], JSON), ("PATCH", f"{MAPS_AT}/settings?fieldManager=me&force=true", settings({"q": "r"}), APPLY),
    ("PATCH", f"{MAPS_AT}/new?fieldManager=me", settings({"q": "r"}, name="new"), APPLY), ("DELETE", f"{MAPS_AT}/settings", None, ""), ("DELETE", f"{PODS_AT}/p?gracePeriodSeconds=5", None, ""),
    ("DELETE", f"{MAPS_AT}?fieldSelector=metadata.name%3Dsettings", None, ""), ("PUT", f"{WEB}/scale", SCALE, ""), ("PATCH", f"{WEB}/scale", {"spec": {"replicas": 3}}, MERGE),
    ("PATCH", f"{WEB}/status", {"status": {"replicas": 3}}, MERGE), ("POST", f"{PODS_AT}/p/eviction", {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p", "namespace": SPACE}}, ""),
    ("POST", f"{PODS_AT}/p/binding", {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "p"}, "target": {"name": "n1", "kind": "Node"}}, ""),
    ("PATCH", f"{PODS_AT}/p/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}}, STRATEGIC), ("PATCH", f"{PODS_AT}/p/status", {"status": {"message": "x"}}, MERGE),
    ("POST", f"/api/v1/namespaces/{SPACE}/serviceaccounts/default/token", {"spec": {}}, ""), ("POST", f"{PODS_AT}/p/exec?command=ls&container=c&stdout=true", None, ""),
    ("POST", f"{PODS_AT}/p/attach?container=c&stdout=true", None, ""), ("POST", f"{PODS_AT}/p/portforward?ports=80", None, ""), ("GET", f"{PODS_AT}/p/proxy/x", None, ""),
    ("PATCH", f"/api/v1/namespaces/{SPACE}", {"metadata": {"annotations": {"a": "b"}}}, MERGE), ("PATCH", f"/api/v1/namespaces/{SPACE}/status", {"status": {"phase": "Active"}}, MERGE),
    ("PUT", f"/api/v1/namespaces/{SPACE}/finalize", {"metadata": {"name": SPACE}, "spec": {"finalizers": ["kubernetes"]}}, ""), ("DELETE", f"/api/v1/namespaces/{SPACE}", None, ""),
    ("POST", "/api/v1/namespaces", {"metadata": {"name": "policies-other", "labels": {"case": "operations"}}}, ""), ("PATCH", OLD_SCALER, {"spec": {"maxReplicas": 5}}, MERGE),
)  # fmt: skip
