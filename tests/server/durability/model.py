"""What a server is to hold after each write: a dictionary, and the few verbs that change it."""

from dataclasses import dataclass
from typing import Any

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
Key = tuple[str, str]  # (resource, name)
Content = tuple[tuple[str, str], ...]  # of a ConfigMap its data; of a Service its note, type and condition's reason
VERBS = ("create", "put", "patch", "apply", "delete", "status")


@dataclass(frozen=True, slots=True)
class Op:
    """A write of one object."""

    resource: str
    name: str
    verb: str
    value: str

    @property
    def key(self) -> Key:
        return self.resource, self.name

    def request(self, namespace: str) -> tuple[str, str, str, Any]:
        """Method, path, content type, body."""
        where = f"/api/v1/namespaces/{namespace}/{self.resource}"
        one, body = f"{where}/{self.name}", self._body()
        match self.verb:
            case "create":
                return "POST", where, "application/json", body
            case "put":
                return "PUT", one, "application/json", body
            case "patch":
                return "PATCH", one, MERGE, body
            case "apply":
                return "PATCH", f"{one}?fieldManager=machine&force=true", APPLY, body
            case "status":
                return "PATCH", f"{one}/status", MERGE, body
        return "DELETE", one, "application/json", None

    def _body(self) -> dict[str, Any]:
        service = self.resource == "services"
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "Service" if service else "ConfigMap"}
        body["metadata"] = {"name": self.name}
        if self.verb == "status":
            condition = {"type": "T", "status": "True", "reason": self.value, "message": "", "lastTransitionTime": NOON}
            return {**body, "status": {"conditions": [condition]}}
        if not service:
            return {**body, "data": {self.verb: self.value}}
        body["metadata"]["annotations"] = {self.verb: self.value}
        if self.verb in ("create", "apply"):
            body["spec"] = {"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack", "type": "NodePort"}
        return body

    def after(self, before: Content | None) -> tuple[int, Content | None]:
        """The answer's code and what is there then."""
        own = ((self.verb, self.value),)
        kept = tuple(pair for pair in before or () if pair[0] != self.verb)
        match self.verb:
            case "create":
                return (409, before) if before is not None else (201, own)
            case "apply":
                return (201 if before is None else 200), tuple(sorted(kept + own))
            case _ if before is None:
                return 404, None
            case "put":
                return 200, own
            case "delete":
                return 200, None
        return 200, tuple(sorted(kept + own))


NOON = "2026-01-01T12:00:00Z"


def content(obj: dict[str, Any]) -> Content:
    """What the model knows of an object."""
    if "spec" not in obj:
        return tuple(sorted((obj.get("data") or {}).items()))
    noted = dict(obj["metadata"].get("annotations") or {})
    for condition in obj["status"].get("conditions") or ():
        noted["status"] = condition["reason"]
    return tuple(sorted(noted.items()))
