"""`kube46 image list`: a line a name."""

from collections.abc import Mapping

import msgspec

from kube46.lab.images.store import Names


class Line(msgspec.Struct, rename="camel"):
    """An image as shown. `size` in bytes, of its files; `used_by` is a pod that runs it."""

    name: str
    id: str
    size: int
    loaded: str
    created: str = ""
    used_by: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()


def lines(found: Names, used: Mapping[str, str]) -> list[Line]:
    """The images, by name."""
    return [_line(name, found, used) for name in sorted(found.names)]


def _line(name: str, found: Names, used: Mapping[str, str]) -> Line:
    image = found.images[found.names[name]]
    about = image.behaviour
    return Line(
        name=name,
        id=image.id,
        size=image.size,
        loaded=image.loaded,
        created=image.config.created or "",
        used_by=used.get(image.id, ""),
        user=about.user or "",
        entrypoint=about.entrypoint or (),
        command=about.cmd or (),
        environment=about.env or (),
        working_dir=about.working_dir or "",
        stop_signal=about.stop_signal or "",
        volumes=tuple(sorted(about.volumes or ())),
        exposed_ports=tuple(sorted(about.exposed_ports or ())),
    )


def table(found: list[Line]) -> str:
    """For people."""
    if not found:
        return "no images: load one with `docker save NAME | kube46 image load -`, or `kube46 image load FILE`"
    rows = [("NAME", "ID", "SIZE", "LOADED", "USED BY")]
    rows += [(i.name, i.id.removeprefix("sha256:")[:12], size_text(i.size), i.loaded, i.used_by or "-") for i in found]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*(f"{t:<{w}}" for t, w in zip(row, widths, strict=False)), row[4]]) for row in rows)


def size_text(size: int) -> str:
    """Bytes for people, in powers of ten as docker has it."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
