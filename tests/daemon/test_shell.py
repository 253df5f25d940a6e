"""Paths, credentials and headers: what stands before every handler."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soulmesh.daemon.http.auth import ApiKey, parse_key
from soulmesh.daemon.http.identity import Role
from soulmesh.daemon.http.replies import duration, instant, unzoned
from soulmesh.daemon.http.routing import segments
from soulmesh.daemon.ports import Status
from soulmesh.errors import ConfigError
from tests.daemon.fakes import KEY, Caller, Clock, Stage, example

Perform = Callable[..., None]


def test_paths_are_cut_first_and_decoded_once() -> None:
    assert segments(b"/users/a%2Fb/info") == ["users", "a/b", "info"]
    assert segments(b"/users/a%252Fb/info/") == ["users", "a%2Fb", "info"]
    assert segments(b"/users/a+b/info?x=/y") == ["users", "a+b", "info"]
    assert segments(b"/users/caf%C3%A9") == ["users", "café"]
    latin = segments(b"/users/caf%E9")
    assert latin is not None
    assert latin[1].encode() == b"caf\xe9"
    assert segments(b"/base/api", ("base",)) == ["api"]
    assert segments(b"/other/api", ("base",)) is None


def test_names_of_users_arrive_as_they_were_meant(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        names = ["a/b", "a+b", "a%2Fb", "Pine & Cedar", "ünï", "quiet.harbor", "all", "batches"]
        for name in names:
            on.engine.statuses[name] = Status("Online")
        for target in [
            "/users/a%2Fb/status",
            "/users/a+b/status",
            "/users/a%252Fb/status",
            "/users/Pine%20%26%20Cedar/status",
            "/users/%C3%BCn%C3%AF/status",
            "/users/quiet.harbor/status/",
            "/users/all/status",
            "/users/batches/status",
        ]:
            assert (await on.call.get(target))["presence"] == "Online", target

    perform(play)


def test_a_slash_at_the_end_is_ignored_and_nothing_redirects(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        for method, target, status in [
            ("GET", "/application/", 200),
            ("GET", "/searches/", 200),
            ("POST", "/transfers/downloads/batches/", 400),
            ("DELETE", "/transfers/downloads/all/completed/", 204),
        ]:
            reply = await on.call(method, target, {} if method == "POST" else None)
            assert reply.status == status, target
            assert "location" not in reply.headers

    perform(play)


def test_what_does_not_exist_is_404_with_an_empty_body(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        reply = await on.call("GET", "/nothing/here")
        assert (reply.status, reply.body) == (404, b"")
        reply = await on.call("DELETE", "/transfers/downloads/9a8b7c6d-5e4f-4321-8fed-cba987654321")
        assert reply.status == 405

    perform(play)


def test_the_base_path_of_a_proxy_is_stripped(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        assert (await Caller(on.shell, "/soul/api/v0")("GET", "/application")).status == 200
        assert (await Caller(on.shell, "/api/v0")("GET", "/application")).status == 404

    perform(play, web={"url_base": "/soul/"})


PUBLIC = {("GET", "/session/enabled"), ("POST", "/session")}


def test_nothing_is_reachable_without_a_credential(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        nobody = Caller(on.shell, headers={"Host": "localhost"})
        routes = on.shell._apis[0].router.routes
        assert len(routes) > 85
        for route in routes:
            if (route.method, route.path) in PUBLIC:
                continue
            target = route.path.replace("{id}", "9a8b7c6d-5e4f-4321-8fed-cba987654321")
            for name in ("username", "roomName", "path", "type"):
                target = target.replace(f"{{{name}}}", "x")
            reply = await nobody(route.method, target)
            assert (reply.status, reply.body) == (401, b""), (route.method, target)
        # Not even which paths exist.
        assert (await nobody("GET", "/nothing/here")).status == 401

    perform(play)


def test_keys_have_a_role_and_a_range(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        def caller(key: str, address: str = "127.0.0.1") -> Caller:
            found = Caller(on.shell, headers={"x-api-key": key, "Host": "localhost"})
            found.address = address
            return found

        reader, far = "reader-reader-reader", "faraway-faraway-far"
        assert (await caller(reader)("GET", "/application")).status == 200
        refused = await caller(reader)("POST", "/searches", {"searchText": "abc"})
        assert refused.status == 403
        assert isinstance(refused.json, str)
        assert (await caller(reader)("POST", "/users/x/directory", {"directory": ""})).status == 400
        assert (await caller(far)("GET", "/application")).status == 401
        assert (await caller(far, "10.1.2.3")("GET", "/application")).status == 200
        assert (await caller(far, "::ffff:10.1.2.3")("GET", "/application")).status == 200
        assert (await caller(far, "2001:db8::1")("GET", "/application")).status == 401
        assert (await caller("wrong-wrong-wrong-wrong")("GET", "/application")).status == 401
        # Keys in the query are not accepted.
        nobody = Caller(on.shell, headers={"Host": "localhost"})
        assert (await nobody("GET", f"/application?api_key={KEY}&access_token={KEY}")).status == 401

    perform(
        play,
        web={
            "api_keys": {
                "reader": {"key": "reader-reader-reader"},
                "far": {"key": "faraway-faraway-far", "role": "ReadWrite", "cidr": "10.0.0.0/8"},
            }
        },
    )


def test_a_login_gives_a_token_and_only_tokens_do_what_is_reserved_to_them(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        nobody = Caller(on.shell, headers={"Host": "localhost"})
        assert (await nobody("GET", "/session/enabled")).body == b"true"
        session = (await nobody("POST", "/session", example("login-request"), status=200)).json
        assert set(session) == set(example("login-response"))
        assert session["tokenType"] == "Bearer"
        assert session["expires"] - session["issued"] == 7 * 86400
        assert all(isinstance(session[name], int) for name in ("expires", "issued", "notBefore"))
        bearer = Caller(
            on.shell, headers={"Authorization": f"Bearer {session['token']}", "Host": "localhost"}
        )
        assert (await bearer("GET", "/session")).body == b""
        restarts: list[bool] = []
        on.service.restart = restarts.append
        assert (await on.call("PUT", "/application")).status == 401
        assert (await bearer("PUT", "/application")).status == 204
        # Either of both is enough.
        both = {"X-API-Key": "wrong-wrong-wrong-wrong"}
        assert (await bearer("GET", "/application", headers=both)).status == 200
        on.clock.now = on.clock.now.replace(day=8, hour=9, minute=20)
        assert (await bearer("GET", "/application")).status == 200, "five minutes of skew"
        on.clock.now = on.clock.now.replace(hour=10)
        assert (await bearer("GET", "/application")).status == 401

    perform(play)


@pytest.mark.parametrize("body", [{}, {"username": "admin"}, {"username": " ", "password": "x"}])
def test_a_login_with_something_missing_is_400(perform: Perform, body: dict[str, str]) -> None:
    async def play(on: Stage) -> None:
        assert (await on.call("POST", "/session", body)).status == 400

    perform(play)


def test_forged_tokens_are_worth_nothing(perform: Perform) -> None:
    import jwt

    async def play(on: Stage) -> None:
        claims = {
            "iss": "soulmesh",
            "name": "admin",
            "role": "Administrator",
            "nbf": 0,
            "exp": 1 << 40,
            "iat": 0,
        }
        for token in [
            jwt.encode(claims, "x" * 32, algorithm="HS256"),
            jwt.encode(claims, None, algorithm="none"),
            "..",
            "a.b.c",
        ]:
            caller = Caller(on.shell, headers={"Authorization": f"Bearer {token}", "Host": "localhost"})
            assert (await caller("GET", "/application")).status == 401

    perform(play)


def test_failed_logins_are_slowed_down(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        wrong = {"username": "admin", "password": "wrong"}
        answers = [await on.call("POST", "/session", wrong) for _ in range(7)]
        assert [answer.status for answer in answers[:5]] == [401] * 5
        assert answers[-1].status == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        # The right password has to wait as well, or guessing would go on.
        assert (await on.call("POST", "/session", example("login-request"))).status == 429

    perform(play)


def test_without_authentication_everybody_may_but_no_other_page(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        anybody = Caller(on.shell, headers={"Host": "localhost:5030"})
        assert (await anybody("GET", "/session/enabled")).body == b"false"
        assert (await anybody("GET", "/application")).status == 200
        assert (await anybody("GET", "/options/yaml/location")).status == 403, (
            "an administrator, but it is off"
        )
        assert (await anybody("POST", "/session", example("login-request"))).status == 200
        for headers in (
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "evil.example:5030"},
        ):
            assert (await anybody("GET", "/application", headers=headers)).status == 403, headers
        same = await anybody("GET", "/application", headers={"Origin": "http://localhost:5030"})
        assert same.status == 200
        assert "access-control-allow-origin" not in same.headers

    perform(play, web={"authentication": False})


def test_with_authentication_any_origin_may_call(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        reply = await on.call("GET", "/application", headers={"Origin": "https://page.example"})
        assert reply.headers["access-control-allow-origin"] == "https://page.example"
        assert "X-Total-Count" in reply.headers["access-control-expose-headers"]
        asked = {
            "Origin": "https://page.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key",
            "X-API-Key": "",
        }
        preflight = await on.call("OPTIONS", "/searches", headers=asked)
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-headers"] == "x-api-key"

    perform(play)


def test_every_answer_has_security_headers(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        for target in ("/application", "/nothing"):
            headers = (await on.call("GET", target)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["api-supported-versions"] == "0"
            assert headers["cache-control"] == "no-store"

    perform(play)


def test_bodies_have_limits_and_types(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        text = {"Content-Type": "text/plain"}
        assert (await on.call("POST", "/searches", raw=b"{}", headers=text)).status == 415
        for raw in (b"{", b"\xff", b"[" * 100_000, b'{"searchText": NaN'):
            assert (await on.call("POST", "/searches", raw=raw)).status == 400
        huge = {"Content-Length": str(1 << 40)}
        assert (await on.call("POST", "/searches", raw=b"{}", headers=huge)).status == 413
        assert (await on.call("POST", "/conversations/x", raw=b'"' + b"a" * (1 << 21) + b'"')).status == 413
        for body in (None, 1, [], "x", {"searchText": {}}, {"searchText": None}):
            assert (await on.call("POST", "/searches", body)).status == 400, body

    perform(play)


def test_keys_given_as_one_string() -> None:
    assert parse_key("0123456789abcdef").role is Role.ADMINISTRATOR
    limited = parse_key("role=ReadWrite;cidr=10.0.0.0/8;0123456789abcdef")
    assert (limited.role, limited.cidr, limited.key) == (Role.READ_WRITE, "10.0.0.0/8", "0123456789abcdef")
    assert parse_key("a;b;0123456789abcdef").key == "a;b;0123456789abcdef"
    for wrong in ("short", "x" * 256, "role=King;0123456789abcdef", "cidr=nowhere;0123456789abcdef"):
        with pytest.raises(ConfigError):
            parse_key(wrong)
    assert "0123456789abcdef" not in repr(ApiKey("x", "0123456789abcdef"))


def test_durations_have_the_form_of_a_time_span() -> None:
    assert duration(62) == "00:01:02"
    assert duration(62.1234567) == "00:01:02.1234567"
    assert duration(86400 + 7384) == "1.02:03:04"
    assert duration(0) == "00:00:00"
    assert duration(None) is None


def test_moments_lose_the_zeros_at_their_end() -> None:
    now = Clock().now
    assert instant(now) == "2026-03-01T09:16:10.501234Z"
    assert unzoned(now.replace(microsecond=500_000)) == "2026-03-01T09:16:10.5"
    assert instant(now.replace(microsecond=0)) == "2026-03-01T09:16:10Z"
