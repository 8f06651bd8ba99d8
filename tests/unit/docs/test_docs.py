"""The documentation names what exists, and what exists is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kube46.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("*/README.md")), *sorted(DOCS.glob("*/**/*.md"))]
PAGES.append(DOCS / "rfc.md")
FOLDERS = ("src", "tests", "docs", "tools", "bench", "examples")
SOURCES = [ROOT, ROOT / "src/kube46", *(ROOT / folder for folder in FOLDERS)]
REFERENCE = {page.stem: page.read_text() for page in sorted((DOCS / "reference").glob("*.md"))}


def named_paths(text: str) -> Iterator[str]:
    """What stands in backticks and looks like a file or folder of this repository."""
    for word in re.findall(r"`([\w.*/-]+)`", re.sub(r"^    .*$", "", text, flags=re.MULTILINE)):
        in_repository = word.split("/")[0] in FOLDERS and "/" in word
        if in_repository or re.fullmatch(r"[a-z_][\w*/]*\.(py|sh)", word):
            yield word


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its name, `cni install` too."""
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {part}", found) for part, found in command.commands.items())
        elif command is not None:
            yield name, command


FLAGS = [
    pytest.param(option, id=f"{name} {option.opts[0]}")
    for name, command in commands()
    for option in command.params
    if isinstance(option, click.Option)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_paths_exist(page: Path) -> None:
    """Each file that a page names is there: from the root, from src/kube46, or somewhere below by its name alone."""
    names = set(named_paths(page.read_text()))
    folders = [*SOURCES, page.parent]
    missing = {name for name in names if not any(next(folder.glob(name), None) for folder in folders)}

    alone = {name for name in missing if "/" not in name or not name.startswith(FOLDERS)}
    assert {name for name in missing if name not in alone or not any(_below(name))} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page is a file or folder."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    """docs/decisions/README.md links each page, under the page's own title."""
    index = (DOCS / "decisions/README.md").read_text()
    for page in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        number, _, title = page.read_text().splitlines()[0].removeprefix("# ").partition(" ")
        assert f"[{number}]({page.name}) {title}\n" in index


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links every page but the decisions, which have an index of their own."""
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS) for page in DOCS.rglob("*.md") if page.parent.name != "decisions"]
    assert [str(page) for page in pages if page.name != "README.md" and f"({page})" not in index] == []
    assert "(decisions/README.md)" in index


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    """Each command has its line in the command line's page."""
    assert f"`kube46 {name}" in REFERENCE["cli"] or f"`{name}`" in REFERENCE["cli"]


@pytest.mark.parametrize("option", FLAGS)
def test_every_flag_is_documented(option: click.Option) -> None:
    """Each flag stands in a page of the reference, and has a help text."""
    spellings = [*option.opts, *option.secondary_opts]
    assert any(re.search(rf"(?<![\w-]){flag}(?![\w-])", text) for flag in spellings for text in REFERENCE.values())
    assert option.help


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_exist(page: Path) -> None:
    """What a page says to type is there: kube46's commands, and the Makefile's targets."""
    typed = [
        line.strip().removeprefix("$ ")
        for line in page.read_text().splitlines()
        if re.match(r" {4}(\$ )?(kube46|make) ", line)
    ]
    typed += re.findall(r"`((?:kube46|make) [a-z][^`]*)`", page.read_text())
    targets = re.findall(r"^([a-z0-9%-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    known = {"kube46": set(COMMANDS), "make": set(targets)}
    words = [line.split()[:2] for line in typed]
    unknown = [(program, word) for program, word in words if re.match("[a-z]", word) and word not in known[program]]

    assert [(program, word) for program, word in unknown if not (program == "make" and word.startswith("bench-"))] == []


def test_nothing_is_left_for_later() -> None:
    """No page says that it is to be written."""
    assert [page.name for page in PAGES if re.search(r"\b(TODO|TBD|FIXME)\b", page.read_text())] == []


def _below(name: str) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob(name)
