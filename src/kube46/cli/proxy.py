"""kube46 proxy: the Service proxy with kube-proxy's flags and configuration file."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import click
import yaml

from kube46.agent.proxy import run, with_own_node_name
from kube46.cli.daemon import serve
from kube46.controllers import health
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.proxy import controller
from kube46.proxy.configuration import FLAGS, Configuration, Refused, from_flags, read

SWITCHES = ("bind-address-hard-fail", "profiling", "masquerade-all", "conntrack-tcp-be-liberal")
log = logging.getLogger(__name__)


def _flag(name: str) -> click.Option:
    if name in SWITCHES:  # as Go's: alone it is true
        return click.Option([f"--{name}"], is_flag=False, flag_value="true", metavar="BOOL", help=FLAGS[name].path)
    return click.Option([f"--{name}"], metavar="TEXT", help=FLAGS[name].path)


def _document(path: Path) -> dict[str, Any]:
    """A file's document. Raises Refused."""
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"--config {path}: {error}") from error
    if not isinstance(found, dict):
        raise Refused(f"--config {path}: it must be one KubeProxyConfiguration")
    return found


def configuration(config: Path | None, given: dict[str, str]) -> Configuration:
    """What flags and file mean: with a file only --hostname-override counts, as kube-proxy has it. Raises Refused."""
    if config is None:
        return read(from_flags(given), socket.gethostname())
    if ignored := given.keys() - {"hostname-override"}:
        log.warning("Flags without effect beside --config flags=%s", ",".join(sorted(ignored)))
    made = read(_document(config), socket.gethostname())
    return with_own_node_name(made, given["hostname-override"]) if "hostname-override" in given else made


def _run(config: Path | None, *, cleanup: bool, **flags: str | None) -> None:
    if cleanup:
        asyncio.run(controller.clean())
        return
    given = {name.replace("_", "-"): value for name, value in flags.items() if value is not None}
    try:
        made = configuration(config, given)
        for address in (made.healthz, made.metrics):
            health.parse(address)
        cluster = ClusterConfig.load(Path(made.kubeconfig) if made.kubeconfig else None)
    except (Refused, health.BadAddress, ConfigError) as error:
        raise click.UsageError(str(error)) from error
    serve(run(made, cluster))


command = click.Command(
    "proxy",
    callback=_run,
    params=[
        click.Option(["--config"], type=click.Path(path_type=Path), help="A KubeProxyConfiguration."),
        click.Option(["--cleanup"], is_flag=True, help="Remove the table and end."),
        *map(_flag, FLAGS),
    ],
    help="Run the Service proxy in kube-proxy's place, with kube-proxy's flags and configuration file.",
)
