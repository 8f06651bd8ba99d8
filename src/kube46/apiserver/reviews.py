"""Questions about identity and rights: reviews of tokens, of oneself, of what somebody may do (`kubectl auth`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import errors
from kube46.api.rbac.rules import Asked
from kube46.apiserver import answers, fieldvalidation, statuses
from kube46.apiserver.bodies import read_json, validation
from kube46.apiserver.strategy import Object, User
from kube46.apiserver.tokens import InvalidToken

if TYPE_CHECKING:
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.authentication import Authenticator
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.requests import Request, Target

GROUPS = ("authentication.k8s.io", "authorization.k8s.io")


class Reviews:
    """Answers reviews; nothing of them is stored."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._authenticator, self._authorizer = authenticator, authorizer

    async def answer(self, request: Request, target: Target) -> Answer:
        """Fill the review's status."""
        decoded = fieldvalidation.decode(await read_json(request), target.kind, validation(request))
        request.warnings += decoded.warnings
        review: Object = decoded.object
        spec = review.setdefault("spec", {}) if target.kind.plural != "selfsubjectreviews" else {}
        review.setdefault("metadata", {})
        match target.kind.plural:
            case "selfsubjectreviews":
                review["status"] = {"userInfo": _info(request.user)}
            case "tokenreviews":
                review["status"] = self._token(spec)
            case "selfsubjectaccessreviews":
                review["status"] = self._access(request.user, spec)
            case "selfsubjectrulesreviews":
                review["status"] = self._rules(request.user, target, spec)
            case _:
                if target.namespace and (spec.get("resourceAttributes") or {}).get("namespace") != target.namespace:
                    place, text = "spec.resourceAttributes.namespace", f"must match the namespace {target.namespace}"
                    raise statuses.invalid(target.kind, "", [errors.invalid(place, spec, text)])
                asked = User(str(spec.get("user", "")), tuple(spec.get("groups") or ()), str(spec.get("uid", "")))
                review["status"] = self._access(asked, spec)
        return answers.whole(review, 201)

    def _access(self, user: User, spec: dict[str, Any]) -> Object:
        if resource := spec.get("resourceAttributes"):
            fields = ("verb", "group", "resource", "subresource", "namespace", "name")
            asked = Asked(*(str(resource.get(name, "")) for name in fields))
        else:
            path = spec.get("nonResourceAttributes") or {}
            asked = Asked(str(path.get("verb", "")), path=str(path.get("path", "")))
        return {"allowed": self._authorizer.allowed(user, asked)}

    def _rules(self, user: User, target: Target, spec: dict[str, Any]) -> Object:
        if not spec.get("namespace"):
            raise statuses.bad_request("no namespace on request")
        found: dict[bool, list[Object]] = {False: [], True: []}
        for rule in self._authorizer.rules(user, str(spec["namespace"])):
            if (shown := rule.json()) not in found[bool(rule.paths)]:
                found[bool(rule.paths)].append(shown)
        return {"resourceRules": found[False], "nonResourceRules": found[True], "incomplete": False}

    def _token(self, spec: dict[str, Any]) -> Object:
        audiences = tuple(spec.get("audiences") or ())
        try:
            user = self._authenticator.token_user(str(spec.get("token", "")), audiences)
        except InvalidToken as error:
            return {"user": {}, "error": f"[invalid bearer token, {error}]"}
        info = _info(user)
        info["groups"] = [*user.groups, "system:authenticated"]
        return {"authenticated": True, "user": info, **({"audiences": list(audiences)} if audiences else {})}


def _info(user: User) -> Object:
    info: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {name: list(values) for name, values in user.extra.items()}
    return info
