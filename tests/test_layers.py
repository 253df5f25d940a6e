"""Imports point one way: wire <- core <- net <- client <- daemon <- cli; nothing imports sim."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "soulmesh"

# Beside the layers stand four modules that several of them share: the error tree (everybody), logging
# (everybody who does IO), the machinery of settings (those
# who have any), and the settings of client and daemon (those who serve people).
MAY_IMPORT = {
    "errors": set(),
    "log": {"errors"},
    "settings": {"errors"},
    "config": {"errors", "settings"},
    "wire": {"errors"},
    "core": {"errors", "wire"},
    "net": {"errors", "log", "wire", "core"},
    "client": {"errors", "log", "settings", "wire", "core", "net"},
    "server": {"errors", "log", "settings", "wire", "core", "net"},
    "daemon": {"errors", "log", "settings", "config", "wire", "core", "net", "client"},
    "cli": {"errors", "log", "settings", "config", "wire", "core", "net", "client", "server", "daemon"},
    "sim": {
        "errors",
        "log",
        "settings",
        "config",
        "wire",
        "core",
        "net",
        "client",
        "server",
        "daemon",
        "cli",
    },
}

# The package itself offers the client's names at the top: `import soulmesh`.
MAY_IMPORT["__init__"] = {"errors", "log", "wire", "core", "net", "client"}
MAY_IMPORT["__main__"] = {"cli"}

STANDARD_LIBRARY_ONLY = {"wire", "core"}


def imported_modules(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "soulmesh":
                found += [(node.lineno, f"soulmesh.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, node.module))
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for line, name in imported_modules(path):
        if name == "soulmesh":
            target = "__init__"
        elif name.startswith("soulmesh."):
            target = name.split(".")[1]
        else:
            continue
        if target == "__version__":
            continue
        if target not in MAY_IMPORT:
            # A name of the package's own, such as `from soulmesh import Client`: the whole client.
            target = "__init__"
        if target == "__init__":
            assert layer in ("cli", "sim", "daemon"), (
                f"{path}:{line}: {layer} must not import all of soulmesh"
            )
        elif target != layer:
            assert target in MAY_IMPORT[layer], f"{path}:{line}: {layer} must not import {target}"


@pytest.mark.parametrize("layer", sorted(STANDARD_LIBRARY_ONLY))
def test_wire_and_core_need_the_standard_library_alone(layer: str) -> None:
    import sys

    for path in sorted((ROOT / layer).rglob("*.py")):
        for line, name in imported_modules(path):
            top = name.split(".")[0]
            assert top == "soulmesh" or top in sys.stdlib_module_names, (
                f"{path}:{line}: {layer} imports {top}"
            )
