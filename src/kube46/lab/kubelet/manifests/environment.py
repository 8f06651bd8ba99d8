"""Where values come from: the downward API, ConfigMaps and Secrets, as variables of a container."""

from kube46.api.objects import Value


class ObjectField(Value, frozen=True):
    """fieldRef: a field of the pod."""

    api_version: str = "v1"
    field_path: str = ""


class ResourceField(Value, frozen=True):
    """resourceFieldRef: a request or limit of a container."""

    container_name: str = ""
    resource: str = ""
    divisor: str | int = "0"


class KeyRef(Value, frozen=True):
    """configMapKeyRef and secretKeyRef."""

    name: str = ""
    key: str = ""
    optional: bool = False


class EnvSource(Value, frozen=True):
    """valueFrom."""

    field_ref: ObjectField | None = None
    resource_field_ref: ResourceField | None = None
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None


class EnvVar(Value, frozen=True):
    """env[]."""

    name: str = ""
    value: str = ""
    value_from: EnvSource | None = None


class NameRef(Value, frozen=True):
    """A ConfigMap or Secret whose keys are all wanted."""

    name: str = ""
    optional: bool = False


class EnvFrom(Value, frozen=True):
    """envFrom[]."""

    prefix: str = ""
    config_map_ref: NameRef | None = None
    secret_ref: NameRef | None = None
