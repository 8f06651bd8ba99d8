"""What `up` looks for before it makes anything."""

import subprocess
from pathlib import Path

import pytest

from kube46.lab import requirements
from kube46.lab.requirements import Missing

ROOT = pytest.mark.root


@ROOT
def test_this_machine_can_run_a_cluster() -> None:
    """Links and the proxy's rules are taken, and the machine's own table list is as before."""
    before = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    requirements.check()

    assert subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout == before


@ROOT
def test_the_proxys_rules_are_what_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that this kernel does not take is a sentence with the kernel's words, and names nftables."""
    table, chains = requirements.proxy_transactions()
    monkeypatch.setattr(requirements, "proxy_transactions", lambda: (table, f"{chains}\nadd rule inet no-such c drop"))

    with pytest.raises(Missing, match=r"the kernel lacks .* nftables, .*; it said: .*No such file or directory"):
        requirements.check()


def test_programs_are_named_by_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a machine without any of them: one command that installs each package once."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Missing, match="`apt-get install -y iproute2 crun bind9 util-linux`"):
        requirements.check()
