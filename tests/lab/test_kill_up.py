"""A dozen kills of `up` leave nothing behind; `tests/lab/kill_up.py --count 200` is the long form."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.root
@pytest.mark.timeout(240)
def test_down_cleans_up_after_a_killed_up() -> None:
    """Whenever `up` dies, `down` leaves the machine as it was."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kill_up.py")), "--count", "12"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 clean" in done.stdout
