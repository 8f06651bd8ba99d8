"""The server as a whole: parts joined, TLS, sockets, start and graceful end. Read this file first."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import os
import signal
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from kube46.addresses.families import bracketed, family_of
from kube46.addresses.prefixes import nth
from kube46.api.features import DUAL_STACK
from kube46.apiserver import authentication, bootstrap, expiry, localservices, portrepair, sockets
from kube46.apiserver.addressrepair import AddressRepair
from kube46.apiserver.admission.chain import chain
from kube46.apiserver.admission.plugin import Parts
from kube46.apiserver.aggregation import availability, identity
from kube46.apiserver.aggregation.aggregator import Aggregator
from kube46.apiserver.aggregation.identity import Front
from kube46.apiserver.app import Application
from kube46.apiserver.authentication import Authenticator, TokenFileError
from kube46.apiserver.authorization import Authorizer
from kube46.apiserver.catalog import Catalog
from kube46.apiserver.certificates import Authority, write_private
from kube46.apiserver.connections import Connection
from kube46.apiserver.customresources import cleanup
from kube46.apiserver.database import DataError
from kube46.apiserver.kubelets import Credentials, Kubelets, kubelet_address
from kube46.apiserver.measures import Measures
from kube46.apiserver.metrics import Metrics
from kube46.apiserver.paths import Checks, Paths
from kube46.apiserver.proxying.locations import Locations
from kube46.apiserver.proxying.proxy import Proxy
from kube46.apiserver.resources import Resources
from kube46.apiserver.reviews import Reviews
from kube46.apiserver.settings import Settings, SettingsError
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.storage import Store
from kube46.apiserver.strategies import strategies
from kube46.apiserver.subresources import Subresources
from kube46.apiserver.tokens import Signer
from kube46.apiserver.webhooks.calls import Caller
from kube46.apiserver.writes import Registry
from kube46.kubernetes.queues import keep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from kube46.apiserver.strategy import Object, User

log = logging.getLogger(__name__)

DRAIN_SECONDS = 10  # requests under way at SIGTERM have so long
NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises SettingsError for what the flags can't mean."""
    store = _open(settings)
    store.start()
    sockets.allow_many()
    listening = sockets.passed(os.environ) or sockets.opened(settings.bind_address, settings.secure_port)
    try:
        server = _Server(settings, store)
        await server.serve(listening)
    finally:
        await asyncio.to_thread(store.close)


def _open(settings: Settings) -> Store:
    try:
        return Store(settings.data, settings.default_watch_cache_size)
    except DataError as error:
        raise SettingsError(str(error)) from error


class _Server:
    """The joined parts."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._stopping, self._leaving, self._ready = asyncio.Event(), False, False
        signer = Signer.load_or_create(_signing_key(settings), settings.service_account_issuer, settings.api_audiences)
        authenticator = Authenticator(store, signer, _tokens(settings))
        self._catalog = catalog = Catalog(store)
        dual_stack = settings.features.enabled(DUAL_STACK)
        self._registry = Registry(
            store, strategies(settings.service_ranges, dual_stack=dual_stack), settings.service_ranges,
            settings.node_ports, dual_stack=dual_stack,
        )  # fmt: skip
        authorizer, self._caller = Authorizer(store), Caller(store)
        self._registry.conversions.caller = self._caller
        self._registry.gate.chain = chain(Parts(store, catalog, authorizer, self._registry, self._caller))
        resources = Resources(self._registry, self._stopping, authorizer)
        self._kubelets = Kubelets(store, _kubelet_credentials(settings))
        primary = family_of(settings.service_ranges[0])
        self._locations = Locations(store, primary, kubelet_address)
        self._proxy = Proxy(self._locations, self._kubelets)
        self._aggregator = Aggregator(store, self._locations, self._proxy, _front(settings))
        measures = Measures(store, self._kubelets)
        metrics = Metrics(store.counts, lambda: resources.watching, settings.features)
        subresources = Subresources(resources, signer, authorizer)
        address = settings.advertise_address or _own_address(settings)
        place = bracketed(str(address), settings.secure_port)
        paths = Paths(self._checks(), metrics, place, catalog, self._aggregator, signer)
        reviews = Reviews(authenticator, authorizer)
        self._app = Application(
            authenticator, authorizer, resources, subresources, reviews, self._kubelets, self._proxy, measures, paths,
            metrics, catalog, self._aggregator,
        )  # fmt: skip

    def _checks(self) -> Checks:
        # a full disk refuses writes one by one; a server that called itself unready would never be given the next
        live = {"ping": lambda: "", "log": lambda: "", "etcd": lambda: ""}
        ready = {
            **live,
            "etcd-readiness": lambda: "",
            "poststarthook/rbac/bootstrap-roles": lambda: "" if self._ready else "not finished",
            "shutdown": lambda: "process is shutting down" if self._leaving else "",
        }
        return Checks(live, ready)

    async def serve(self, listening: list[socket.socket]) -> None:
        """Answer requests until told to stop, then let those under way finish."""
        config = uvicorn.Config(
            self._app, http=Connection, ws="none", lifespan="off", loop="none", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_keep_alive=75, timeout_graceful_shutdown=DRAIN_SECONDS,
        )  # fmt: skip
        config.load()
        config.ssl = _tls(self._settings)
        server = _Uvicorn(config)
        loop = asyncio.get_running_loop()

        def leave() -> None:
            log.info("stopping")
            self._leaving = True  # balancers see it and send no more; until then everything is served
            loop.call_later(self._settings.shutdown_delay_duration, stop)

        def stop() -> None:
            self._stopping.set()
            self._store.wake_all()
            self._kubelets.close()
            self._proxy.close()
            self._caller.close()
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave)
        loop.add_signal_handler(signal.SIGUSR1, self._store.back_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})  # blocked by the command: one may wait
        port = self._settings.secure_port or listening[0].getsockname()[1]
        cluster = self._cluster(port)
        try:
            default = await bootstrap.prepare(self._registry, cluster)
            await localservices.settle(self._registry, self._catalog)
            await bootstrap.publish(self._registry, _published(self._settings))
        except StatusError as error:  # a new file on a full disk
            message = f"--data {self._settings.data}: {error.message}"
            raise SettingsError(message) from error
        self._ready = True
        gc.collect()
        gc.freeze()  # the collector need not look at modules again and again: 20 ms each time
        for sock in listening:
            log.info("listening address=%s port=%s", *sock.getsockname()[:2])
        async with asyncio.TaskGroup() as group:
            loops: dict[str, Callable[[], Awaitable[None]]] = {
                "event-ttl": lambda: expiry.run(self._store),
                "definition-finalizer": lambda: cleanup.run(self._registry, self._catalog),
                "remote-availability": lambda: availability.run(self._registry, self._aggregator, self._locations),
                "autoregister": lambda: localservices.run(self._registry, self._catalog),
                "kubernetes-service": lambda: bootstrap.keep(self._registry, cluster, default),
                "service-ip-repair": lambda: AddressRepair(self._registry).run(),
                "node-port-repair": lambda: portrepair.run(self._registry, self._settings.node_ports),
            }
            tasks = [group.create_task(keep(name, loop)) for name, loop in loops.items()]
            await server.serve(sockets=listening)
            for task in tasks:
                task.cancel()

    def _cluster(self, port: int) -> bootstrap.Cluster:
        address = self._settings.advertise_address or _own_address(self._settings)
        dual_stack = self._settings.features.enabled(DUAL_STACK)
        return bootstrap.Cluster(self._settings.service_ranges, address, port, dual_stack)


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: ours also end watches."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def _tokens(settings: Settings) -> dict[bytes, User]:
    if settings.token_auth_file is None:
        return {}
    try:
        return authentication.read_tokens(settings.token_auth_file)
    except OSError as error:
        message = f"--token-auth-file {settings.token_auth_file}: {error.strerror}: name a readable file"
        raise SettingsError(message) from error
    except TokenFileError as error:
        raise SettingsError(str(error)) from error


def _signing_key(settings: Settings) -> Path:
    return settings.service_account_signing_key_file or settings.cert_dir / "sa.key"


def _kubelet_credentials(settings: Settings) -> Credentials:
    return Credentials(
        settings.kubelet_client_certificate, settings.kubelet_client_key, settings.kubelet_certificate_authority
    )


def _front(settings: Settings) -> Front:
    return Front(settings.proxy_client_cert_file, settings.proxy_client_key_file, settings.requestheader_client_ca_file)


def _published(settings: Settings) -> Object | None:
    front = _front(settings)
    try:
        return identity.published(settings.client_ca_file, front)
    except (OSError, ValueError) as error:
        files = f"--requestheader-client-ca-file {front.authority}, --proxy-client-cert-file {front.certificate}"
        message = f"{files}, --client-ca-file {settings.client_ca_file}: {error}: give PEM files"
        raise SettingsError(message) from error


def _own_address(settings: Settings) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address others reach this host at, of the primary Service family; loopback when there is no route."""
    version = settings.service_ranges[0].version
    bound = ipaddress.ip_address(settings.bind_address)
    if not bound.is_unspecified and bound.version == version:
        return bound
    family, probe, loopback = (
        (socket.AF_INET, "192.0.2.1", "127.0.0.1") if version == 4 else (socket.AF_INET6, "2001:db8::1", "::1")
    )
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((probe, 9))  # sends nothing: the kernel picks the source address
        except OSError:
            return ipaddress.ip_address(loopback)
        return ipaddress.ip_address(sock.getsockname()[0])


def _tls(settings: Settings) -> ssl.SSLContext:
    certificate, key = settings.tls_cert_file, settings.tls_private_key_file
    if certificate is None or key is None:
        certificate, key = _make_certificate(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if settings.client_ca_file is not None:
            context.load_verify_locations(settings.client_ca_file)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        files = (
            f"--tls-cert-file {certificate}, --tls-private-key-file {key}, --client-ca-file {settings.client_ca_file}"
        )
        message = f"{files}: {error}: give matching PEM files"
        raise SettingsError(message) from error
    return context


def _make_certificate(settings: Settings) -> tuple[Path, Path]:
    """A certificate for every name and address of this server, signed by the CA of --cert-dir."""
    directory = settings.cert_dir
    certificate, key = directory / "apiserver.crt", directory / "apiserver.key"
    addresses = {"127.0.0.1", "::1", *(str(nth(prefix, 1)) for prefix in settings.service_ranges)}
    addresses.add(str(settings.advertise_address or _own_address(settings)))
    if not ipaddress.ip_address(settings.bind_address).is_unspecified:
        addresses.add(settings.bind_address)
    try:
        authority = Authority.load_or_create(directory)
        issued = authority.issue("kube-apiserver", (), NAMES, sorted(addresses), server=True)
        certificate.write_bytes(issued[0])
        write_private(key, issued[1])
    except OSError as error:
        message = f"--cert-dir {directory}: {error.strerror}: name a writable directory"
        raise SettingsError(message) from error
    return certificate, key
