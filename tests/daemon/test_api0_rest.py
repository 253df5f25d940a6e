"""The rest of ``/api/v0``, held against the bodies that its consumers know."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soulmesh.client.errors import NotConnected, TooManyRequests
from soulmesh.core.transfer import State
from soulmesh.daemon.ports import (
    Browsed,
    Figures,
    Info,
    Link,
    LoggedIn,
    LoggedOut,
    Member,
    MessageReceived,
    Room,
    RoomEntry,
    RoomSaid,
    ShareRoot,
    ShareState,
    Status,
)
from soulmesh.wire.structs import Attribute, DirectoryData, FileData
from tests.daemon.fakes import KEY, Caller, Stage, example, later

Perform = Callable[..., None]
FOLDER = "music\\Quiet Harbor\\Tidal Maps (2019)"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def flac(name: str, size: int, seconds: int) -> FileData:
    attributes = [Attribute(1, seconds), Attribute(4, 44100), Attribute(5, 16)]
    return FileData(1, f"{name}.flac", size, "", attributes)


def tapes() -> DirectoryData:
    return DirectoryData(
        FOLDER,
        [
            flac("01 - First Light", 31457280, 241),
            flac("02 - Breakwater", 28311552, 219),
            flac("03 - Slack Water", 35651584, 276),
        ],
    )


def test_the_state_has_the_body_of_the_example(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.joined["indie tapes"] = Room("indie tapes", False, [])
        on.engine.watching = [("quiet.harbor", Status("Online"), Figures(2097152, 77120, 4821, 310))]
        found = await on.call.get("/application")
        wanted = example("application-state")
        found["health"] = wanted["health"]
        found["version"]["full"] = wanted["version"]["full"]
        assert found == wanted
        assert await on.call.get("/application/version") == example("application-version")
        latest = await on.call.get("/application/version/latest?forceCheck=true")
        assert latest == {**example("application-version-latest"), "full": latest["full"]}
        assert await on.call.get("/server") == example("server-state")
        on.engine.link = Link()
        assert await on.call.get("/server") == example("server-state-disconnected")
        assert await on.call.get("/server/state") == example("server-state-disconnected")

    perform(play)


def test_versions_are_numbers_and_not_too_small(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        version = await on.call.get("/application/version/")
        assert [int(part) for part in version.split(".")] >= [0, 26, 0]

    perform(play)


def test_connecting_and_disconnecting(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        assert (await on.call("PUT", "/server")).status == 205
        on.engine.link = Link()
        assert (await on.call("PUT", "/server")).status == 200
        assert (await on.call("DELETE", "/server", "")).status == 204
        assert on.engine.sent == [("disconnect",)]

    perform(play)


def test_options_have_the_fields_that_consumers_read_and_no_secret(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        for target in ("/options", "/options/startup"):
            reply = await on.call("GET", target)
            found, wanted = reply.json, example("options")
            for name in ("debug", "remoteConfiguration", "remoteFileManagement", "instanceName", "rooms"):
                assert type(found[name]) is type(wanted[name])
            assert found["directories"] == {
                "downloads": "/seen/downloads",
                "incomplete": "/seen/downloads/.incomplete",
            }
            assert found["soulseek"]["username"] == "lantern_owl"
            assert found["transfers"]["groups"]["leechers"]["thresholds"] == {"files": 1, "directories": 1}
            assert found["web"]["urlBase"] == "/"
            assert found["web"]["authentication"]["apiKeys"]["lidarr"] == {
                "key": "*****",
                "role": "ReadWrite",
                "cidr": "0.0.0.0/0,::/0",
            }
            for secret in (
                KEY,
                "correct horse",
                "sesame",
                "lidarr-lidarr-lidarr",
                "hook-token",
                "tok-in-url",
            ):
                assert secret.encode() not in reply.body
            assert b"null" not in reply.body

    perform(
        play,
        web={"api_keys": {"lidarr": {"key": "lidarr-lidarr-lidarr", "role": "ReadWrite"}}},
        account={"username": "lantern_owl", "password": "sesame"},
        webhooks={"x": {"url": "http://192.0.2.5/tok-in-url", "headers": {"Authorization": "hook-token"}}},
        downloads={"folder": "/srv/soulseek/downloads"},
        paths={"seen_as": {"/srv/soulseek": "/seen", "/srv": "/wrong"}},
    )


def test_our_own_settings_are_shown_to_a_login_and_without_secrets(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        assert (await on.call("GET", "/options/debug")).status == 401
        session = (await on.call("POST", "/session", example("login-request"))).json
        bearer = Caller(
            on.shell, headers={"Authorization": f"Bearer {session['token']}", "Host": "localhost"}
        )
        reply = await bearer("GET", "/options/debug", status=200)
        assert b"http://192.0.2.5/*****" in reply.body
        for secret in (KEY, "correct horse", "tok-in-url"):
            assert secret.encode() not in reply.body

    perform(
        play,
        webhooks={"x": {"url": "http://192.0.2.5/tok-in-url"}},
        log={"level": "debug"},
        remote_configuration=True,
    )


def test_the_configuration_file_is_behind_a_login_and_a_setting(perform: Perform, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('instance_name = "tapes"\n')

    async def play(on: Stage) -> None:
        on.service.config_file = file
        session = (await on.call("POST", "/session", example("login-request"))).json
        bearer = Caller(
            on.shell, headers={"Authorization": f"Bearer {session['token']}", "Host": "localhost"}
        )
        assert (await on.call("GET", "/options/yaml")).status == 401
        assert (await bearer("GET", "/options/yaml/location")).json == str(file)
        assert (await bearer("GET", "/options/yaml")).json == 'instance_name = "tapes"\n'
        valid = await on.call("POST", "/options/yaml/validate", "[web]\nport = 5031\n")
        assert (valid.status, valid.body) == (200, b"")
        short = "[web.api_keys.short]\nkey = 'short'\n"
        for wrong in ("[web", "[web]\nprot = 1\n", "[web]\nport = 'x'\n", short):
            assert isinstance((await on.call("POST", "/options/yaml/validate", wrong, status=200)).json, str)
            assert isinstance((await bearer("PUT", "/options/yaml", wrong, status=400)).json, str)
        assert (await bearer("PUT", "/options/yaml", "[web]\nport = 5031\n")).body == b""
        assert file.read_text() == "[web]\nport = 5031\n"
        assert (tmp_path / "config.toml.bak").read_text() == 'instance_name = "tapes"\n'
        assert file.stat().st_mode & 0o077 == 0
        patch = example("options-patch-request")
        assert (await on.call("PATCH", "/options", patch, status=200)).json == patch
        assert (await on.call("PATCH", "/options")).status == 204
        assert (await on.call("PATCH", "/options", {"soulseek": {"listenPort": 1}})).status == 400

    perform(play, remote_configuration=True)


def test_secrets_of_the_configuration_file_are_masked_and_stay(perform: Perform, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    text = '# kept\n[web]\napi_key = "keys-keys-keys-keys"\n[webhooks.x]\nurl = "https://example.org/t0ken"\n'
    file.write_text(text)

    async def play(on: Stage) -> None:
        on.service.config_file = file
        session = (await on.call("POST", "/session", example("login-request"))).json
        bearer = Caller(
            on.shell, headers={"Authorization": f"Bearer {session['token']}", "Host": "localhost"}
        )
        shown = (await bearer("GET", "/options/yaml")).json
        assert shown == text.replace("keys-keys-keys-keys", "*****").replace("t0ken", "*****")
        # As it was shown it is valid, and stays as it is; what is new in it counts.
        said = shown + "[metrics]\nenabled = true\n"
        assert (await on.call("POST", "/options/yaml/validate", said, status=200)).body == b""
        await bearer("PUT", "/options/yaml", said, status=200)
        assert file.read_text() == text + "[metrics]\nenabled = true\n"
        new = '[web]\npassword = "*****"\n'
        why = "web.password has no value yet: ***** only stands for one"
        assert (await bearer("PUT", "/options/yaml", new, status=400)).json == why
        assert (await on.call("POST", "/options/yaml/validate", new, status=200)).json == why
        # Where secrets cannot be told from the rest, nothing is shown.
        file.write_text("[web]\npassword = 12345678\n")
        refused = await bearer("GET", "/options/yaml", status=500)
        assert "12345678" not in refused.json
        assert "web.password is no text" in refused.json

    perform(play, remote_configuration=True)


def test_users_have_the_bodies_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        picture = base64.b64decode(example("user-info")["picture"])
        on.engine.infos["quiet.harbor"] = Info("tapes, mostly", picture, True, 3, 4)
        on.engine.statuses["quiet.harbor"] = Status("Online")
        on.engine.addresses["quiet.harbor"] = ("203.0.113.7", 2234)
        on.engine.browses["quiet.harbor"] = Browsed(
            [DirectoryData("music\\Quiet Harbor", []), tapes()], [DirectoryData("friends\\demos", [])]
        )
        on.engine.folders["quiet.harbor", FOLDER] = [tapes()]
        at = "/users/quiet.harbor"
        assert await on.call.get(f"{at}/info") == example("user-info")
        assert await on.call.get(f"{at}/status") == example("user-status")
        assert await on.call.get(f"{at}/endpoint") == example("user-endpoint")
        assert (await on.call("GET", f"{at}/browse/status")).status == 404
        assert await on.call.get(f"{at}/browse") == example("user-browse")
        assert await on.call.get(f"{at}/browse/status") == example("user-browse-status")
        request = example("user-directory-request")
        found = (await on.call("POST", f"{at}/directory/", request, status=200)).json
        assert found == example("user-directory")
        for name in ("info", "endpoint", "browse"):
            reply = await on.call("GET", f"/users/nobody/{name}", status=404)
            assert reply.json == "User nobody appears to be offline"
        assert await on.call.get("/users/nobody/status") == {"isPrivileged": False, "presence": "Offline"}
        assert (await on.call("POST", f"{at}/directory", {"directory": " "})).status == 400
        assert (await on.call("POST", f"{at}/directory", {"directory": "other"})).status == 500
        on.engine.bans.add("quiet.harbor")
        for name in ("info", "status", "endpoint", "browse"):
            assert (await on.call("GET", f"{at}/{name}")).status == 404

    perform(play)


def test_requests_beyond_the_pace_are_429_everywhere(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        async def busy(*_: Any) -> Any:
            raise TooManyRequests("browse", 41.2)

        on.engine.browse = busy  # type: ignore[method-assign]
        reply = await on.call("GET", "/users/x/browse", status=429)
        assert reply.headers["retry-after"] == "42"
        assert isinstance(reply.json, str)

    perform(play)


def test_conversations_have_the_bodies_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        at = "/conversations/quiet.harbor"
        assert await on.call.get("/conversations") == []
        assert (await on.call("GET", at)).status == 404
        on.clock.now = moment("2026-02-27T20:01:00")
        assert (await on.call("POST", at, example("message-request"))).status == 201
        assert on.engine.sent == [("message", "quiet.harbor", "thanks for the tapes")]
        on.engine.emit(
            MessageReceived("quiet.harbor", "any time", 901234, moment("2026-02-27T20:04:31"), False)
        )
        assert await on.call.get("/conversations") == example("conversations-list")
        assert await on.call.get(at) == example("conversation")
        assert await on.call.get(f"{at}/messages") == example("conversation-messages")
        only = await on.call.get(f"{at}/messages?unAcknowledgedOnly=True")
        assert only == example("conversation-messages")[1:]
        assert "messages" not in await on.call.get(f"{at}?includeMessages=false")
        # Reading acknowledged nothing.
        assert (await on.call.get(at))["hasUnAcknowledgedMessages"] is True
        assert (await on.call("PUT", f"{at}/901234")).status == 200
        assert (await on.call.get(at))["unAcknowledgedMessageCount"] == 0
        assert (await on.call("PUT", f"{at}/x")).status == 400
        assert (await on.call("PUT", at)).status == 200
        assert (await on.call("DELETE", at)).status == 204
        assert await on.call.get("/conversations") == []
        [hidden] = await on.call.get("/conversations?includeInactive=true")
        assert hidden["isActive"] is False
        assert len((await on.call.get(at))["messages"]) == 2
        assert (await on.call("POST", at, " ")).status == 400
        on.engine.bans.add("pest")
        assert (await on.call("POST", "/conversations/pest", "x")).status == 200
        on.engine.link = Link()
        assert (await on.call("POST", at, "x")).status == 500

    perform(play)


def test_rooms_have_the_bodies_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        members = [
            Member("lantern_owl", "Online", Figures(655360, 1290, 512, 42), 1, "NL"),
            Member("quiet.harbor", "Away", Figures(2097152, 77120, 4821, 310), 0, "CA"),
        ]
        on.engine.listed = [
            RoomEntry("indie tapes", 212),
            RoomEntry("harbor crew", 3, True, True),
        ]
        assert await on.call.get("/rooms/available") == example("rooms-available")
        at = "/rooms/joined/indie%20tapes"
        assert (await on.call("GET", at)).status == 404
        first = await on.call("POST", "/rooms/joined", example("room-join-request"), status=201)
        assert first.json["users"] == []
        on.engine.joined["indie tapes"] = Room("indie tapes", False, members)
        on.clock.now = moment("2026-03-01T10:00:00.25")
        on.engine.emit(RoomSaid("indie tapes", "quiet.harbor", "new uploads tonight"))
        on.clock.now = moment("2026-03-01T10:00:09.5")
        on.engine.emit(RoomSaid("indie tapes", "lantern_owl", "looking forward"))
        again = await on.call("POST", "/rooms/joined", example("room-join-request"), status=200)
        assert again.json == example("room")
        assert await on.call.get(at) == example("room")
        assert await on.call.get(f"{at}/messages") == example("room-messages")
        assert await on.call.get(f"{at}/users") == example("room-users")
        assert await on.call.get("/rooms/joined") == example("rooms-joined")
        assert (await on.call("POST", f"{at}/messages", example("message-request"))).status == 201
        assert (await on.call("POST", f"{at}/ticker", "hello")).status == 201
        assert (await on.call("POST", f"{at}/members", "quiet.harbor")).status == 201
        assert [what for what, *_ in on.engine.sent] == ["say", "ticker", "member"]
        refused = await on.call("POST", "/rooms/joined", "locked", status=403)
        assert isinstance(refused.json, str)
        assert (await on.call("DELETE", at)).status == 204
        for method, tail in [("DELETE", ""), ("GET", "/messages"), ("POST", "/messages"), ("GET", "/users")]:
            assert (await on.call(method, f"{at}{tail}", "x" if method == "POST" else None)).status == 404
        on.engine.joined["crew"] = Room("crew", True, [], "quiet.harbor", ["lantern_owl"])
        private = await on.call.get("/rooms/joined/crew")
        assert (private["owner"], private["operatorCount"]) == ("quiet.harbor", 1)

    perform(play)


def test_shares_have_the_bodies_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        root = ShareRoot("Music", Path("/srv/music"), False, 42, 512, "[Music]/srv/music")
        on.engine.shares = ShareState((root,))
        file = FileData(
            1, "04 - Gangway.mp3", 7340032, "", [Attribute(0, 256), Attribute(1, 229), Attribute(2, 0)]
        )
        folder = [DirectoryData("Music\\Lantern\\Night Ferry", [file])]
        on.engine.folders["", ""] = on.engine.folders["", "Music"] = folder
        assert await on.call.get("/shares") == example("shares")
        key = example("share")["id"]
        assert await on.call.get(f"/shares/{key}") == example("share")
        assert await on.call.get("/shares/contents") == example("share-contents")
        assert await on.call.get(f"/shares/{key}/contents") == example("share-contents")
        assert (await on.call("GET", "/shares/0000")).status == 404
        assert (await on.call("PUT", "/shares")).status == 200
        assert isinstance((await on.call("PUT", "/shares", status=409)).json, str)
        assert (await on.call("DELETE", "/shares")).status == 204
        assert (await on.call("DELETE", "/shares")).status == 404

    perform(play)


def segment(path: str, *, lines: bool = False) -> str:
    data = path.encode()
    text = base64.encodebytes(data).decode() if lines else base64.b64encode(data).decode()
    return text.replace("\n", "%0A").replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def test_files_are_listed_flat_and_by_relative_names(perform: Perform, tmp_path: Path) -> None:
    root = tmp_path / "downloads"
    deep = root / "Tidal Maps (2019)" / ("disc " * 20).strip()
    deep.mkdir(parents=True)
    (deep / "01.flac").write_bytes(b"123")
    (root / "cover.jpg").write_bytes(b"1" * 48213)
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (root / "way out").symlink_to(tmp_path)

    async def play(on: Stage) -> None:
        listing = await on.call.get("/files/downloads/directories")
        wanted = example("files-directory")
        assert set(listing) == set(wanted)
        assert set(listing["files"][0]) == set(wanted["files"][0])
        assert set(listing["directories"][0]) == set(wanted["directories"][0])
        assert [(f["fullName"], f["length"]) for f in listing["files"]] == [("cover.jpg", 48213)]
        assert [d["fullName"] for d in listing["directories"]] == ["Tidal Maps (2019)"]
        flat = await on.call.get("/files/downloads/directories?recursive=True")
        name = str(deep.relative_to(root))
        assert {d["fullName"] for d in flat["directories"]} == {"Tidal Maps (2019)", name}
        assert f"{name}/01.flac" in {f["fullName"] for f in flat["files"]}
        for target in (
            segment(name, lines=True),
            segment(name.replace("/", "\\")),
            base64.urlsafe_b64encode(name.encode()).decode().rstrip("="),
        ):
            found = await on.call.get(f"/files/downloads/directories/{target}")
            assert (found["fullName"], found["files"][0]["fullName"]) == ("", "01.flac")
        for outside in (
            "..",
            "../secret.txt",
            "/etc",
            "a/../../x",
            "Tidal Maps (2019)\\..\\..",
            "way out/data",
        ):
            status = (await on.call("GET", f"/files/downloads/directories/{segment(outside)}")).status
            assert status == 403, outside
        assert (await on.call("GET", f"/files/downloads/directories/{segment('way out')}")).status == 404
        assert (await on.call("GET", f"/files/downloads/directories/{segment('missing')}")).status == 404
        assert (await on.call("GET", "/files/downloads/directories/%2A%2A")).status == 400
        assert (await on.call("DELETE", f"/files/downloads/files/{segment('cover.jpg')}")).status == 403
        assert (await on.call.get("/files/incomplete/directories"))["files"] == []

    perform(play)


def test_files_are_deleted_when_that_is_allowed_and_only_inside(perform: Perform, tmp_path: Path) -> None:
    root = tmp_path / "downloads"
    (root / "album" / "disc").mkdir(parents=True)
    (root / "album" / "disc" / "01.flac").write_bytes(b"1")
    (root / "cover.jpg").write_bytes(b"1")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_bytes(b"1")
    (root / "album" / "link").symlink_to(tmp_path / "outside")

    async def play(on: Stage) -> None:
        async def delete(kind: str, path: str) -> int:
            return (await on.call("DELETE", f"/files/downloads/{kind}/{segment(path)}")).status

        assert await delete("directories", ".") == 403
        assert await delete("directories", "../outside") == 403
        assert await delete("directories", "album/link/../..") == 403
        assert await delete("files", "album/link/kept") == 403
        assert await delete("files", "album") == 404
        assert await delete("directories", "cover.jpg") == 404
        assert await delete("files", "cover.jpg") == 204
        assert await delete("files", "cover.jpg") == 404
        assert await delete("directories", "album") == 204
        assert (tmp_path / "outside" / "kept").exists()
        assert root.exists()

    perform(play, remote_file_management=True)


def test_events_have_the_bodies_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.statuses["quiet.harbor"] = Status("Online")
        files = [{"filename": f"{FOLDER}\\01 - First Light.flac", "size": 31457280}]
        await on.call("POST", "/transfers/downloads/quiet.harbor", files, status=201)
        [transfer] = on.engine.transfers
        later(on.clock, 1)
        on.engine.transfers.move(transfer, State.QUEUED)
        on.engine.transfers.move(transfer, State.RUNNING)
        later(on.clock, 16)
        local = "/srv/soulseek/downloads/Tidal Maps (2019)/01 - First Light.flac"
        on.engine.transfers.move(transfer, State.FINISHED, local=local)
        reply = await on.call("GET", "/events?offset=0&limit=1", status=200)
        assert reply.headers["x-total-count"] == "2"
        [event] = reply.json
        assert event["type"] == "DownloadDirectoryComplete"
        facts = json.loads(event["data"])
        wanted = example("event-download-directory-complete")
        assert {**facts, "id": "", "timestamp": "", "type": ""} == {
            **wanted,
            "id": "",
            "timestamp": "",
            "type": "",
        }
        [event] = await on.call.get("/events?offset=1")
        assert set(event) == set(example("events")[0])
        facts, wanted = json.loads(event["data"]), json.loads(example("events")[0]["data"])
        assert set(facts) == set(wanted)
        assert set(facts["transfer"]) == set(wanted["transfer"])
        assert (facts["localFilename"], facts["remoteFilename"]) == (local, files[0]["filename"])
        for target in ("/events?offset=-1", "/events?limit=0"):
            assert isinstance((await on.call("GET", target, status=400)).json, str)
        assert (await on.call("POST", "/events/noop", "x: ", status=201)).json["type"] == "Noop"
        for kind in ("None", "Any", "Nonsense"):
            assert (await on.call("POST", f"/events/{kind}", "")).status == 400
        on.engine.emit(LoggedIn("lantern_owl"))
        on.engine.emit(LoggedOut("the server closed the connection"))
        kinds = [event["type"] for event in await on.call.get("/events?limit=2")]
        assert kinds == ["SoulseekClientDisconnected", "SoulseekClientConnected"]

    perform(play)


def test_logs_have_the_fields_of_the_example(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        from soulmesh import log

        log.configure("debug")
        on.service.logbook.install()
        log.get("daemon.search").warning("search started", id="5b0c", api_key="very-secret-thing")
        on.service.logbook.remove()
        [line] = await on.call.get("/logs")
        assert set(line) == set(example("logs")[1])
        assert (line["context"], line["subContext"], line["level"]) == ("daemon", "search", "Warning")
        assert "very-secret-thing" not in line["message"]
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None

    perform(play)


def test_reports_have_the_fields_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.statuses["quiet.harbor"] = Status("Online")
        files = [{"filename": f"{FOLDER}\\{n}.flac", "size": 1000 * n} for n in (1, 2, 3)]
        await on.call("POST", "/transfers/downloads/quiet.harbor", files, status=201)
        one, two, three = on.engine.transfers
        upload = on.engine.transfers.add("Pine & Cedar", "Music\\Lantern\\04.mp3", 7, upload=True)
        later(on.clock, 10)
        for transfer in (one, two, upload):
            on.engine.transfers.move(transfer, State.RUNNING)
        later(on.clock, 30)
        for transfer in (one, two, upload):
            on.engine.transfers.move(transfer, State.FINISHED)
        on.engine.transfers.move(three, State.FAILED, "File not shared.")
        later(on.clock, 1)
        at = "/telemetry/reports/transfers"
        summary = await on.call.get(f"{at}/summary?start=1&end=nonsense")
        assert {name: set(states) for name, states in summary.items()} == {
            "Download": {"Succeeded", "Rejected"},
            "Upload": {"Succeeded"},
        }
        done = summary["Download"]["Succeeded"]
        assert set(done) == set(example("report-summary")["Download"]["Succeeded"])
        assert (done["count"], done["totalBytes"], done["averageWait"], done["averageDuration"]) == (
            2,
            3000,
            10.0,
            30.0,
        )
        assert await on.call.get(f"{at}/summary?username=nobody") == {"Download": {}, "Upload": {}}
        histogram = await on.call.get(f"{at}/histogram?interval=60")
        assert len(histogram) in (168, 169)
        assert sum(bool(entry["Download"]) for entry in histogram.values()) == 1
        assert len(await on.call.get(f"{at}/histogram?buckets=7")) == 7
        [leader] = await on.call.get(f"{at}/leaderboard?direction=Download&sortBy=totalbytes")
        assert set(leader) == set(example("report-leaderboard")[0])
        user = await on.call.get(f"{at}/users/quiet.harbor")
        assert user["Download"]["statistics"] == {"total": 3, "successful": 2, "errored": 1, "cancelled": 0}
        assert set(user["Upload"]) == set(example("report-user")["Upload"])
        [failed] = await on.call.get(f"{at}/exceptions?direction=Download")
        assert set(failed) == set(example("report-exceptions")[0])
        [pareto] = await on.call.get(f"{at}/exceptions/pareto?direction=Download")
        assert pareto == {**example("report-exceptions-pareto")[0], "count": 1}
        [directory] = await on.call.get(f"{at}/directories")
        assert directory == {"directory": "Music\\Lantern", "count": 1, "distinctUsers": 1}
        for wrong in (
            "leaderboard",
            "leaderboard?direction=Sideways",
            "leaderboard?direction=Upload&sortBy=Luck",
            "exceptions?direction=Upload&sortOrder=UP",
            "summary?limit=0",
            "directories?offset=-1",
            "histogram?interval=1",
            "histogram?interval=5&buckets=5",
            "histogram?buckets=1001",
            "summary?start=2026-03-02&end=2026-03-01",
        ):
            assert isinstance((await on.call("GET", f"{at}/{wrong}", status=400)).json, str), wrong

    perform(play)


def test_metrics_come_as_text_and_as_json(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        text = await on.call("GET", "/telemetry/metrics", status=200)
        assert text.headers["content-type"].startswith("text/plain")
        assert b"slskd_dnet_has_parent 1" in text.body
        json_form = await on.call("GET", "/telemetry/metrics", headers={"Accept": "application/json"})
        kpis = await on.call.get("/telemetry/metrics/kpis")
        assert set(json_form.json) == set(kpis)
        name = "slskd_transfers_downloads_completed_succeeded"
        wanted = example("metrics-kpis")[name]
        assert {key: type(value) for key, value in kpis[name].items()} == {
            key: type(value) for key, value in wanted.items()
        }

    perform(play)


def test_what_goes_wrong_inside_is_a_500_with_a_text(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        async def broken() -> Any:
            raise NotConnected("the link broke")

        on.engine.room_list = broken  # type: ignore[method-assign]
        assert isinstance((await on.call("GET", "/rooms/available", status=500)).json, str)

        async def defective() -> Any:
            raise ZeroDivisionError("a secret detail")

        on.engine.room_list = defective  # type: ignore[method-assign]
        reply = await on.call("GET", "/rooms/available", status=500)
        assert "secret" not in reply.json

    perform(play)
