"""The command line's root: finds a command's module by name and imports only that one."""

import importlib
import sys
from typing import Any, NoReturn

import click

from kube46 import __version__

# name → (module below kube46.cli, one line of help); the module's `command` is the click command.
COMMANDS = {
    "up": ("up", "Start a cluster on this machine, or bring a stopped one back."),
    "stop": ("stop", "Stop a cluster and keep its data."),
    "down": ("down", "Stop a cluster and delete all that belongs to it."),
    "status": ("status", "Show clusters, their nodes and parts."),
    "kubeconfig": ("kubeconfig", "Print a cluster's kubeconfig."),
    "forward": ("forward", "Let programs of this machine reach a Service or a pod."),
    "shell": ("shell", "Enter a place of a cluster: outside, edge, cp or a node."),
    "logs": ("logs", "Show the logs of kube46's own parts."),
    "check": ("check", "Check connectivity over both families and print the matrix."),
    "conformance": ("conformance", "Check that a cluster keeps the dual-stack promises of KEP-563."),
    "apiserver": ("apiserver", "Run the API server."),
    "controllers": ("controllers", "Run the cluster-wide loops."),
    "agent": ("agent", "Run a node's parts."),
    "proxy": ("proxy", "Run the Service proxy in kube-proxy's place."),
    "kubelet": ("kubelet", "Run the stand-in kubelet of a stand-alone cluster's node."),
    "explain": ("explain", "Say where a Service sends packets, and why."),
    "image": ("image", "Load, list and remove container images."),
    "run": ("run", "Run a program of this machine as pods, in one line."),
    "completion": ("completion", "Print a shell's completion script."),
    "cni": ("cni", "Install the CNI plugins."),
}
NOTHING = "nothing was changed"
# Parts of clusters that nobody calls by hand.
HIDDEN = {"await-api": "await_api", "relay": "relay"}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        module = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else HIDDEN.get(cmd_name)
        if module is None:
            return None
        try:
            command: click.Command = importlib.import_module(f"kube46.cli.{module}").command
        except KeyboardInterrupt:
            click.echo(f"\nkube46: interrupted: {NOTHING}", err=True)
            sys.exit(130)
        return command

    def main(self, *args: Any, **extra: Any) -> Any:
        """As click's, but a mistake on the command line is answered by one sentence, not by four lines."""
        try:
            status = super().main(*args, **extra | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            status = error.exit_code
        except click.ClickException as error:
            _refuse(error)
        except click.Abort:
            click.echo("kube46: interrupted", err=True)
            status = 130
        sys.exit(status if isinstance(status, int) else 0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table: importing each module would cost more than a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _refuse(error: click.ClickException) -> NoReturn:
    """One sentence that names the flag, says what is wrong, and where to look."""
    text = error.format_message().rstrip(".")
    text = text[:1].lower() + text[1:]
    context = getattr(error, "ctx", None)
    hint = f"; see `{context.command_path} --help`" if context else ""
    click.echo(f"kube46: {text}{hint}", err=True)
    sys.exit(error.exit_code)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="kube46")
def main() -> None:
    """A dual-stack (IPv4/IPv6) network for Kubernetes."""
