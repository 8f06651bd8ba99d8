"""The command line of `kube46 apiserver`: mistakes are one sentence and exit status 2 (semantics A-1)."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kube46.cli.apiserver import command, service_ranges


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--service-cluster-ip-range", "bad"], "service-cluster-ip-range[0] is not a valid cidr"),
        (["--service-cluster-ip-range", "10.0.0.0/16,bad"], "service-cluster-ip-range[1] is not an ip net"),
        (
            ["--service-cluster-ip-range", "10.0.0.0/16,fd00::/112,10.1.0.0/16"],
            "--service-cluster-ip-range must not contain more than two entries",
        ),
        (
            ["--service-cluster-ip-range", "10.0.0.0/16,10.1.0.0/16"],
            "--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family",
        ),
        (
            ["--service-cluster-ip-range", "10.0.0.0/30"],
            "error determining service IP ranges for primary service cidr: "
            "the service cluster IP range must be at least 8 IP addresses",
        ),
        (
            ["--service-cluster-ip-range", "fd00::/112", "--advertise-address", "192.0.2.1"],
            'service IP family "fd00::/112" must match public address family "192.0.2.1"',
        ),
        (["--advertise-address", "here"], "--advertise-address here: is not an IP address"),
        (["--service-node-port-range", "9"], "--service-node-port-range 9: is not a range of ports"),
        (["--shutdown-delay-duration", "5"], "--shutdown-delay-duration 5: is not a duration"),
        (["--shutdown-delay-duration", "-1s"], "--shutdown-delay-duration -1s: is not a duration"),
        (["--default-watch-cache-size", "0"], "'--default-watch-cache-size': 0 is not in the range x>=1"),
        (["--tls-cert-file", __file__], "--tls-cert-file and --tls-private-key-file belong together"),
        (["--token-auth-file", __file__], "--token-auth-file"),
        (["--data", "/proc/none/data.db"], "--data /proc/none/data.db: unable to open database file"),
        (["--data", __file__], "is not an SQLite file"),
        (["--secure-port", "1", "--bind-address", "192.0.2.99"], "--bind-address 192.0.2.99 --secure-port 1"),
    ],
)
def test_mistakes(tmp_path: Path, flags: list[str], text: str) -> None:
    """Each wrong flag is named with its mend; nothing is served."""
    arguments = ["--data", str(tmp_path / "d.db"), "--cert-dir", str(tmp_path), "--bind-address", "127.0.0.1", *flags]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert text in result.output
    assert "Traceback" not in result.output


def test_ranges() -> None:
    """Host bits are masked off; the first range's family is the cluster's primary."""
    assert [str(prefix) for prefix in service_ranges("fd00::5/112, 10.96.0.7/16")] == ["fd00::/112", "10.96.0.0/16"]
