"""The numbers of an Indexed Job's pods, and how a status writes those that are completed: `0-2,5`. Pure."""

from collections.abc import Collection, Iterable

from kube46.api.objects import Pod

INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Pod) -> int | None:
    """The number of the pod; None when it has none."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isascii() and text.isdecimal() else None


def parse(text: str) -> set[int]:
    """The numbers that a status names; what cannot be read is left out."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.update(range(int(first), int(last or first) + 1))
    return found


def written(numbers: Iterable[int]) -> str:
    """The numbers as a status names them; runs of two are listed, longer ones shortened."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(_run(part) for part in parts)


def _run(part: list[int]) -> str:
    if len(part) < 3:
        return ",".join(map(str, part))
    return f"{part[0]}-{part[-1]}"


def missing(completions: int, taken: Collection[int], count: int) -> list[int]:
    """The first `count` numbers that are not taken."""
    found: list[int] = []
    for number in range(completions):
        if len(found) == count:
            break
        if number not in taken:
            found.append(number)
    return found
