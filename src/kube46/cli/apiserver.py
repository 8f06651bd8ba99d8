"""`kube46 apiserver`: run the API server, with kube-apiserver's flags."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import re
import signal
from pathlib import Path

import click

from kube46.addresses.families import Address, Prefix, family_of
from kube46.api.features import DUAL_STACK, ONCE, BadGates, Features, described, parse

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LEAST_ADDRESSES = 8


class Refused(click.ClickException):
    """A flag that can't be used: one sentence, exit status 2."""

    exit_code = 2


def _fail(text: str) -> Refused:
    return Refused(text)


def service_ranges(text: str) -> tuple[Prefix, ...]:
    """The Service ranges, primary first; errors are those of semantics A-1."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 2:
        raise _fail("--service-cluster-ip-range must not contain more than two entries")
    found: list[Prefix] = []
    for index, part in enumerate(parts):
        try:
            if "/" not in part:
                raise ValueError
            found.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            problem = "a valid cidr" if index == 0 else "an ip net"
            raise _fail(f"service-cluster-ip-range[{index}] is not {problem}") from None
    if len(found) == 2 and family_of(found[0]) is family_of(found[1]):
        first, second = "--service-cluster-ip-range[0]", "--service-cluster-ip-range[1]"
        raise _fail(f"{first} and {second} must be of different IP family")
    for prefix, which in zip(found, ("primary", "secondary"), strict=False):
        if prefix.num_addresses < LEAST_ADDRESSES:
            size = f"the service cluster IP range must be at least {LEAST_ADDRESSES} IP addresses"
            raise _fail(f"error determining service IP ranges for {which} service cidr: {size}")
    return tuple(found)


def _features(gates: tuple[str, ...], stage: str | None, ranges: tuple[Prefix, ...]) -> Features:
    """The gates, which two Service ranges need IPv6DualStack of (kube-apiserver 1.21, options/validation.go)."""
    try:
        features = parse(gates, stage or "")
    except BadGates as error:
        raise _fail(f'invalid argument "{",".join(gates)}" for "--feature-gates" flag: {error}') from None
    if len(ranges) > 1 and not features.enabled(DUAL_STACK):
        flag = "secondary service cluster-ip range(--service-cluster-ip-range[1])"
        raise _fail(f"{flag} can only be used if {DUAL_STACK} feature is enabled")
    return features


def _address(flag: str, text: str | None) -> Address | None:
    if not text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise _fail(f"{flag} {text}: is not an IP address: give one like 192.0.2.1 or 2001:db8::1") from None


def _ports(text: str) -> range:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
        raise _fail(f"--service-node-port-range {text}: is not a range of ports: give one like 30000-32767")
    return range(int(first), int(last) + 1)


def _duration(flag: str, text: str) -> float:
    """Seconds of a duration in Go's form, as 1m30s."""
    if text != "0" and not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text):
        raise _fail(f"{flag} {text}: is not a duration: give one like 500ms, 10s or 1m30s")
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


@click.command(context_settings={"max_content_width": 120})
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="SQLite file with the cluster's objects; made when missing.",
)
@click.option(
    "--service-cluster-ip-range",
    default="10.0.0.0/24",
    show_default=True,
    help="One or two CIDRs, primary family first.",
)
@click.option(
    "--service-node-port-range", default="30000-32767", show_default=True, help="Ports for NodePort Services."
)
@click.option("--advertise-address", help="Address at which others reach this server [default: the host's].")
@click.option(
    "--bind-address", default="0.0.0.0", show_default=True, help="Address to listen on; :: takes both families."
)
@click.option(
    "--secure-port", type=click.IntRange(0, 65535), default=6443, show_default=True, help="HTTPS port; 0: any free one."
)
@click.option(
    "--cert-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/var/run/kubernetes"),
    show_default=True,
    help="Where certificates are made unless given.",
)
@click.option("--tls-cert-file", type=FILE, help="Certificate of this server.")
@click.option("--tls-private-key-file", type=FILE, help="Its key.")
@click.option("--client-ca-file", type=FILE, help="CA of client certificates (CN: user, O: groups).")
@click.option("--token-auth-file", type=FILE, help='Bearer tokens: lines of token,user,uid,"group,group".')
@click.option(
    "--service-account-signing-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Key that signs ServiceAccount tokens; made when missing.",
)
@click.option(
    "--service-account-issuer",
    default="https://kubernetes.default.svc.cluster.local",
    show_default=True,
    help="Issuer of ServiceAccount tokens.",
)
@click.option("--api-audiences", default="", help="Audiences of ServiceAccount tokens [default: the issuer].")
@click.option("--kubelet-certificate-authority", type=FILE, help="CA of kubelets' certificates.")
@click.option("--kubelet-client-certificate", type=FILE, help="Certificate this server shows to kubelets.")
@click.option("--kubelet-client-key", type=FILE, help="Its key.")
@click.option("--proxy-client-cert-file", type=FILE, help="Certificate this server shows to API servers behind it.")
@click.option("--proxy-client-key-file", type=FILE, help="Its key.")
@click.option("--requestheader-client-ca-file", type=FILE, help="CA by which they know it; they are told.")
@click.option(
    "--default-watch-cache-size",
    type=click.IntRange(min=1),
    default=2048,
    show_default=True,
    help="Changes of a resource that are kept at least, for watches to resume and lists to continue.",
)
@click.option(
    "--shutdown-delay-duration",
    default="0s",
    show_default=True,
    help="Time after SIGTERM in which everything is served, but /readyz says no.",
)
@click.option(
    "--feature-gates",
    multiple=True,
    metavar="NAME=BOOL,...",
    help=f"Features on or off: {'; '.join(described())}.",
)
@click.option(
    "--dual-stack-stage",
    type=click.Choice(list(ONCE)),
    help="Take IPv6DualStack as it was: alpha (off), beta (on), stable (on, locked) [default: on and free].",
)
@click.option("-v", "--v", "verbosity", type=int, default=0, help="Log level: 4 and more for debugging.")
def command(
    data: Path,
    service_cluster_ip_range: str,
    service_node_port_range: str,
    advertise_address: str | None,
    bind_address: str,
    secure_port: int,
    cert_dir: Path,
    tls_cert_file: Path | None,
    tls_private_key_file: Path | None,
    client_ca_file: Path | None,
    token_auth_file: Path | None,
    service_account_signing_key_file: Path | None,
    service_account_issuer: str,
    api_audiences: str,
    kubelet_certificate_authority: Path | None,
    kubelet_client_certificate: Path | None,
    kubelet_client_key: Path | None,
    proxy_client_cert_file: Path | None,
    proxy_client_key_file: Path | None,
    requestheader_client_ca_file: Path | None,
    default_watch_cache_size: int,
    shutdown_delay_duration: str,
    feature_gates: tuple[str, ...],
    dual_stack_stage: str | None,
    verbosity: int,
) -> None:
    """Run the API server until SIGTERM.

    Listens on --bind-address and --secure-port, or on the sockets that a supervisor passes (LISTEN_FDS).
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # until the server can write a backup
    import uvloop

    from kube46.apiserver.server import run
    from kube46.apiserver.settings import Settings, SettingsError

    os.umask(0o077)  # the database holds Secrets, and the directory that is to hold it may be anybody's
    ranges = service_ranges(service_cluster_ip_range)
    features = _features(feature_gates, dual_stack_stage, ranges)
    advertised = _address("--advertise-address", advertise_address)
    _address("--bind-address", bind_address)
    if advertised is not None and family_of(advertised) is not family_of(ranges[0]):
        raise _fail(f'service IP family "{ranges[0]}" must match public address family "{advertised}"')
    if bool(tls_cert_file) != bool(tls_private_key_file):
        raise _fail("--tls-cert-file and --tls-private-key-file belong together: give both or neither")
    if bool(kubelet_client_certificate) != bool(kubelet_client_key):
        raise _fail("--kubelet-client-certificate and --kubelet-client-key belong together: give both or neither")
    if bool(proxy_client_cert_file) != bool(proxy_client_key_file):
        raise _fail("--proxy-client-cert-file and --proxy-client-key-file belong together: give both or neither")
    logging.basicConfig(
        level=logging.DEBUG if verbosity >= 4 else logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = Settings(
        data=data,
        service_ranges=ranges,
        advertise_address=advertised,
        bind_address=bind_address,
        secure_port=secure_port,
        cert_dir=cert_dir,
        tls_cert_file=tls_cert_file,
        tls_private_key_file=tls_private_key_file,
        client_ca_file=client_ca_file,
        token_auth_file=token_auth_file,
        service_account_signing_key_file=service_account_signing_key_file,
        service_account_issuer=service_account_issuer,
        api_audiences=tuple(a.strip() for a in api_audiences.split(",") if a.strip()),
        kubelet_certificate_authority=kubelet_certificate_authority,
        kubelet_client_certificate=kubelet_client_certificate,
        kubelet_client_key=kubelet_client_key,
        proxy_client_cert_file=proxy_client_cert_file,
        proxy_client_key_file=proxy_client_key_file,
        requestheader_client_ca_file=requestheader_client_ca_file,
        features=features,
        node_ports=_ports(service_node_port_range),
        default_watch_cache_size=default_watch_cache_size,
        shutdown_delay_duration=_duration("--shutdown-delay-duration", shutdown_delay_duration),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(run(settings))
        except SettingsError as error:
            raise _fail(str(error)) from None
