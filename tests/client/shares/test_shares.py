"""The door: who sees what, what is sent for it, and which file on disk is behind a path."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.client.ports import Answerer, ForFriends, ForGroups
from soulmesh.client.shares import Audience, NotShared, RootRefused, ScanBusy, Shares, ShareSettings
from soulmesh.client.shares.browse import combine_adler
from soulmesh.client.shares.scan import Scanner, scan_lock
from soulmesh.core.query import long_enough, matches, parse_query
from soulmesh.wire.peer import PeerSearchReply, PeerSharesReply
from tests.client.shares.support import NOW, Friends, fill, open_shares, share, write_wave


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[Shares]:
    shares = open_shares(tmp_path / "data", circle=Friends({"eve"}, {"mallory": {"band"}}))
    yield shares
    shares.close()


def scan_here(shares: Shares) -> None:
    """A scan without a process of its own."""
    Scanner(shares.store, shares.directory, now=NOW, readers=1, confirmed=True).scan()
    asyncio.run(shares.refresh())


def search(shares: Shares, query: str, username: str = "bob", **how: object) -> tuple[list[str], list[str]]:
    found = asyncio.run(shares.search(query, username=username, limit=100, **how))  # type: ignore[arg-type]
    return sorted(f.filename for f in found.results), sorted(f.filename for f in found.locked)


def browse(shares: Shares, username: str = "bob") -> PeerSharesReply:
    reply = wire.decode(asyncio.run(shares.browse(username)), "peer", "peer")
    assert isinstance(reply, PeerSharesReply)
    return reply


def listed(directories: object) -> dict[str, list[str]]:
    return {d.name: [f.filename for f in d.files] for d in directories or ()}  # type: ignore[attr-defined]


def test_the_answer_for_a_folder_brings_what_lies_below_it(shares: Shares, tmp_path: Path) -> None:
    """Nicotine+ looks for the folder that it asked for and passes over the others; some programs take all."""
    fill(tmp_path / "music", ["Box/CD1/one.mp3", "Box/CD2/two.mp3", "Box/CD2/art/front.jpg", "Boxes/no.mp3"])
    share(shares, tmp_path / "music", b"Music")
    scan_here(shares)
    assert listed(asyncio.run(shares.folder("bob", "Music\\Box\\"))) == {
        "Music\\Box": [],
        "Music\\Box\\CD1": ["one.mp3"],
        "Music\\Box\\CD2": ["two.mp3"],
        "Music\\Box\\CD2\\art": ["front.jpg"],
    }
    assert list(listed(asyncio.run(shares.folder("bob", "Music\\Box\\CD2\\art")))) == ["Music\\Box\\CD2\\art"]
    assert asyncio.run(shares.folder("bob", "Music\\Bo")) == []


@pytest.fixture
def circles(shares: Shares, tmp_path: Path) -> Shares:
    """Four roots: for everyone, for friends (locked for others), for one user, for a group."""
    for name in ("open", "friends", "one", "group"):
        fill(tmp_path / name, ["f/song.mp3"])
    share(shares, tmp_path / "open", b"Open")
    share(shares, tmp_path / "friends", b"Friends", Audience.parse(["friends"], locked=True))
    share(shares, tmp_path / "one", b"One", Audience.parse(["user:alice"]))
    share(shares, tmp_path / "group", b"Group", Audience.parse(["group:band"]))
    scan_here(shares)
    return shares


OPEN, FRIENDS, ONE, GROUP = (rf"{name}\f\song.mp3" for name in ("Open", "Friends", "One", "Group"))


@pytest.mark.parametrize(
    ("username", "visible", "locked"),
    [
        ("bob", [OPEN], [FRIENDS]),
        ("eve", [FRIENDS, OPEN], []),
        ("alice", [ONE, OPEN], [FRIENDS]),
        ("mallory", [GROUP, OPEN], [FRIENDS]),
    ],
)
def test_each_user_sees_what_is_for_them(
    circles: Shares, username: str, visible: list[str], locked: list[str]
) -> None:
    assert search(circles, "song", username) == (sorted(visible), locked)
    reply = browse(circles, username)
    for names, directories in ((visible, reply.directories), (locked, reply.locked_directories)):
        expected = {name.removesuffix(r"\song.mp3"): ["song.mp3"] for name in names}
        assert {name: files for name, files in listed(directories).items() if files} == expected
    for path in (OPEN, FRIENDS, ONE, GROUP):
        located = asyncio.run(circles.locate(username, path))
        assert (located is not None) == (path in visible)
    folders = asyncio.run(circles.folder(username, "Friends\\f"))
    assert [d.name for d in folders] == ["Friends\\f"]
    assert bool(asyncio.run(circles.folder(username, "One\\f"))) == (ONE in visible)


def test_counts_are_of_what_everybody_may_have(circles: Shares) -> None:
    assert (circles.counts.folders, circles.counts.files) == (2, 1)


def test_a_changed_audience_counts_at_once(circles: Shares) -> None:
    told: list[int] = []
    undo = circles.on_changed(lambda: told.append(circles.counts.files))
    root = next(root for root in circles.roots if root.name == b"One")
    circles.save_root(type(root)(root.id, root.name, root.path, Audience()))
    assert search(circles, "song")[0] == [ONE, OPEN]
    assert told == [2]
    undo()
    circles.remove_root(root.id)
    assert search(circles, "song")[0] == [OPEN]
    assert told == [2]
    with pytest.raises(NotShared):
        asyncio.run(circles.resolve(ONE.encode(), "alice"))


def test_a_client_tells_who_is_a_friend_and_in_which_group_unless_a_circle_does(circles: Shares) -> None:
    circles.know_friends(lambda username: True)
    assert search(circles, "song", "bob") == ([OPEN], [FRIENDS])
    alone = open_shares(circles.directory)
    assert isinstance(alone, ForFriends)
    assert search(alone, "song", "bob") == ([OPEN], [FRIENDS])
    alone.know_friends(lambda username: username == "bob")
    assert search(alone, "song", "bob") == ([FRIENDS, OPEN], [])
    assert search(alone, "song", "eve") == ([OPEN], [FRIENDS])
    assert isinstance(alone, ForGroups)
    groups = {"mallory": {"band"}}
    alone.know_groups(lambda username: groups.get(username, ()))
    assert search(alone, "song", "mallory") == ([GROUP, OPEN], [FRIENDS])
    groups["mallory"] = {"choir"}
    assert search(alone, "song", "mallory") == ([OPEN], [FRIENDS])
    alone.close()


def test_the_packed_reply_says_what_the_slow_one_says(circles: Shares) -> None:
    about = Answerer("me", 77, True, 9, 3)
    reply = circles.search_reply("song", username="bob", limit=5, about=about)
    assert reply is not None
    found = asyncio.run(circles.search("song", username="bob", limit=5))
    assert (reply.results, reply.locked) == (len(found.results), len(found.locked))
    assert wire.decode(reply.frame, "peer", "peer") == PeerSearchReply(
        "me", 77, found.results, True, 9, 3, 0, found.locked
    )
    assert circles.search_reply("nothing", username="bob", limit=5, about=about) is None


def test_phrases_that_the_server_excludes_are_not_answered(circles: Shares) -> None:
    assert search(circles, "song", "alice", excluded=["oNE\\", ""]) == ([OPEN], [FRIENDS])


def test_a_search_that_is_too_dear_is_dropped_and_counted(tmp_path: Path) -> None:
    shares = open_shares(tmp_path / "data", settings=ShareSettings(effort=50, readers=1))
    fill(tmp_path / "music", [f"{n:03} a b.mp3" for n in range(200)])
    share(shares, tmp_path / "music")
    scan_here(shares)
    assert search(shares, "a b,mp3") == ([], [])
    assert (shares.figures.searches, shares.figures.too_dear) == (1, 1)
    shares.close()


def test_queries_under_three_characters_are_not_answered(circles: Shares) -> None:
    assert search(circles, "f ") == ([], [])
    assert search(circles, "mp3")[0] == [OPEN]


def test_attributes_and_sizes_are_in_every_answer(shares: Shares, tmp_path: Path) -> None:
    write_wave(tmp_path / "music" / "a" / "tone.wav", 2)
    share(shares, tmp_path / "music")
    scan_here(shares)
    found = asyncio.run(shares.search("tone", username="bob", limit=5))
    (file,) = found.results
    assert (file.filename, file.filesize) == (r"Music\a\tone.wav", 32044)
    assert {a.key: a.value for a in file.attributes} == {1: 2, 4: 8000, 5: 16}
    (directory,) = asyncio.run(shares.folder("bob", "Music\\a\\"))
    assert directory.files[0].filename == "tone.wav"
    assert directory.files[0].attributes == file.attributes
    assert browse(shares).directories[1] == directory


def test_browse_comes_from_the_cache_and_only_changed_roots_are_made_again(
    circles: Shares, tmp_path: Path
) -> None:
    browse(circles)
    files = sorted((circles.directory / "browse").iterdir())
    before = {path: path.stat().st_mtime_ns for path in files}
    browse(circles, "eve")
    fill(tmp_path / "open", ["f/new.mp3", "g/other.mp3"])
    (tmp_path / "open" / "f" / "song.mp3").unlink()
    scan_here(circles)
    assert listed(browse(circles).directories) == {
        "Open": [],
        "Open\\f": ["new.mp3"],
        "Open\\g": ["other.mp3"],
    }
    after = {path: path.stat().st_mtime_ns for path in (circles.directory / "browse").iterdir()}
    assert len(after) == len(before)
    assert len(after.items() - before.items()) == 1


def test_changes_survive_a_restart_without_a_new_base(circles: Shares, tmp_path: Path) -> None:
    fill(tmp_path / "open", ["f/new.mp3"])
    (tmp_path / "open" / "f" / "song.mp3").unlink()
    scan_here(circles)
    again = open_shares(circles.directory)
    assert search(again, "mp3 open") == ([r"Open\f\new.mp3"], [])
    assert again.index.base.about["generation"] == 1
    again.close()


def test_offline_roots_are_kept_and_not_offered(circles: Shares, tmp_path: Path) -> None:
    (tmp_path / "open").rename(tmp_path / "away")
    changed = asyncio.run(circles.check_online())
    assert [root.name for root in changed] == [b"Open"]
    assert search(circles, "song") == ([], [FRIENDS])
    assert circles.counts.files == 0
    with pytest.raises(NotShared, match="offline"):
        asyncio.run(circles.resolve(OPEN.encode(), "bob"))
    (tmp_path / "away").rename(tmp_path / "open")
    asyncio.run(circles.check_online())
    assert search(circles, "song")[0] == [OPEN]


def test_nothing_outside_of_a_root_can_be_asked_for(circles: Shares, tmp_path: Path) -> None:
    fill(tmp_path, ["secret.txt"])
    for path in (
        "", "\\", "Open", "Open\\", r"Open\..\secret.txt", r"Open\f\..\..\secret.txt", "/etc/passwd",
        r"Open\/etc/passwd", "..", r"Open\f", r"open\f\song.mp3", str(tmp_path / "open" / "f" / "song.mp3"),
        r"Open\f/song.mp3", "Open\\f\\song.mp3\0", "\ud800",
    ):  # fmt: skip
        assert asyncio.run(circles.locate("bob", path)) is None, path
    # what has become a link since the scan leads nowhere
    target = tmp_path / "open" / "f" / "song.mp3"
    target.unlink()
    target.symlink_to(tmp_path / "secret.txt")
    assert asyncio.run(circles.locate("bob", OPEN)) is None


def test_names_are_bytes_from_the_disk_to_the_wire_and_back(shares: Shares, tmp_path: Path) -> None:
    root = tmp_path / "music"
    root.mkdir()
    names = [b"caf\xe9.mp3", "café.mp3".encode(), b"AC\\DC.mp3", b"line\nbreak.mp3"]
    for name in names:
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(name)
    share(shares, root)
    scan_here(shares)
    found = asyncio.run(shares.search("mp3", username="bob", limit=9))
    assert sorted(wire.raw(f.filename) for f in found.results) == sorted(b"Music\\" + name for name in names)
    for file in found.results:
        located = asyncio.run(shares.locate("bob", file.filename))
        assert located is not None
        assert b"Music\\" + located.local_path.read_bytes() == wire.raw(file.filename)
    assert str(tmp_path) not in repr(found)


def test_a_damaged_index_is_noticed_and_written_again(circles: Shares) -> None:
    path = circles.index.base.path
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    copy = path.with_name("copy")
    copy.write_bytes(damaged)
    copy.replace(path)
    again = open_shares(circles.directory)
    assert again.needs_index
    assert search(again, "song") == ([], [])
    asyncio.run(again.scan())
    assert not again.needs_index
    assert search(again, "song")[0] == [OPEN]
    again.close()


def test_a_folder_is_shared_once_and_under_one_name(shares: Shares, tmp_path: Path) -> None:
    share(shares, tmp_path, b"Music")
    for path, name in (
        (tmp_path, b"Other"),
        (tmp_path / "x", b"Music"),
        (tmp_path / "y", b"a\\b"),
        (tmp_path, b""),
    ):
        with pytest.raises(RootRefused):
            share(shares, path, name)


@pytest.mark.slow
def test_searches_go_on_while_another_process_scans(shares: Shares, tmp_path: Path) -> None:
    fill(tmp_path / "music", [f"{n % 40}/{n}.txt" for n in range(400)])
    for n in range(60):
        write_wave(tmp_path / "music" / "w" / f"{n}.wav", 0.1)
    share(shares, tmp_path / "music")
    phases: set[str] = set()

    async def run() -> int:
        searched = 0
        scan = asyncio.create_task(shares.scan(progress=lambda p: phases.add(p.phase)))
        while not scan.done():
            await shares.search("wav", username="bob", limit=10)
            searched += 1
            await asyncio.sleep(0)
        outcome = await scan
        assert outcome.index == "rebuilt"
        assert outcome.roots[0].files == 460
        return searched

    assert asyncio.run(run()) > 10
    assert "walking" in phases
    assert len(search(shares, "wav")[0]) == 60


@pytest.mark.slow
def test_a_scan_can_be_cancelled_and_is_refused_while_another_runs(shares: Shares, tmp_path: Path) -> None:
    fill(tmp_path / "music", ["a.txt"])
    share(shares, tmp_path / "music")

    async def run() -> None:
        with scan_lock(shares.directory), pytest.raises(ScanBusy):
            await shares.scan()
        task = asyncio.create_task(shares.scan())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await shares.scan()

    asyncio.run(run())
    assert shares.counts.files == 1


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_combine(first: bytes, second: bytes) -> None:
    assert combine_adler(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(
        first + second
    )


NAMES = """
東京事変/教育/01 林檎の唄.mp3
東京事変/教育/02 群青日和.mp3
サザンオールスターズ/海/夢 に 消えた.flac
夢/夢.mp3
夢 - 井上陽水/夢の中へ.mp3
王菲/寓言/01 寒武紀.mp3
周杰倫/葉惠美/03-晴天.flac
李宗盛/愛/愛 的 代價 (live).mp3
中島みゆき/時代/時 代.mp3
아이유/꿈/01 밤편지.mp3
방탄소년단/봄날/봄 날.flac
조용필/꿈 의 노래.mp3
คาราบาว/ไฟ/01 เมด อิน ไทยแลนด์.mp3
บอดี้สแลม/ไฟ ป่า.mp3
ก ข/ก.mp3
فيروز/نسم علينا الهوى/في يوم.mp3
אריק איינשטיין/עם/אני ואתה.mp3
लता मंगेशकर/में/ऐ मेरे.mp3
ቴዲ አፍሮ/ፍቅር/ፍቅ.mp3
Mylène Farmer/Ça va/é o.mp3
Μίκης Θεοδωράκης/ΑΣ/ας.mp3
Кино/Ночь/Мы ждём.mp3
"""


def test_one_or_two_characters_find_in_many_scripts_what_the_rule_finds(tmp_path: Path) -> None:
    names = NAMES.split("\n")[1:-1]
    fill(tmp_path / "music", names)
    shares = open_shares(tmp_path / "data")
    share(shares, tmp_path / "music", b"M")
    asyncio.run(shares.scan())
    paths = ["M\\" + name.replace("/", "\\") for name in names]
    text = "".join(paths)
    queries = {text[at : at + size] for at in range(len(text)) for size in (1, 2)}
    queries |= {sign + query for query in queries for sign in ("*", "-", "夢 -")}
    asked = 0
    for query in sorted(queries):
        found = asyncio.run(shares.search(query, username="bob", limit=100)).results
        right = [path for path in paths if matches(parse_query(query), path)] if long_enough(query) else []
        assert sorted(file.filename for file in found) == sorted(right), query
        asked += bool(right)
    assert asked > 150
    shares.close()
