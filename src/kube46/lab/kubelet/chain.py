"""CNI plugins by the exec protocol: a conflist's chain, ADD forward and DEL backward.

Source: CNI specification 1.1.0, sections 2 to 4.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 60.0  # seconds for one plugin; an answer that takes longer is a failure that is tried again
SUFFIXES = (".conflist", ".conf", ".json")


class CniError(RuntimeError):
    """A network configuration or plugin that doesn't work; the message names file and plugin."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Which namespace gets which interface, for whom."""

    container_id: str
    netns: str
    arguments: Mapping[str, str]
    capabilities: Mapping[str, Any]  # runtimeConfig by capability, such as portMappings
    interface: str = "eth0"


def configuration(directory: Path) -> dict[str, Any] | None:
    """The first network configuration of the directory by name, as a conflist; None when there is none.

    Raises CniError when that file is unusable.
    """
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES)
    except FileNotFoundError:
        return None
    if not files:
        return None
    try:
        found = json.loads(files[0].read_bytes())
        if not isinstance(found, dict):
            raise TypeError("it must be an object")
        if "plugins" not in found:
            found = {"cniVersion": found.get("cniVersion", "0.1.0"), "name": found["name"], "plugins": [found]}
        if not (found["name"] and found["plugins"] and all(plugin["type"] for plugin in found["plugins"])):
            raise ValueError("name, plugins and each plugin's type must be given")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CniError(f"{files[0]}: not a CNI network configuration: {error!r}") from error
    return found


async def add(network: Mapping[str, Any], attachment: Attachment, directories: Iterable[Path]) -> dict[str, Any]:
    """Attach, and return the last plugin's result. On a failure what was attached is detached. Raises CniError."""
    result: dict[str, Any] | None = None
    try:
        for plugin in network["plugins"]:
            result = await _call("ADD", network, plugin, attachment, result, tuple(directories))
    except CniError:
        await delete(network, attachment, directories, result, quiet=True)
        raise
    if result is None:
        raise CniError(f"network {network['name']}: no plugin gave a result")
    return result


async def delete(
    network: Mapping[str, Any],
    attachment: Attachment,
    directories: Iterable[Path],
    result: Mapping[str, Any] | None,
    *,
    quiet: bool = False,
) -> None:
    """Detach. Raises CniError unless `quiet`; every plugin is called even when an earlier one fails."""
    failure: CniError | None = None
    for plugin in reversed(network["plugins"]):
        try:
            await _call("DEL", network, plugin, attachment, result, tuple(directories))
        except CniError as error:
            failure = failure or error
    if failure and not quiet:
        raise failure


def capable(network: Mapping[str, Any], capability: str) -> bool:
    """Whether a plugin of the chain takes that part of runtimeConfig."""
    return any((plugin.get("capabilities") or {}).get(capability) for plugin in network["plugins"])


def addresses(result: Mapping[str, Any]) -> list[str]:
    """The addresses of a result, without prefix lengths."""
    return [entry["address"].partition("/")[0] for entry in result.get("ips") or ()]


def plugin_input(
    network: Mapping[str, Any], plugin: Mapping[str, Any], attachment: Attachment, previous: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The configuration on a plugin's standard input."""
    config = {**plugin, "name": network["name"], "cniVersion": network.get("cniVersion", "1.0.0")}
    wanted = config.pop("capabilities", None) or {}
    runtime = {name: value for name, value in attachment.capabilities.items() if wanted.get(name)}
    if runtime:
        config["runtimeConfig"] = runtime
    if previous is not None:
        config["prevResult"] = dict(previous)
    return config


async def _call(
    command: str,
    network: Mapping[str, Any],
    plugin: Mapping[str, Any],
    attachment: Attachment,
    previous: Mapping[str, Any] | None,
    directories: tuple[Path, ...],
) -> dict[str, Any] | None:
    binary = _find(plugin["type"], directories)
    environment = {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": attachment.container_id,
        "CNI_NETNS": attachment.netns,
        "CNI_IFNAME": attachment.interface,
        "CNI_PATH": ":".join(map(str, directories)),
        "CNI_ARGS": ";".join(f"{name}={value}" for name, value in attachment.arguments.items()),
    }
    process = await asyncio.create_subprocess_exec(
        binary,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    text = json.dumps(plugin_input(network, plugin, attachment, previous)).encode()
    try:
        async with asyncio.timeout(TIMEOUT):
            out, err = await process.communicate(text)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CniError(f"CNI {command} by {binary}: no answer in {TIMEOUT:.0f} s") from None
    return _answer(command, binary, process.returncode or 0, out, err)


def _answer(command: str, binary: Path, code: int, out: bytes, err: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(out) if out.strip() else None
    except ValueError:
        found = None
    if code != 0:
        text = f"{found.get('msg', '')} {found.get('details', '')}".strip() if isinstance(found, dict) else ""
        raise CniError(f"CNI {command} by {binary.name} failed: {text or err.decode(errors='replace').strip()[-500:]}")
    if command == "ADD" and not isinstance(found, dict):
        raise CniError(f"CNI ADD by {binary.name}: the answer is no result: {out[:200]!r}")
    return found


def _find(name: str, directories: tuple[Path, ...]) -> Path:
    if "/" in name:
        raise CniError(f"CNI plugin type {name!r} must be a file name")
    for directory in directories:
        if os.access(directory / name, os.X_OK):
            return directory / name
    raise CniError(f"CNI plugin {name!r} is in none of {', '.join(map(str, directories))}")
