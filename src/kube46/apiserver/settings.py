"""Everything the command line decides about the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kube46.api.features import Features, parse
from kube46.apiserver.history import KEEP_EVENTS
from kube46.apiserver.tokens import ISSUER

if TYPE_CHECKING:
    from kube46.addresses.families import Address, Prefix


class SettingsError(Exception):
    """A flag can't be used; the text names it and the mend."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Named as kube-apiserver's flags; addresses are parsed already."""

    data: Path
    service_ranges: tuple[Prefix, ...]
    advertise_address: Address | None = None
    bind_address: str = "0.0.0.0"  # as kube-apiserver
    secure_port: int = 6443
    cert_dir: Path = Path("/var/run/kubernetes")
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    client_ca_file: Path | None = None
    token_auth_file: Path | None = None
    service_account_signing_key_file: Path | None = None
    service_account_issuer: str = ISSUER
    api_audiences: tuple[str, ...] = ()
    kubelet_certificate_authority: Path | None = None
    kubelet_client_certificate: Path | None = None
    kubelet_client_key: Path | None = None
    proxy_client_cert_file: Path | None = None
    proxy_client_key_file: Path | None = None
    requestheader_client_ca_file: Path | None = None
    features: Features = field(default_factory=parse)
    node_ports: range = field(default_factory=lambda: range(30000, 32768))
    default_watch_cache_size: int = KEEP_EVENTS
    shutdown_delay_duration: float = 0.0  # seconds
