"""The page as files: versions, caching, packing, and a package that was built without its libraries."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.page import POLICY, PageFiles, routes
from soulmesh.daemon.http.routing import Access, Router, segments

Get = Callable[..., Coroutine[Any, Any, Response]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "js" / "lib").mkdir(parents=True)
    (tmp_path / "index.html").write_text('<script src="static/js/app.js"></script>')
    (tmp_path / "js" / "app.js").write_text("// the page\n" * 200)
    (tmp_path / "vendor" / "preact.js").write_text("export {};")
    (tmp_path / "js" / "lib" / "notes.py").write_text("secret")
    return tmp_path


def serving(folder: Path) -> Get:
    router = Router(routes(PageFiles(folder)))

    async def get(target: str, **headers: str) -> Response:
        raw = target.encode()
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": target, "raw_path": raw, "headers": given}
        pieces = segments(raw)
        hit = router.find("GET", pieces or [])
        if hit is None:
            raise HttpError(404)
        route, values = hit
        assert route.access is Access.PUBLIC
        return await route.handler(Call(Request({**scope, "query_string": b""}), values))

    return get


def version(page: Response) -> str:
    return bytes(page.body).decode().partition("static/")[2].partition("/")[0]


def test_the_index_names_the_version_and_a_change_makes_another_one(folder: Path) -> None:
    async def play() -> None:
        get = serving(folder)
        first = await get("/")
        assert first.headers["content-security-policy"] == POLICY
        script = await get(f"/static/{version(first)}/js/app.js")
        assert "immutable" in script.headers["cache-control"]
        (folder / "js" / "app.js").write_text("// another page")
        second = await get("/", if_none_match=first.headers["etag"])
        assert second.status_code == 200
        assert version(second) != version(first)
        # A page that is still open finds what it needs, but does not keep it.
        late = await get(f"/static/{version(first)}/js/app.js")
        assert late.headers["cache-control"] == "no-cache"
        same = await get("/", if_none_match=second.headers["etag"])
        assert same.status_code == 304

    asyncio.run(play())


def test_a_file_is_packed_for_those_who_can_unpack_it(folder: Path) -> None:
    async def play() -> None:
        get = serving(folder)
        plain = await get("/static/x/js/app.js")
        packed = await get("/static/x/js/app.js", accept_encoding="br, gzip;q=0.8")
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(bytes(packed.body)) == bytes(plain.body)
        refused = await get("/static/x/js/app.js", accept_encoding="gzip;q=0")
        assert "content-encoding" not in refused.headers

    asyncio.run(play())


@pytest.mark.parametrize(
    "target",
    [
        "/static/x/js/lib/notes.py",
        "/static/x/index.html",
        "/static/x/js/../../run.py",
        "/static/x/js%2Fapp.js%2F..%2F..%2Frun.py",
        "/static/x/%2e%2e/run.py",
        "/static/x/js",
    ],
)
def test_nothing_else_is_served(folder: Path, target: str) -> None:
    with pytest.raises(HttpError):
        asyncio.run(serving(folder)(target))


def test_without_the_slash_at_the_end_addresses_would_be_wrong_so_it_is_put_there(folder: Path) -> None:
    async def play() -> None:
        router = Router(routes(PageFiles(folder)))
        route, _ = router.find("GET", []) or (None, None)
        assert route is not None
        scope = {"type": "http", "method": "GET", "path": "/below", "raw_path": b"/below", "headers": []}
        answer = await route.handler(Call(Request({**scope, "query_string": b""}), {}))
        assert (answer.status_code, answer.headers["location"]) == (307, "below/")

    asyncio.run(play())


def test_a_package_without_its_libraries_says_so_instead_of_staying_blank(folder: Path) -> None:
    (folder / "vendor" / "preact.js").unlink()
    page = asyncio.run(serving(folder)("/"))
    assert b"The page is not complete" in bytes(page.body)
