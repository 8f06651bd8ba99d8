"""kube46 proxy: the Service proxy with kube-proxy's flags and configuration file."""

import asyncio
import logging
import socket
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

from kube46 import __version__
from kube46.agent.proxy import initialize, run, with_own_node_name
from kube46.cli.daemon import configure_log, serve
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.nftables import NftError
from kube46.proxy import controller
from kube46.proxy.configuration import Configuration, Refused, read
from kube46.proxy.flags import FLAGS, REFUSED, SWITCHES, WITHOUT_EFFECT, Flag, as_flag, from_flags

log = logging.getLogger(__name__)
MERGE = "tag:yaml.org,2002:merge"


def _option(name: str, flag: Flag, *, hidden: bool = False) -> click.Option:
    names = ["-v", "--v"] if name == "v" else [f"--{name}"]
    if name in SWITCHES:  # as Go's: alone it is true
        return click.Option(names, is_flag=False, flag_value="true", metavar="BOOL", help=flag.help, hidden=hidden)
    return click.Option(names, metavar=flag.metavar, help=flag.help, hidden=hidden)


class _Strict(yaml.SafeLoader):
    """Refuses a field that is there twice: whoever reads the file may see the one that doesn't count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _document(path: Path) -> dict[str, Any]:
    """A file's document. Raises Refused."""
    try:
        found = yaml.load(path.read_text(), _Strict)  # noqa: S506 – it is a SafeLoader
    except OSError as error:
        raise Refused(f"--config {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"--config {path}: {error}") from error
    if not isinstance(found, dict):
        raise Refused(f"--config {path}: it must be one KubeProxyConfiguration")
    return found


def configuration(config: Path | None, given: dict[str, str]) -> Configuration:
    """What flags and file mean: with a file only --hostname-override counts, as kube-proxy has it. Raises Refused."""
    document = from_flags(given)
    if config is None:
        try:
            return read(document, socket.gethostname())
        except Refused as refusal:
            raise as_flag(refusal) from refusal
    if ignored := given.keys() - {"hostname-override", *WITHOUT_EFFECT}:
        log.warning("Flags without effect beside --config flags=%s", ",".join(sorted(ignored)))
    made = read(_document(config), socket.gethostname())
    return with_own_node_name(made, given["hostname-override"]) if "hostname-override" in given else made


def cluster(kubeconfig: str, master: str | None) -> ClusterConfig:
    """Where the API server is; `master` in the place of what the file says. Raises ConfigError."""
    if master is None:
        return ClusterConfig.load(Path(kubeconfig) if kubeconfig else None)
    address = master if "://" in master else f"http://{master}"
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        known = False
    if not known:
        raise ConfigError(f"--master {master!r} is no URL such as https://192.0.2.1:6443 or https://[2001:db8::1]:6443")
    return replace(ClusterConfig.load(Path(kubeconfig)), server=address) if kubeconfig else ClusterConfig(address)


def _run(
    config: Path | None,
    *,
    cleanup: bool,
    init_only: bool,
    master: str | None,
    service_counters: int,
    **flags: str | None,
) -> None:
    if cleanup:
        try:
            asyncio.run(controller.clean())
        except NftError as error:
            raise click.ClickException(f"--cleanup: the table is not removed, which root may: {error}") from error
        return
    given = {name.replace("_", "-"): value for name, value in flags.items() if value is not None}
    try:
        made = configuration(config, given)
        made = replace(made, settings=replace(made.settings, counted_ports=service_counters))
        if init_only:
            configure_log()
            try:
                initialize(made)
            except OSError as error:
                raise click.ClickException(f"--init-only: a switch is not set, which root may: {error}") from error
            return
        where = cluster(made.kubeconfig, master)
    except (Refused, ConfigError) as error:
        raise click.UsageError(str(error)) from error
    serve(run(made, where))


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"kube46 {__version__}")
        context.exit()


command = click.Command(
    "proxy",
    callback=_run,
    params=[
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            help="A KubeProxyConfiguration file (kubeproxy.config.k8s.io/v1alpha1). The other flags then mean nothing, "
            "but for --hostname-override, --master and --service-counters.",
        ),
        click.Option(
            ["--cleanup"],
            is_flag=True,
            help="Remove the table and end: no Service is served by this node any more.",
        ),
        click.Option(
            ["--init-only"],
            is_flag=True,
            help="Set the kernel's switches, which needs root, and end. Afterwards the proxy needs CAP_NET_ADMIN only.",
        ),
        click.Option(
            ["--service-counters"],
            type=click.IntRange(0),
            default=1000,
            help="Ours: so many Service ports of a family are told one by one in /metrics, with their connections and "
            "endpoints, further ones together; 0 counts nothing. Default: 1000.",
        ),
        click.Option(["--master"], metavar="URL", help="The API server, in the place of the one in the kubeconfig."),
        *(_option(name, flag) for name, flag in FLAGS.items()),
        *(_option(name, Flag("", text), hidden=True) for name, text in {**WITHOUT_EFFECT, **REFUSED}.items()),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and end.",
        ),
    ],
    help="Run the Service proxy in kube-proxy's place, with kube-proxy's flags and configuration file. Further flags "
    "of kube-proxy's, of other modes and of its log, are taken without effect; all others are refused by name.",
)
