"""The page in the browser: files of this package, served so that a browser asks for each of them once.

The files are addressed below ``static/VERSION``, where the version is made of all of them: whatever is there
never changes, so that it may be kept for ever, and a module finds its neighbours by relative paths. Only the
index is asked for anew each time; it names the version.

Names and texts in the page come from strangers. The policy that goes out with the index lets nothing run, and
nothing load, that is not one of these files.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access, Route

__all__ = ["POLICY", "PageFiles", "routes"]

FOLDER = Path(__file__).parent.parent / "page"

POLICY = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page."""

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served, and as what; anything else in the folder is not."""

DEEPEST = 4
"""Folders below the page's that are served."""

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
LIBRARY = "vendor/preact.js"

INCOMPLETE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>soulmesh</title>
<h1>The page is not complete</h1>
<p>The daemon runs, and its APIs are served. The libraries of the page were not there when this package was
built: install it again with a connection to the npm registry.</p></html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    """One file as it goes out."""

    data: bytes
    packed: bytes | None
    """With gzip, if that is worth it."""
    kind: str
    tag: str


class PageFiles:
    """The files of the page, read once, and again when one of them changed: while somebody works on them.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._stamp: object = None
        self._files: dict[str, _File] = {}
        self._index = b""
        self.version = ""

    async def look(self) -> None:
        """Read them, if they are not as they were."""
        await asyncio.to_thread(self._look)

    def file(self, name: str) -> _File | None:
        """A file by its path below the folder."""
        return self._files.get(name)

    def index(self) -> bytes:
        """The first page, pointing to this version of the files."""
        return self._index

    def _look(self) -> None:
        found = sorted(path for path in self._folder.rglob("*") if path.suffix in KINDS and path.is_file())
        stamp = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in found]
        if stamp == self._stamp:
            return
        whole = hashlib.blake2b(digest_size=9)
        files: dict[str, _File] = {}
        for path in found:
            data = path.read_bytes()
            packed = gzip.compress(data, 6, mtime=0) if KINDS[path.suffix] != "image/png" else None
            if packed is not None and len(packed) > len(data) * 0.9:
                packed = None
            name = path.relative_to(self._folder).as_posix()
            tag = hashlib.blake2b(data, digest_size=12).hexdigest()
            whole.update(f"{name} {tag}\n".encode())
            files[name] = _File(data, packed, KINDS[path.suffix], f'"{tag}"')
        index = files.pop("index.html", None)
        self.version = whole.hexdigest()
        if index is None or LIBRARY not in files:
            self._index = INCOMPLETE.encode()
        else:
            self._index = index.data.replace(b'"static/', f'"static/{self.version}/'.encode())
        self._files = files
        self._stamp = stamp


def routes(files: PageFiles) -> list[Route]:
    """What a browser may ask for without a credential: there is no secret in it."""

    async def index(call: Call) -> Response:
        raw = call.request.scope.get("raw_path") or call.request.scope["path"].encode()
        last = raw.partition(b"?")[0].rpartition(b"/")[2]
        if last:
            # Below a base path: only with the slash at the end are relative addresses what they should be.
            return Response(None, 307, {"location": f"{last.decode('latin-1')}/"})
        await files.look()
        data = files.index()
        tag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": ASK_AGAIN, "content-security-policy": POLICY}
        if call.knows(tag):
            return Response(None, 304, headers)
        return Response(data, 200, headers, media_type=KINDS[".html"])

    async def file(call: Call) -> Response:
        if not files.version:
            await files.look()
        version, *pieces = call.path.values()
        found = files.file("/".join(pieces))
        if found is None:
            raise HttpError(404)
        # A page that was opened before an update asks with the old version for what it needs later.
        keep = FOR_EVER if version == files.version else ASK_AGAIN
        headers = {"etag": found.tag, "cache-control": keep, "vary": "Accept-Encoding"}
        if call.knows(found.tag):
            return Response(None, 304, headers)
        data = found.data
        if found.packed is not None and _takes_gzip(call):
            data = found.packed
            headers["content-encoding"] = "gzip"
        return Response(data, 200, headers, media_type=found.kind)

    found = [Route("GET", "/", index, Access.PUBLIC)]
    path = "/static/{version}"
    for depth in range(DEEPEST):
        path += f"/{{piece{depth}}}"
        found.append(Route("GET", path, file, Access.PUBLIC))
    return found


def _takes_gzip(call: Call) -> bool:
    for part in call.request.headers.get("accept-encoding", "").split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip().lower() == "gzip":
            return quality.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
