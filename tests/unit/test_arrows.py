"""Which package imports which is as docs/architecture.md says, and goes one way."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOMES = {
    "audio_client": Path("clients/python"),
    "audioapi": Path("layers/core"),
    "local": Path(),
    "tools": Path(),
}
APART = "audioapi.migrations"
"""Alembic loads these, not we."""
MOST_FILES = 12
ROW = re.compile(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]*) \|$", re.MULTILINE)
SECTION = "## Which package may import which\n"


@cache
def documented() -> Mapping[str, frozenset[str]]:
    text = Path("docs/architecture.md").read_text(encoding="utf-8")
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    rows = ROW.findall(section)
    return {package: frozenset(re.findall(r"`([\w.]+)`", others)) for package, others in rows}


@cache
def actual() -> Mapping[str, frozenset[str]]:
    return {package: frozenset(arrows(package)) - {package} for package in packages()}


def packages() -> set[str]:
    return {package_of(module) for module in modules()}


def arrows(package: str) -> Iterator[str]:
    for module in modules():
        if package_of(module) == package:
            yield from map(package_of, imported(module))


@cache
def modules() -> frozenset[str]:
    found = {
        ".".join(path.relative_to(home).with_suffix("").parts).removesuffix(".__init__")
        for name, home in HOMES.items()
        for path in (home / name).rglob("*.py")
    }
    return frozenset(module for module in found if not module.startswith(APART))


def package_of(module: str) -> str:
    """The deepest package that the documents speak of; a module beside such packages is its own."""
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in documented()), parts[0])


@cache
def imported(module: str) -> frozenset[str]:
    """Our modules that one imports anywhere in it, for types too."""
    tree = ast.parse(source(module).read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    named = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    whole = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    nearest = {name if name in modules() else name.rpartition(".")[0] for name in named | whole}
    return frozenset(nearest & modules())


def source(module: str) -> Path:
    path = HOMES[module.split(".", maxsplit=1)[0]].joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@pytest.mark.parametrize("package", sorted(packages() | documented().keys()))
def test_a_package_imports_what_the_table_says_and_nothing_else(package: str) -> None:
    assert actual().get(package) == documented().get(package)


def test_arrows_go_one_way() -> None:
    assert list(TopologicalSorter(documented()).static_order())


def test_modules_of_one_package_have_no_circle_either() -> None:
    inside = {
        module: {other for other in imported(module) - {module} if own(module, other)}
        for module in modules()
    }
    assert list(TopologicalSorter(inside).static_order())


def own(module: str, other: str) -> bool:
    return package_of(module) == package_of(other)


@pytest.mark.parametrize("package", sorted(documented()))
def test_a_package_can_be_seen_at_a_glance(package: str) -> None:
    folder = source(package).parent
    if package.startswith(("local.", "audioapi.analysis")):
        assert len(list(folder.glob("*.py"))) <= MOST_FILES
