"""The text of BIND's configuration and zone files. Source: BIND 9.18 Administrator Reference Manual."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kube46.addresses.families import Family, family_of
from kube46.dns.rules import Record

# Seconds. CoreDNS's kubernetes plugin has 5 too: a Service's change shows soon in caches that are not ours.
TTL = 5
KEY_NAME = "kube46"


@dataclass(frozen=True, slots=True)
class Named:
    """What one named serves: zones of its own, and all else from the forwarders."""

    directory: Path
    zones: tuple[str, ...]
    addresses: tuple[str, ...]
    forwarders: tuple[str, ...]
    secret: str
    port: int = 53


def zone_file(zone: str) -> str:
    """A zone's file name; zones are made from prefixes and a checked domain, so it holds no `/`."""
    return f"{zone}.zone"


def named_conf(named: Named) -> str:
    """named.conf: primary zones that only the holder of the key may update or transfer, and forwarding."""
    forwarding = "recursion no;"
    if named.forwarders:
        upstream = _addresses(named.forwarders)
        forwarding = (
            f"allow-recursion {{ any; }}; allow-query-cache {{ any; }}; forward only; forwarders {{ {upstream} }};"
        )
    zones = "\n".join(
        f'zone "{zone}" {{ type primary; file "{zone_file(zone)}"; '
        f'allow-update {{ key "{KEY_NAME}"; }}; allow-transfer {{ key "{KEY_NAME}"; }}; forwarders {{ }}; }};'
        for zone in named.zones
    )
    return f"""\
// Written by kube46; changes are overwritten.
key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{named.secret}"; }};
options {{
  directory "{named.directory}";
  pid-file "named.pid"; session-keyfile none; managed-keys-directory "{named.directory}";
{_listeners(named)}
  allow-query {{ any; }};
  {forwarding}
  dnssec-validation no; qname-minimization off; empty-zones-enable no; notify no;
  minimal-responses no-auth; minimal-any yes; rrset-order {{ order random; }};
  max-journal-size 8m; max-cache-size 64m; max-ncache-ttl 30;
}};
controls {{ }};
logging {{ category update {{ null; }}; category update-security {{ null; }}; category xfer-out {{ null; }}; }};
{zones}
"""


def zone_text(zone: str, domain: str, records: Iterable[Record], serial: int) -> str:
    """A whole zone, for a server that starts."""
    lines = [
        f"$TTL {TTL}",
        f"{zone}. IN SOA ns.dns.{domain}. hostmaster.{domain}. {serial} 7200 1800 86400 {TTL}",
    ]
    if zone != domain:
        lines.append(f"{zone}. IN NS ns.dns.{domain}.")
    lines += [f"{record.name}. {TTL} IN {record.type} {record.data}" for record in sorted(records)]
    return "\n".join(lines) + "\n"


def _listeners(named: Named) -> str:
    statements = {Family.IPV4: "listen-on", Family.IPV6: "listen-on-v6"}
    lines = []
    for family, statement in statements.items():
        own = [address for address in named.addresses if family_of(address) is family]
        lines.append(f"  {statement} port {named.port} {{ {_addresses(own) or 'none;'} }};")
    return "\n".join(lines)


def _addresses(texts: Sequence[str]) -> str:
    """Addresses as BIND lists them, each parsed so that nothing else can slip in."""
    return " ".join(f"{ip_address(text)};" for text in texts)
