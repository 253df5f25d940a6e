"""What a person may not have meant is asked about; patterns that leave out nothing are refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.shares import Audience, Root, RootRefused, ShareSettings
from soulmesh.client.shares.doubts import doubt_about
from soulmesh.client.shares.model import excluder, pattern_problem
from tests.client.shares.support import fill, open_shares, share


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[bad", "its [ is never closed; [[] stands for a bracket"),
        ("a[!]", "its [ is never closed; [[] stands for a bracket"),
        ("x[a-c] [", "its [ is never closed; [[] stands for a bracket"),
        ("[z-a]*", "[z-a] stands for no sign at all"),
        ("a[x/y]", "a slash cannot be between [ and ]"),
        ("../Private", "paths begin below the shared folder, without . and .."),
        ("./Private", "paths begin below the shared folder, without . and .."),
        ("a//b", "a name is missing in it"),
        ("/", "a name is missing in it"),
    ],
)
def test_a_pattern_that_can_leave_out_nothing_is_refused(tmp_path: Path, pattern: str, problem: str) -> None:
    assert pattern_problem(pattern) == problem
    shares = open_shares(tmp_path / "data")
    with pytest.raises(RootRefused, match="would leave out nothing"):
        share(shares, tmp_path, exclude=("*.tmp", pattern))
    assert not shares.roots
    shares.close()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*.tmp", "x.TMP"),
        ("[[]bad", "[bad"),
        ("[]]x", "]x"),
        ("[!]]x", "ax"),
        ("[a-c]?", "bz"),
        ("a]", "a]"),
        ("Artist/*/scans/", "artist/album/scans"),
        ("/Private", "private"),
        ("...", "..."),
    ],
)
def test_a_pattern_that_leaves_out_something_is_taken(pattern: str, name: str) -> None:
    assert pattern_problem(pattern) is None
    assert excluder((pattern,))(name.encode())


def test_a_path_on_disk_is_no_pattern(tmp_path: Path) -> None:
    shares = open_shares(tmp_path / "data")
    with pytest.raises(RootRefused, match="paths begin below the shared folder"):
        share(shares, tmp_path / "music", exclude=(f"{tmp_path}/music/Private",))
    shares.close()


def test_patterns_that_an_older_version_took_do_not_stand_in_the_way_of_other_changes(tmp_path: Path) -> None:
    shares = open_shares(tmp_path / "data")
    root = share(shares, tmp_path / "music")
    shares.store.execute("UPDATE roots SET exclude = ?", ('["[bad"]',))
    again = open_shares(tmp_path / "data")
    (root,) = again.roots
    again.save_root(replace(root, audience=Audience(everyone=False, friends=True)))
    with pytest.raises(RootRefused, match=r"\[worse"):
        again.save_root(replace(root, exclude=("[bad", "[worse")))
    shares.close()
    again.close()


def test_a_folder_that_is_hardly_meant_to_be_shared_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    fill(home, ["Music/x.mp3", "data/shares/y"])
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "link").symlink_to("/")
    ours = home / "data" / "shares"
    assert doubt_about(Path("/"), ours) == doubt_about(tmp_path / "link", ours) == "this is the whole disk"
    assert doubt_about(Path("/etc"), ours) == "this is a folder of the system"
    assert "your whole home" in (doubt_about(home, ours) or "")
    assert "its own data" in (doubt_about(home / "data", ours) or "")
    assert "its own data" in (doubt_about(tmp_path, ours) or "")
    assert doubt_about(home / "Music", ours) is None
    assert doubt_about(tmp_path / "not there", ours) is None


def test_exclusions_of_more_than_a_scan_may_lose_are_asked_about(tmp_path: Path) -> None:
    fill(
        tmp_path / "music", [f"{n}.txt" for n in range(10)] + [f"deep/er/{n}.mp3" for n in range(9)] + [".x"]
    )

    async def scene() -> None:
        shares = open_shares(tmp_path / "data", settings=ShareSettings(readers=1, guard=0.5))
        root = share(shares, tmp_path / "music", hidden=True)

        async def doubt(**how: object) -> str | None:
            (known,) = shares.roots
            return await shares.doubt(replace(known, **how))  # type: ignore[arg-type]

        assert await doubt(exclude=("*",)) is None  # nothing was scanned, nothing can be lost
        await shares.scan()
        assert await doubt(exclude=("*",)) == "this leaves out 20 of its 20 files"
        assert await doubt(exclude=("*.txt", ".x")) == "this leaves out 11 of its 20 files"
        assert await doubt(exclude=("*.txt",)) is None
        assert await doubt(exclude=("deep",)) is None
        assert await doubt(hidden=False) is None
        assert await doubt(exclude=("deep",), hidden=False) is None
        assert await doubt(audience=Audience(everyone=False)) is None
        (known,) = shares.roots
        shares.save_root(replace(known, exclude=("deep",)))
        # What is left out already is not left out anew, scanned or not.
        assert await doubt(exclude=("deep", "[0-8].txt")) is None
        assert await doubt(exclude=("deep", "*.txt", ".x")) == "this leaves out 11 of its 20 files"
        assert root.id == known.id
        shares.close()

    asyncio.run(scene())


def test_a_new_folder_that_is_no_doubt(tmp_path: Path) -> None:
    shares = open_shares(tmp_path / "data")
    assert asyncio.run(shares.doubt(Root(0, b"Music", tmp_path / "music"))) is None
    assert asyncio.run(shares.doubt(Root(0, b"Disk", Path("/")))) == "this is the whole disk"
    shares.close()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("Café", b"Cafe\xcc\x81"),  # as a Mac writes it
        ("Cafe\u0301", "Café".encode()),
        ("CAFÉ*", b"a/cafe\xcc\x81 noir.mp3"),
        ("Caf?", b"Cafe\xcc\x81"),
        ("Straße", b"STRASSE"),
        ("Stra?e", "STRAßE".encode()),
        ("[À-Ö]lan", "Ålan".encode()),
        ("Müll/café", b"M\xc3\xbcll/caf\xe9"),  # others see it so
        ("\udcff*", b"a/\xff.mp3"),
    ],
)
def test_exclusions_are_compared_in_a_common_form(pattern: str, name: bytes) -> None:
    assert excluder((pattern,))(name)
    assert not excluder((pattern,))(name + b"x y/z") or pattern.endswith("*")
