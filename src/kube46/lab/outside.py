"""The outside world's resolver: BIND's configuration and its zone `outside.test`. Pure texts.

It answers for the root itself, so every other name is an immediate NXDOMAIN: no query leaves the machine.
"""

from kube46.addresses.families import Family
from kube46.lab import rules

ZONE = "outside.test"
LARGE_RECORDS = 40  # strings of 60 characters: an answer over 512 bytes, which needs EDNS or TCP (RFC 6891)


def configuration() -> str:
    """named.conf. All files lie in /var/cache/bind, the place that Debian's AppArmor profile allows."""
    listeners = {
        family: f"{rules.outside_address(rules.OUTSIDE_PLACE, family)}; {loopback};"
        for family, loopback in ((Family.IPV4, "127.0.0.1"), (Family.IPV6, "::1"))
    }
    return f"""\
options {{
    directory "/var/cache/bind";
    pid-file "/var/cache/bind/named.pid";
    session-keyfile "/var/cache/bind/session.key";
    listen-on port 53 {{ {listeners[Family.IPV4]} }};
    listen-on-v6 port 53 {{ {listeners[Family.IPV6]} }};
    allow-query {{ any; }};
    recursion yes;
    allow-recursion {{ any; }};
    dnssec-validation no;
    notify no;
    empty-zones-enable no;
}};
controls {{ }};
zone "." {{ type primary; file "root.zone"; }};
zone "{ZONE}" {{ type primary; file "{ZONE}.zone"; }};
"""


def root_zone() -> str:
    """A root without any top-level domain but `test.`"""
    address = {family: rules.outside_address(rules.OUTSIDE_PLACE, family) for family in Family}
    return f"""\
$TTL 60
.   IN SOA ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 1
.   IN NS  ns.{ZONE}.
{ZONE}. IN NS ns.{ZONE}.
ns.{ZONE}. IN A {address[Family.IPV4]}
ns.{ZONE}. IN AAAA {address[Family.IPV6]}
"""


def zone() -> str:
    """The test zone: names of one family, of both, an alias, texts, and a set of records too large for 512 bytes."""
    address = {family: rules.outside_address(rules.OUTSIDE_PLACE, family) for family in Family}
    large = "\n".join(f'large IN TXT "{number:04d}-{"x" * 55}"' for number in range(LARGE_RECORDS))
    return f"""\
$ORIGIN {ZONE}.
$TTL 60
@     IN SOA ns hostmaster 1 3600 600 86400 1
@     IN NS  ns
ns    IN A    {address[Family.IPV4]}
ns    IN AAAA {address[Family.IPV6]}
dual  IN A    {address[Family.IPV4]}
dual  IN AAAA {address[Family.IPV6]}
only4 IN A    {address[Family.IPV4]}
only6 IN AAAA {address[Family.IPV6]}
alias IN CNAME dual
text  IN TXT  "hello from outside"
{large}
"""
