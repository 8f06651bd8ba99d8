"""Questions about identity and rights: reviews of tokens, of oneself, of what somebody may do (`kubectl auth`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.errors import FieldError, invalid, required
from kube46.api.rbac.rules import Asked
from kube46.apiserver import answers, applying, attributes, fieldvalidation, labelselectors, statuses
from kube46.apiserver.bodies import read_json, validation
from kube46.apiserver.kinds import Kind
from kube46.apiserver.managedfields import writing as managedfields
from kube46.apiserver.strategy import Object, User
from kube46.apiserver.tokens import InvalidToken
from kube46.apiserver.transactions import now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.authentication import Authenticator
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.requests import Request, Target

GROUPS = ("authentication.k8s.io", "authorization.k8s.io")
SELECTORS = ("fieldSelector", "labelSelector")
ASKED = ("verb", "group", "resource", "subresource", "namespace", "name")
OPERATORS = {"In": "=", "NotIn": "!="}
LABEL_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
UNNAMED = Kind("authorization.k8s.io", "", "", "")  # kube-apiserver leaves the kind out of these errors
EXACTLY_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


Terms = tuple[tuple[str, str, str], ...]


class Reviews:
    """Answers reviews; nothing of them is stored."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._authenticator, self._authorizer = authenticator, authorizer

    async def answer(self, request: Request, target: Target) -> Answer:
        """Fill the review's status."""
        decoded = fieldvalidation.decode(await read_json(request), target.kind, validation(request))
        request.warnings += decoded.warnings
        review: Object = decoded.object
        review.setdefault("metadata", {})
        match target.kind.plural:
            case "selfsubjectreviews":
                review = {
                    **review,
                    "metadata": {"creationTimestamp": now()},
                    "status": {"userInfo": _info(request.user)},
                }
            case "tokenreviews":
                self._note(request, target, review)
                review["status"] = self._token(review.setdefault("spec", {}))
            case "selfsubjectrulesreviews":
                status = self._rules(request.user, review.get("spec") or {})
                review = {**review, "metadata": {}, "spec": {}, "status": status}
            case plural:
                self._access_review(request, target, plural, review)
        return answers.whole(review, 201)

    def _note(self, request: Request, target: Target, review: Object) -> None:
        """Who filled in the question: kube-apiserver keeps that here as everywhere."""
        review.pop("status", None)
        call = Call(
            target.kind,
            namespace=target.namespace,
            manager=request.query.get("fieldManager") or applying.program(request),
        )
        managedfields.note(call, review, None)

    def _access_review(self, request: Request, target: Target, plural: str, review: Object) -> None:
        if target.namespace:
            review["metadata"].setdefault("namespace", target.namespace)
        self._note(request, target, review)
        meta = {name: value for name, value in review["metadata"].items() if value}
        spec = review.setdefault("spec", {})
        local = plural == "localsubjectaccessreviews"
        if problems := _problems(spec, meta, own=plural.startswith("self"), local=local):
            raise statuses.invalid(UNNAMED, "", problems)
        user = request.user
        if not plural.startswith("self"):
            extra = spec.get("extra") or {}
            user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)
        review["status"] = self._access(user, spec)

    def _access(self, user: User, spec: dict[str, Any]) -> Object:
        wrong: list[str] = []
        if (resource := spec.get("resourceAttributes")) is not None:
            named = {name: str(resource.get(name) or "") for name in ASKED}
            asked = Asked(**named, fields=_terms(resource, wrong))
        else:
            path = spec.get("nonResourceAttributes") or {}
            asked = Asked(str(path.get("verb", "")), path=str(path.get("path", "")))
        allowed, reason = self._authorizer.decide(user, asked)
        status: Object = {"allowed": allowed}
        if reason:
            status["reason"] = reason
        if wrong:
            status["evaluationError"] = "; ".join(wrong)
        return status

    def _rules(self, user: User, spec: dict[str, Any]) -> Object:
        if not spec.get("namespace"):
            raise statuses.bad_request("no namespace on request")
        found: dict[bool, list[Object]] = {False: [], True: []}
        for rule in self._authorizer.rules(user, str(spec["namespace"])):
            if rule.resources:
                found[False].append({k: v for k, v in rule.json().items() if k != "nonResourceURLs"})
            if rule.paths:
                found[True].append({"verbs": list(rule.verbs), "nonResourceURLs": list(rule.paths)})
        unresolved = self._authorizer.unresolved(user, str(spec["namespace"]))
        incomplete = self._authorizer.incomplete(user)
        status = {"resourceRules": found[False], "nonResourceRules": found[True], "incomplete": incomplete}
        return status | ({"evaluationError": unresolved} if unresolved else {})

    def _token(self, spec: dict[str, Any]) -> Object:
        if not spec.get("token"):
            raise statuses.bad_request("token is required for TokenReview in authentication")
        audiences = tuple(spec.get("audiences") or ())
        try:
            user, valid = self._authenticator.reviewed(str(spec["token"]), audiences)
        except InvalidToken as error:
            text = f"[invalid bearer token, {error}]" if str(error) else "invalid bearer token"
            return {"user": {}, "error": text}
        return {"authenticated": True, "user": _info(user), "audiences": list(valid)}


def _terms(resource: dict[str, Any], wrong: list[str]) -> Terms:
    """The field selector; what of the selectors can't be understood is left out of the question and told."""
    for name in SELECTORS:
        read = attributes.field_terms if name == "fieldSelector" else _label_terms
        selector = resource.get(name) or {}
        known = OPERATORS if name == "fieldSelector" else LABEL_OPERATORS
        terms = selector.get("requirements") or ()
        raw = selector.get("rawSelector")
        if (raw and read(raw) is None) or not all(term.get("operator") in known for term in terms):
            wrong.append(f"spec.resourceAttributes.{name} ignored due to parse error")
    selector = resource.get("fieldSelector") or {}
    if raw := selector.get("rawSelector"):
        return attributes.field_terms(raw) or ()
    return tuple(
        (term.get("key", ""), OPERATORS[term["operator"]], term["values"][0])
        for term in selector.get("requirements") or ()
        if term.get("operator") in OPERATORS and len(term.get("values") or ()) == 1
    )


def _label_terms(text: str) -> Terms | None:
    try:
        labelselectors.parse(text)
    except statuses.StatusError:
        return None
    return ()


def _problems(spec: Object, meta: Object, *, own: bool, local: bool) -> list[FieldError]:
    """What is wrong with a question (pkg/apis/authorization/validation)."""
    found: list[FieldError] = []
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    shown = None if path is None else {"Path": path.get("path", ""), "Verb": path.get("verb", "")}
    if (resource is None) == (path is None):
        found.append(invalid("spec", shown, EXACTLY_ONE))
    if not own and not spec.get("user") and not spec.get("groups"):
        found.append(invalid("spec.user", spec.get("user", ""), "at least one of user or group must be specified"))
    for name in SELECTORS:
        selector = (resource or {}).get(name)
        if selector is not None:
            found += _selector_problems(f"spec.resourceAttributes.{name}", selector)
    kept = {name for name in meta if name != "managedFields" and not (local and name == "namespace")}
    if kept:
        text = "must be empty except for namespace" if local else "must be empty"
        found.append(invalid("metadata", meta, text))
    if local and resource is not None and resource.get("namespace", "") != meta.get("namespace"):
        place = "spec.resourceAttributes.namespace"
        found.append(invalid(place, resource.get("namespace", ""), "must match metadata.namespace"))
    if local and path is not None:
        found.append(invalid("spec.nonResourceAttributes", shown, "disallowed on this kind of request"))
    return found


def _selector_problems(place: str, selector: Object) -> list[FieldError]:
    raw, terms = selector.get("rawSelector"), selector.get("requirements")
    if raw and terms:
        return [invalid(f"{place}.rawSelector", raw, "may not specified at the same time as requirements")]
    if not raw and not terms:
        text = f"when {place} is specified, requirements or rawSelector is required"
        return [required(f"{place}.requirements", text)]
    return []


def _info(user: User) -> Object:
    info: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {name: list(values) for name, values in user.extra.items()}
    return info
