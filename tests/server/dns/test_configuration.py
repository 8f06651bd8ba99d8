"""BIND's configuration text, read by BIND's own checkers."""

import subprocess
from pathlib import Path

import pytest

from kube46.dns.configuration import Named, named_conf, zone_text
from kube46.dns.rules import Record, fixed_records

SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlYw=="


@pytest.mark.parametrize("forwarders", [(), ("203.0.113.10", "2001:db8:46::10")])
@pytest.mark.parametrize("addresses", [("10.46.0.11", "fd46::11"), ("fd46::11",)])
def test_bind_accepts_the_configuration(
    tmp_path: Path, forwarders: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    """named-checkconf finds no fault, with and without forwarders, for one family and both."""
    named = Named(tmp_path, ("cluster.local", "96.10.in-addr.arpa"), addresses, forwarders, SECRET)
    conf = tmp_path / "named.conf"
    conf.write_text(named_conf(named))
    done = subprocess.run(["named-checkconf", str(conf)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_address_that_is_none_never_reaches_the_file(tmp_path: Path) -> None:
    """Addresses are parsed before they are written."""
    with pytest.raises(ValueError, match="does not appear to be"):
        named_conf(Named(tmp_path, (), ("10.0.0.1; }; include",), (), SECRET))


@pytest.mark.parametrize("zone", ["cluster.local", "96.10.in-addr.arpa"])
def test_bind_accepts_the_zones(tmp_path: Path, zone: str) -> None:
    """named-checkzone loads a forward zone with glue and a reverse zone without."""
    records = set(fixed_records("cluster.local", ["10.96.0.10"])) if zone == "cluster.local" else set()
    records.add(Record(f"1.{zone}", "CNAME", "example.com."))
    path = tmp_path / "zone"
    path.write_text(zone_text(zone, "cluster.local", records, 1))
    done = subprocess.run(["named-checkzone", zone, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "OK")
