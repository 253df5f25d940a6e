"""`__all__` is honest: what it promises is there, and what a package offers is promised.

That it is sorted is ruff's affair (rule RUF022).
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import soulmesh

# Their modules need extras that may be missing, or run something when they are imported.
LEFT_OUT = {"soulmesh.__main__"}


def modules() -> list[str]:
    found = ["soulmesh"]
    found += [
        module.name
        for module in pkgutil.walk_packages(soulmesh.__path__, "soulmesh.")
        # Migrations are scripts that Alembic runs, not modules that anybody imports.
        if module.name not in LEFT_OUT and ".migrations" not in module.name
    ]
    return sorted(found)


def promised(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


@pytest.mark.parametrize("name", modules())
def test_every_name_that_a_module_promises_is_there_once(name: str) -> None:
    module = importlib.import_module(name)
    names = promised(module)
    assert len(set(names)) == len(names)
    for promise in names:
        assert hasattr(module, promise), f"{name}.__all__ has {promise!r}, which does not exist"


@pytest.mark.parametrize("name", modules())
def test_a_package_promises_what_it_gathers_from_its_modules(name: str) -> None:
    module = importlib.import_module(name)
    path = Path(str(module.__file__))
    if path.name != "__init__.py":
        return
    gathered = {
        alias.asname or alias.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("soulmesh")
        for alias in node.names
    }
    public = {one for one in gathered if not one.startswith("_")}
    assert public <= set(promised(module)), f"{name} imports names that its __all__ does not list"


def test_type_checkers_know_the_names_of_the_package_and_no_others() -> None:
    """A `__getattr__` that they see would make any misspelt name an `Any`."""
    tree = ast.parse(Path(soulmesh.__file__).read_text(encoding="utf-8"))
    seen = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert seen == {"__dir__"}
