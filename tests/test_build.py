"""What the build fetches for the page, and what it says when it cannot."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import hatch_build  # noqa: E402


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project without its libraries."""
    shutil.copytree(ROOT / "npm", tmp_path / "npm")
    return tmp_path


def test_the_lock_file_names_versions_and_checksums_and_no_registry() -> None:
    text = (ROOT / "npm" / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    assert "resolved" not in text
    packages = {name: told for name, told in json.loads(text)["packages"].items() if name}
    assert {f"node_modules/{path.partition('/')[0]}" for path in hatch_build.FILES.values()} <= set(packages)
    assert all(told["integrity"].startswith("sha512-") for told in packages.values())


def test_every_library_comes_with_its_licence() -> None:
    names = {path.partition("/")[0] for path in hatch_build.FILES.values()}
    assert all(f"{name}.LICENSE.txt" in hatch_build.FILES for name in names)


def test_modules_are_fitted_to_a_page_without_a_bundler() -> None:
    hooks = hatch_build.fitted(
        "preact-hooks.js", 'import{options as n}from"preact";\n//# sourceMappingURL=x\n'
    )
    assert hooks == 'import{options as n}from"./preact.js";\n'
    assert hatch_build.fitted("uplot.js", "var uPlot=1;").endswith("export default uPlot;\n")
    with pytest.raises(hatch_build.PageLibrariesMissing, match="do not import preact"):
        hatch_build.fitted("preact-hooks.js", "nothing")


def test_without_npm_the_reason_is_told_and_nothing_half_done_is_left(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "print('npm error code ENOTFOUND'); raise SystemExit(1)"
    monkeypatch.setattr(hatch_build, "npm_command", lambda: [sys.executable, "-c", says])
    with pytest.raises(hatch_build.PageLibrariesMissing, match="ENOTFOUND"):
        hatch_build.bring(clone)
    assert not hatch_build.up_to_date(clone)


def test_files_that_belong_to_the_lock_file_are_taken_without_a_look_at_the_network(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = hatch_build.vendor(clone)
    place.mkdir(parents=True)
    (place / hatch_build.STAMP).write_text(hatch_build.recipe(clone))

    def nobody() -> list[str]:
        raise AssertionError("npm was asked")

    monkeypatch.setattr(hatch_build, "npm_command", nobody)
    hatch_build.bring(clone)
    lock = clone / "npm" / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    assert not hatch_build.up_to_date(clone)
