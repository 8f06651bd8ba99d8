"""Subresources that are more than a part of their object: scale, binding, eviction, finalize, token."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kube46.api import errors
from kube46.api.rbac.rules import Asked
from kube46.apiserver import (
    answers,
    applying,
    deleteoptions,
    deletes,
    evictions,
    fieldvalidation,
    patching,
    statuses,
    tokens,
    updates,
)
from kube46.apiserver.bodies import read_json, validation
from kube46.apiserver.customresources import scaling
from kube46.apiserver.customresources.conversions import asks
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.kinds import BY_PLURAL, SCALE, Kind
from kube46.apiserver.nodeauthorizer import node_of
from kube46.apiserver.noderestriction import admit_eviction, mounts_audience, token_refusal

if TYPE_CHECKING:
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.requests import Request, Target
    from kube46.apiserver.resources import Resources
    from kube46.apiserver.strategy import Object, User
    from kube46.apiserver.tokens import Signer
    from kube46.apiserver.transactions import Txn

AUDIENCE_VERB = "request-serviceaccounts-token-audience"
SCALE_KIND = Kind(SCALE.group, SCALE.version, "scales", SCALE.kind)


class Subresources:
    """Answers requests below an object's path, but status (resources) and those a kubelet answers (kubelets)."""

    def __init__(self, resources: Resources, signer: Signer, authorizer: Authorizer) -> None:
        self._resources, self._registry, self._signer = resources, resources.registry, signer
        self._authorizer = authorizer

    async def answer(self, request: Request, target: Target) -> Answer:
        """Dispatch by the subresource's name."""
        handler = getattr(self, f"_{target.subresource}")
        answer: Answer = await handler(request, target)
        return answer

    def _stored(self, target: Target) -> Object:
        with self._registry.store.begin() as txn:
            obj = txn.get(target.kind.resource, target.name, target.namespace)
        if obj is None:
            raise statuses.not_found(target.kind, target.name)
        return obj

    # scale

    async def _scale(self, request: Request, target: Target) -> Answer:
        if request.verb == "get":
            stored = self._stored(target)
            if asks(target.kind):
                stored = await self._registry.conversions.one(target.kind, stored)
            return answers.whole(_scale_of(stored, target.kind))
        if request.verb == "update":
            body = (await self._body(request, SCALE.group, SCALE.version, SCALE.kind)).object
            return answers.whole(_scale_of(await self._rescale(request, target, lambda _: body), target.kind))
        patching.check_media(request.headers.get(b"content-type", b"").decode("latin-1"), custom=target.kind.custom)
        if request.content_type == applying.MEDIA_TYPE and not target.kind.custom:
            return await self._apply_scale(request, target)
        media, patch = request.content_type, await request.body()
        patching.check_syntax(patch)

        def patched(scale: Object) -> Object:
            result: Object = patching.apply_patch(media, patch, scale, SCALE_KIND, validation(request)).object
            return result

        return answers.whole(_scale_of(await self._rescale(request, target, patched), target.kind))

    async def _rescale(self, request: Request, target: Target, new_scale: Any) -> Object:
        call = self._resources.call(request, target)
        call.subresource, call.scales, call.form = "", True, _Scaled(target.kind)

        def edit(obj: Object) -> Object:
            scale = new_scale(_scale_of(obj, target.kind))
            updates.check_name(call, scale.get("metadata"))
            replicas = (scale.get("spec") or {}).get("replicas", 0)
            _check_replicas(replicas, target.name)
            _rescale(obj, target.kind, replicas)
            if version := (scale.get("metadata") or {}).get("resourceVersion"):
                obj["metadata"]["resourceVersion"] = version
            return obj

        return await self._registry.change(call, edit)

    async def _apply_scale(self, request: Request, target: Target) -> Answer:
        """Server-side apply of a Scale: an apply of the one field of the workload that it stands for."""
        call = self._resources.call(request, target)
        call.kind, call.subresource = SCALE_KIND, ""
        config, settle = await applying.config_of(request, call)
        call.kind, call.scales, call.form = target.kind, True, _Scaled(target.kind)
        replicas = (config.get("spec") or {}).get("replicas")
        wanted = {"metadata": config["metadata"], "spec": {} if replicas is None else {"replicas": replicas}}
        self._stored(target)  # nothing is created
        obj, _ = await self._registry.apply(call, wanted, lambda merged: settle(merged, target.kind))
        return answers.whole(_scale_of(obj, target.kind))

    # pods

    async def bind(self, request: Request, target: Target) -> Answer:
        """POST to `bindings`: the pod is the one that the body names."""
        body = (await self._body(request, "", "v1", "Binding")).object
        name = (body.get("metadata") or {}).get("name", "")
        if not name:
            raise statuses.bad_request("name is required")
        return await self._bound(request, replace(target, kind=BY_PLURAL["pods"], name=name), body)

    async def _binding(self, request: Request, target: Target) -> Answer:
        return await self._bound(request, target, (await self._body(request, "", "v1", "Binding")).object)

    async def _bound(self, request: Request, target: Target, body: Object) -> Answer:
        node = (body.get("target") or {}).get("name", "")
        annotations = (body.get("metadata") or {}).get("annotations") or {}
        call = self._resources.call(request, target)
        if not node:
            problem = errors.required("target.name")
            raise statuses.invalid(Kind("", "v1", "bindings", "Binding"), target.name, [problem])

        def bind(pod: Object) -> Object:
            if pod["spec"].get("nodeName"):
                text = f'pod {target.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
                raise statuses.conflict(BY_PLURAL["pods"], target.name, text)
            if pod["metadata"].get("deletionTimestamp"):
                text = f"pod {target.name} is being deleted, cannot be assigned to a host"
                raise statuses.conflict(BY_PLURAL["pods"], target.name, text)
            pod["spec"]["nodeName"] = node
            (pod.get("status") or {}).pop("nominatedNodeName", None)  # KEP-5278: it has served its purpose
            if annotations:
                pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **annotations}
            return pod

        await self._registry.gate.admitted(call, body)
        await self._registry.change_directly(call, bind, _scheduled)
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return answers.whole(status, 201)

    async def _eviction(self, request: Request, target: Target) -> Answer:
        body = (await self._body(request, "policy", "v1", "Eviction")).object
        options = deleteoptions.of_document(body.get("deleteOptions") or {})
        call = self._resources.call(request, target)
        call.dry_run = call.dry_run or options.dry_run
        body = await self._registry.gate.admitted(call, body)
        call.options = None  # what follows is the eviction's own

        def charge(txn: Txn) -> None:
            admit_eviction(request.user, target.name, target.namespace, txn)
            evictions.charge(txn, namespace=target.namespace, name=target.name)

        await deletes.delete(self._registry, call, options, charge)
        return answers.whole(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
        )

    # namespaces

    async def _finalize(self, request: Request, target: Target) -> Answer:
        call = self._resources.call(request, target)
        obj, _ = await self._registry.update(call, await self._resources.decode(request, target))
        return answers.whole(obj)

    # serviceaccounts

    async def _token(self, request: Request, target: Target) -> Answer:
        body = (await self._body(request, "authentication.k8s.io", "v1", "TokenRequest")).object
        body["metadata"] = {"name": target.name, "namespace": target.namespace, **(body.get("metadata") or {})}
        body = await self._registry.gate.admitted(self._resources.call(request, target), body)
        spec = body.get("spec") or {}
        self._admit_token(request.user, target, spec)
        account = self._stored(target)
        seconds = int(spec.get("expirationSeconds") or tokens.DEFAULT_SECONDS)
        if not tokens.LEAST_SECONDS <= seconds <= tokens.MOST_SECONDS:
            limit = "less than 10 minutes" if seconds < tokens.LEAST_SECONDS else "larger than 2^32 seconds"
            problem = errors.invalid("spec.expirationSeconds", seconds, f"may not specify a duration {limit}")
            raise statuses.invalid(Kind("authentication.k8s.io", "v1", "", "TokenRequest"), "", [problem])
        subject = self._token_subject(target, account, spec.get("boundObjectRef") or {})
        audiences = tuple(spec.get("audiences") or self._signer.audiences)
        token, expires = self._signer.sign(subject, audiences, seconds)
        body["metadata"] = {"name": target.name, "namespace": target.namespace, "creationTimestamp": _time(time.time())}
        body["spec"] = {**spec, "audiences": list(audiences), "expirationSeconds": seconds}
        body["status"] = {"token": token, "expirationTimestamp": _time(expires)}
        return answers.whole(body, 201)

    def _admit_token(self, user: User, target: Target, spec: dict[str, Any]) -> None:
        """Let a node have only tokens that pods of its own mount, and for audiences that a right gives it."""
        node = node_of(user)
        if node is None:
            return
        bound, audiences = spec.get("boundObjectRef") or {}, list(spec.get("audiences") or ())
        with self._registry.store.begin() as txn:
            pod = txn.get("pods", str(bound.get("name", "")), target.namespace)
        text = token_refusal(node, bound, audiences, pod)
        audience = audiences[0] if audiences else ""
        if not text and pod is not None and not mounts_audience(pod, audience):
            asked = Asked(AUDIENCE_VERB, "", audience, namespace=target.namespace, name=target.name)
            if not self._authorizer.allowed(user, asked):
                text = f"{user.name} is not authorized to request tokens for audience {errors.go_quote(audience)}"
        if text:
            raise statuses.forbidden(target.kind, target.name, text)

    def _token_subject(self, target: Target, account: Object, bound: dict[str, Any]) -> tokens.Subject:
        uid = account["metadata"]["uid"]
        if not bound:
            return tokens.Subject(target.namespace, target.name, uid)
        kind = BY_PLURAL.get(f"{str(bound.get('kind', '')).lower()}s")
        if kind is None or kind.plural not in ("pods", "secrets", "nodes"):
            group, _, version = str(bound.get("apiVersion", "")).rpartition("/")
            text = f"cannot bind token to object of type {group}/{version}, Kind={bound.get('kind', '')}"
            raise statuses.bad_request(text)
        name = str(bound.get("name", ""))
        if not name:
            raise statuses.bad_request("Name parameter required.")
        with self._registry.store.begin() as txn:
            obj = txn.get(kind.plural, name, target.namespace if kind.namespaced else "")
        if obj is None:
            raise statuses.not_found(kind, name)
        found = obj["metadata"]["uid"]
        if bound.get("uid") and bound["uid"] != found:
            text = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record"
            named = Kind("", "v1", kind.kind, kind.kind)
            raise statuses.conflict(named, name, f"{text}. The object might have been deleted and then recreated")
        node = (obj.get("spec") or {}).get("nodeName", "") if kind.plural == "pods" else ""
        if kind.plural == "pods" and (obj["spec"].get("serviceAccountName") or "default") != target.name:
            text = "to pod running with different serviceaccount name."
            raise statuses.bad_request(f'cannot bind token for serviceaccount "{target.name}" {text}')
        with self._registry.store.begin() as txn:
            node_uid = ((txn.get("nodes", node) if node else None) or {"metadata": {}})["metadata"].get("uid", "")
        return tokens.Subject(target.namespace, target.name, uid, kind.kind.lower(), name, found, node, node_uid)

    async def _body(self, request: Request, group: str, version: str, kind: str) -> fieldvalidation.Decoded:
        decoded = fieldvalidation.decode_as(await read_json(request), group, version, kind, validation(request))
        request.warnings += decoded.warnings
        return decoded


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_replicas(replicas: int, name: str) -> None:
    if replicas < 0:
        problem = errors.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise statuses.invalid(SCALE_KIND, name, [problem])


def _rescale(obj: Object, kind: Kind, replicas: int) -> None:
    if isinstance(kind, CustomKind):
        scaling.rescale(obj, kind, replicas)
    else:
        obj["spec"]["replicas"] = replicas


@dataclass(frozen=True, slots=True)
class _Scaled:
    """An object as admission sees it through /scale."""

    kind: Kind

    def shown(self, obj: Object) -> Object:
        """Its Scale."""
        return _scale_of(obj, self.kind)

    def taken(self, obj: Object, shown: Object) -> None:
        """The number that the Scale has now."""
        replicas = (shown.get("spec") or {}).get("replicas", 0)
        _check_replicas(replicas, obj["metadata"]["name"])
        if replicas != (_scale_of(obj, self.kind).get("spec") or {}).get("replicas", 0):
            _rescale(obj, self.kind, replicas)


def _scale_of(obj: Object, kind: Kind) -> Object:
    """The autoscaling/v1 Scale of a workload or of a custom object."""
    if isinstance(kind, CustomKind):
        return scaling.scale_of(obj, kind)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    selector = spec.get("selector") or {}
    if kind.plural == "replicationcontrollers":  # a plain map
        selector = {"matchLabels": selector}
    scale_status: Object = {"replicas": status.get("replicas", 0)}
    if text := _selector_text(selector):
        scale_status["selector"] = text
    return {
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in kept if name in obj["metadata"]},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {}, "status": scale_status,
    }  # fmt: skip


def _selector_text(selector: Object) -> str:
    """A selector as text, sorted by key, as metav1.LabelSelectorAsSelector prints it."""
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        forms = {
            "Exists": key,
            "DoesNotExist": f"!{key}",
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
        }
        terms.append((key, forms.get(expression["operator"], key)))
    return ",".join(text for _, text in sorted(terms))


def _scheduled(pod: Object) -> None:
    """The PodScheduled condition that a binding sets."""
    status = pod.setdefault("status", {})
    others = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    now = _time(time.time())
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    status["conditions"] = [*others, condition]
