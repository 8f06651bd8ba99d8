"""What a container is asked to do: probes and lifecycle hooks."""

from kube46.api.objects import Value


class ExecAction(Value, frozen=True):
    """A command to run in the container."""

    command: tuple[str, ...] = ()


class HttpHeader(Value, frozen=True):
    """httpHeaders[]."""

    name: str = ""
    value: str = ""


class HttpGet(Value, frozen=True):
    """An HTTP request; `host` defaults to the pod's primary address."""

    path: str = "/"
    port: int | str = 0
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[HttpHeader, ...] = ()


class TcpSocket(Value, frozen=True):
    """A connection attempt."""

    port: int | str = 0
    host: str = ""


class Grpc(Value, frozen=True):
    """A gRPC health check (grpc.health.v1) of one service, "" for all of the server's."""

    port: int = 0
    service: str = ""


class Sleep(Value, frozen=True):
    """A pause, seconds."""

    seconds: int = 0


class Handler(Value, frozen=True):
    """lifecycle.postStart and preStop."""

    exec: ExecAction | None = None
    http_get: HttpGet | None = None
    sleep: Sleep | None = None


class Lifecycle(Value, frozen=True):
    """lifecycle."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None


class Probe(Value, frozen=True):
    """A startup, readiness or liveness probe; times in seconds."""

    exec: ExecAction | None = None
    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    grpc: Grpc | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None
