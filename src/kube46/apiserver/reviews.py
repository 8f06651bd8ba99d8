"""Questions about identity and rights: TokenReview, SelfSubjectReview, SubjectAccessReview, SelfSubjectAccessReview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import answers, authorization, fieldvalidation
from kube46.apiserver.resources import read_json, validation
from kube46.apiserver.strategy import Object, User
from kube46.apiserver.tokens import InvalidToken

if TYPE_CHECKING:
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.authentication import Authenticator
    from kube46.apiserver.requests import Request, Target

GROUPS = ("authentication.k8s.io", "authorization.k8s.io")


class Reviews:
    """Answers reviews; nothing of them is stored."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

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
                review["status"] = _access(request.user, spec)
            case _:
                asked = User(str(spec.get("user", "")), tuple(spec.get("groups") or ()), str(spec.get("uid", "")))
                review["status"] = _access(asked, spec)
        return answers.json(review, 201)

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


def _access(user: User, spec: dict[str, Any]) -> Object:
    if resource := spec.get("resourceAttributes"):
        name = str(resource.get("resource", ""))
        if subresource := resource.get("subresource"):
            name = f"{name}/{subresource}"
        allowed = authorization.allowed(user, str(resource.get("verb", "")), name, str(resource.get("namespace", "")))
    else:
        path = spec.get("nonResourceAttributes") or {}
        allowed = authorization.path_allowed(user, str(path.get("verb", "")), str(path.get("path", "")))
    return {"allowed": allowed}
