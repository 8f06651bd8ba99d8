"""The command line's root."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from kube46.cli.main import COMMANDS, main


def test_help_lists_every_command_and_imports_none() -> None:
    """`kube46 --help` is quick: no command's module is loaded for it."""
    code = "import atexit, sys\natexit.register(lambda: print(*sys.modules))\n"
    code += "from kube46.cli.main import main\nmain(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, modules = done.stdout.rpartition("\nsys ")
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "kube46.cli.up" not in modules
    assert "httpx2" not in modules


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """Each command explains itself."""
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage: ")


def test_an_unknown_command_is_a_usage_error() -> None:
    """Exit status 2, and the name is told."""
    result = CliRunner().invoke(main, ["upp"])
    assert (result.exit_code, "upp" in result.output) == (2, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_the_shells_own(shell: str) -> None:
    """Each shell gets a script that asks kube46 what comes next."""
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_KUBE46_COMPLETE" in result.output


def test_completion_knows_commands() -> None:
    """`kube46 st<TAB>` offers status and stop."""
    code = "from kube46.__main__ import main; main()"
    environment = {"_KUBE46_COMPLETE": "bash_complete", "COMP_WORDS": "kube46 st", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv=['kube46']; {code}"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {line.partition(",")[2] for line in done.stdout.split()} == {"status", "stop"}
