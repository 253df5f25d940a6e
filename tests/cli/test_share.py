"""soulmesh share, as typed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from soulmesh.client.shares import Named, Root, searching
from soulmesh.client.shares.explain import _closed
from soulmesh.client.shares.index import Effort
from tests.cli.conftest import Command, Outcome
from tests.client.shares.support import fill, open_shares, write_wave


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "Music"
    write_wave(folder / "Böhm" / "honey [live].wav", 2)
    fill(folder, ["Böhm/cover.jpg", "notes.txt"])
    fill(folder, ["empty.mp3"], b"")
    return folder


@pytest.fixture
def share(soulmesh: Command, tmp_path: Path) -> Command:
    def run(command: str, *arguments: str) -> Outcome:
        return soulmesh("share", command, "--data", str(tmp_path / "data"), *arguments)

    return run


def lines(outcome: Outcome) -> list[dict[str, object]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


@pytest.fixture
def scanned(share: Command, music: Path) -> Command:
    assert share("add", str(music)).code == 0
    outcome = share("scan", "--readers", "1")
    assert outcome.code == 0, outcome.err
    return share


def test_a_folder_is_shared_scanned_and_listed(share: Command, music: Path) -> None:
    added = share("add", str(music), "--for", "friends", "--locked", "--exclude", "*.txt", "--json")
    assert lines(added)[0]["for"] == "friends (others see it locked)"
    (outcome,) = lines(share("scan", "--json"))
    assert (outcome["files"], outcome["added"], outcome["problems"]) == (3, 3, 1)
    (root,) = lines(share("list", "--json"))
    assert (root["name"], root["path"], root["files"], root["state"]) == ("Music", str(music), 3, "online")
    assert "1 (0 offline)" in share("status").out
    (facts,) = lines(share("status", "--json"))
    assert (facts["indexed"], facts["public_files"], facts["problems"]) == (3, 0, 1)
    (problem,) = lines(share("status", "--problems", "--json"))
    assert problem == {"root": "Music", "path": "empty.mp3", "reason": "the file is empty"}


def test_scan_tells_what_it_found(scanned: Command, music: Path) -> None:
    (music / "notes.txt").unlink()
    outcome = scanned("scan")
    assert outcome.code == 0
    assert "GONE" in outcome.out
    assert "index updated" in outcome.err


def test_a_scan_that_loses_too_much_says_so_and_obeys_yes(scanned: Command, music: Path) -> None:
    for name in ("Böhm/honey [live].wav", "Böhm/cover.jpg", "notes.txt"):
        (music / name).unlink()
    fill(music, ["another.txt"])
    for n in range(4):
        fill(music, [f"more{n}.txt"])
    scanned("scan")
    for n in range(4):
        (music / f"more{n}.txt").unlink()
    (music / "another.txt").unlink()
    outcome = scanned("scan")
    assert outcome.code == 2
    assert "gone from the disk" in outcome.err
    assert "--yes" in outcome.err
    assert scanned("scan", "--yes").code == 0
    (facts,) = lines(scanned("status", "--json"))
    assert (facts["indexed"], facts["held_back"]) == (1, 0)


def test_a_wrong_drive_with_as_many_files_loses_nothing_unasked(scanned: Command, music: Path) -> None:
    fill(music, [f"{n}.txt" for n in range(20)])
    scanned("scan")
    for n in range(20):
        (music / f"{n}.txt").rename(music.parent / f"{n}.txt")
        fill(music, [f"other {n}.txt"])
    outcome = scanned("scan")
    assert (outcome.code, "20 files of Music are gone" in outcome.err) == (2, True)
    found = scanned("explain", str(music / "3.txt"))
    assert (found.code, "soulmesh share scan --yes" in found.out) == (3, True)


def test_what_is_hardly_meant_needs_an_answer(scanned: Command, music: Path) -> None:
    refused = scanned("add", "/")
    assert (refused.code, "whole disk" in refused.err, "--yes" in refused.err) == (2, True, True)
    refused = scanned("add", str(music), "-x", "*")
    assert (refused.code, "leaves out 4 of its 4 files" in refused.err) == (2, True)
    assert lines(scanned("list", "--json"))[0]["exclude"] == []
    refused = scanned("add", str(music), "-x", "[bad")
    assert (refused.code, "never closed" in refused.err) == (2, True)
    assert scanned("add", str(music), "-x", "*", "--yes").code == 0
    assert scanned("scan").code == 0
    assert lines(scanned("status", "--json"))[0]["indexed"] == 0


def test_what_the_settings_share_is_known_to_all_commands(
    share: Command, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "away"
    # One that is named twice is shared once.
    monkeypatch.setenv("SOULMESH_SHARES_FOLDERS", json.dumps([str(music), f"{music}/", str(away)]))
    assert [row["name"] for row in lines(share("list", "--json"))] == ["Music"]
    assert share("scan").code == 0
    assert lines(share("explain", str(music / "notes.txt"), "--json"))[0]["offered"]
    refused = share("remove", "Music", "--yes")
    assert (refused.code, "take it out of shares.folders" in refused.err) == (2, True)
    # However it is offered, it goes when the settings no longer name it.
    assert share("add", str(music), "--for", "friends").code == 0
    monkeypatch.delenv("SOULMESH_SHARES_FOLDERS")
    assert lines(share("list", "--json")) == []
    assert share("remove", "Music", "--yes").code == 3


def test_a_part_that_is_shared_apart_leaves_the_folder_around_it_with_its_first_scan(
    scanned: Command, music: Path
) -> None:
    assert scanned("add", str(music / "Böhm"), "--for", "friends").code == 0
    assert [row["root"] for row in lines(scanned("scan", "Böhm", "--json"))] == ["Böhm", "Music"]
    assert "honey" not in scanned("browse-as", "nobody").out
    assert [row["root"] for row in lines(scanned("scan", "Böhm", "--json"))] == ["Böhm"]


def test_what_somebody_shared_stays_when_the_settings_no_longer_name_it(
    share: Command, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert share("add", str(music)).code == 0
    monkeypatch.setenv("SOULMESH_SHARES_FOLDERS", json.dumps([str(music), str(other)]))
    assert [row["name"] for row in lines(share("list", "--json"))] == ["Music", "other"]
    monkeypatch.delenv("SOULMESH_SHARES_FOLDERS")
    assert [row["name"] for row in lines(share("list", "--json"))] == ["Music"]


def test_what_the_last_run_of_a_daemon_shared_is_for_the_next_one_to_say(
    share: Command, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shares = open_shares(data / "shares")
    shares.save_root(Root(0, b"Music", music, named=Named.BY_RUN))
    shares.close()
    # Its own options may have named it.
    assert [row["name"] for row in lines(share("list", "--json"))] == ["Music"]
    monkeypatch.setenv("SOULMESH_SHARES_FOLDERS", json.dumps([str(music)]))
    assert [row["name"] for row in lines(share("list", "--json"))] == ["Music"]
    monkeypatch.delenv("SOULMESH_SHARES_FOLDERS")
    # While one runs, no command changes what it shares.
    (data / "daemon.json").touch()
    assert [row["name"] for row in lines(share("list", "--json"))] == ["Music"]
    (data / "daemon.json").unlink()
    assert lines(share("list", "--json")) == []


def test_a_query_that_nobody_answers_is_told_from_one_that_finds_nothing(scanned: Command) -> None:
    for query, said in (("no", "one or two letters"), ("-honey -notes", "only says what to leave out")):
        found = scanned("search", "--", query)
        assert (found.code, said in found.err) == (3, True)


def test_a_name_that_cannot_be_given_any_more_is_refused(scanned: Command, music: Path) -> None:
    for option in (["--anonymous"], ["--name", "Other"]):
        refused = scanned("add", str(music), *option)
        assert (refused.code, "remove it first to change the name" in refused.err) == (2, True)
    both = scanned("add", str(music.parent), "--anonymous", "--name", "Other")
    assert (both.code, "a folder has one name" in both.err) == (2, True)


def test_a_search_that_is_too_dear_is_told_from_one_that_finds_nothing(
    share: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        (folder / f"album {number}.track").touch()
    share("add", str(folder))
    share("scan")
    monkeypatch.setattr(searching, "Effort", lambda _: Effort(100))
    dear = share("search", "album-track", "--json")
    assert (dear.code, dear.out, "would cost too much" in dear.err) == (1, "", True)


def test_an_exclusion_that_leaves_out_nothing_says_so(scanned: Command, music: Path) -> None:
    told = scanned("add", str(music), "--yes", "-x", "Bo\u0308hm/*.jpg", "-x", "*.nfo")
    assert told.err.splitlines()[0] == "*.nfo leaves out none of the files that are known"
    assert "jpg" not in told.err
    assert "*.nfo" not in scanned("add", str(music), "--exclude", "*.nfo").err


def test_a_lock_stays_until_it_is_taken_off(scanned: Command, music: Path) -> None:
    def audience(*arguments: str) -> object:
        outcome = scanned("add", str(music), *arguments, "--json")
        assert outcome.code == 0, outcome.err
        return lines(outcome)[0]["for"]

    refused = scanned("add", str(music), "--locked")
    assert (refused.code, "--for friends" in refused.err) == (2, True)
    assert audience("--for", "friends", "--locked") == "friends (others see it locked)"
    assert audience("--for", "user:bob") == "user:bob (others see it locked)"
    assert audience("-x", "*.tmp") == "user:bob (others see it locked)"
    assert {row["locked"] for row in lines(scanned("browse-as", "eve", "Music", "--json"))} == {True}
    assert "locked" in scanned("browse-as", "eve", "Music").out
    assert "locked" not in scanned("browse-as", "bob", "Music").out
    assert audience("--not-locked") == "user:bob"
    assert scanned("browse-as", "eve", "Music").code == 3


def test_after_the_last_folder_is_removed_no_name_is_left(scanned: Command, tmp_path: Path) -> None:
    assert scanned("remove", "Music", "--yes").code == 0
    (facts,) = lines(scanned("status", "--json"))
    assert (facts["indexed"], facts["files"], facts["public_folders"], facts["problems"]) == (0, 0, 0, 0)
    (index,) = (tmp_path / "data" / "shares").glob("index-*")
    assert b"honey" not in index.read_bytes()


def test_searching_as_others_do(scanned: Command) -> None:
    (found,) = lines(scanned("search", "--json", "--", "*oney", "-flac"))
    assert found == {
        "path": "Music\\Böhm\\honey [live].wav",
        "size": 32044,
        "attributes": {"1": 2, "4": 8000, "5": 16},
        "locked": False,
    }
    assert "0:02, 8000 Hz, 16 bit" in scanned("search", "honey").out
    nothing = scanned("search", "nothing")
    assert (nothing.code, nothing.err.splitlines()[-1]) == (3, "error: no shared file matches")
    assert scanned("search", "honey", "--phrase", "BÖHM").code == 3


def test_a_search_that_finds_nothing_says_when_a_scan_is_due(share: Command, music: Path) -> None:
    share("add", str(music))
    nothing = share("search", "honey")
    assert (nothing.code, "soulmesh share scan" in nothing.err) == (3, True)
    share("scan", "--readers", "1")
    assert "soulmesh share scan" not in share("search", "nothing").err


def test_browsing_as_somebody(scanned: Command, music: Path) -> None:
    assert [(r["name"], r["files"]) for r in lines(scanned("browse-as", "bob", "--json"))] == [
        ("Music", 2),
        ("Music\\Böhm", 2),
    ]
    files = lines(scanned("browse-as", "bob", "Music\\Böhm", "--json"))
    assert [f["name"] for f in files] == ["cover.jpg", "honey [live].wav"]
    assert scanned("browse-as", "bob", "Nowhere").code == 3
    assert scanned("add", str(music), "--for", "friends").code == 0
    assert lines(scanned("browse-as", "bob", "--json")) == []
    assert len(lines(scanned("browse-as", "bob", "--friend", "--json"))) == 2
    assert scanned("add", str(music), "--for", "group:band", "--locked").code == 0
    assert {r["locked"] for r in lines(scanned("browse-as", "bob", "--json"))} == {True}
    assert {r["locked"] for r in lines(scanned("browse-as", "bob", "--group", "band", "--json"))} == {False}


def test_friends_are_those_on_the_list_of_the_client(scanned: Command, music: Path, tmp_path: Path) -> None:
    assert scanned("add", str(music), "--for", "friends").code == 0
    for place in (tmp_path / "data", tmp_path / "data" / "client"):
        assert lines(scanned("browse-as", "eve", "--json")) == []
        place.mkdir(exist_ok=True)
        (place / "people.json").write_text('{"friends": ["eve"]}', encoding="utf-8")
        assert len(lines(scanned("browse-as", "eve", "--json"))) == 2
        assert lines(scanned("search", "honey", "--as", "eve", "--json"))
        (place / "people.json").write_text("[1, 2", encoding="utf-8")
    assert scanned("search", "honey", "--as", "eve").code == 3


def test_groups_are_those_of_the_settings(
    scanned: Command, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOULMESH_TRANSFERS_GROUPS", '{ band = { users = ["gina"] } }')
    known = scanned("add", str(music), "--for", "group:band", "--for", "group:privileged")
    assert (known.code, known.err) == (0, "")
    assert lines(scanned("search", "honey", "--as", "gina", "--json"))
    assert len(lines(scanned("browse-as", "gina", "--json"))) == 2
    assert scanned("search", "honey", "--as", "eve").code == 3
    assert lines(scanned("search", "honey", "--as", "eve", "--group", "privileged", "--json"))

    assert "no group choir: transfers.groups" in scanned("add", str(music), "--for", "group:choir").err
    assert scanned("search", "honey", "--as", "gina").code == 3
    assert scanned("add", str(music), "--for", "group:default").code == 0
    assert lines(scanned("search", "honey", "--as", "eve", "--json"))
    assert scanned("search", "honey", "--as", "gina").code == 3


def test_settings_say_where_data_is_and_what_may_be_lost(
    soulmesh: Command, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SOULMESH_SHARES_LOSE_AT_MOST", "1")
    fill(music, [f"{n}.txt" for n in range(20)])
    soulmesh("share", "add", str(music))
    assert soulmesh("share", "scan").code == 0
    assert (tmp_path / "elsewhere" / "shares" / "shares.sqlite").exists()
    for n in range(20):
        (music / f"{n}.txt").unlink()
    assert soulmesh("share", "scan").code == 0
    assert '"indexed": 4' in soulmesh("share", "status", "--json").out


def test_explaining_why_a_file_is_offered_and_why_not(scanned: Command, music: Path, tmp_path: Path) -> None:
    def reason(path: object, code: int) -> str:
        outcome = scanned("explain", str(path), "--json")
        assert outcome.code == code, outcome
        return str(lines(outcome)[0]["reason"])

    assert reason(music / "notes.txt", 0) == "shared with everyone"
    assert reason("Music\\Böhm\\cover.jpg", 0) == "shared with everyone"
    assert "2 shared files" in reason(music / "Böhm", 0)
    assert "2 shared files" in reason("Music\\Böhm", 0)
    assert reason("Music\\nowhere\\at all", 3) == "not in the index"
    assert reason(tmp_path, 3) == "it lies in no shared folder"
    assert reason("Music\\nothing.mp3", 3) == "not in the index"
    assert reason(music / "gone.mp3", 3) == "there is no such file"
    fill(music, ["new.mp3", ".hidden/x.mp3", "skip.bak"])
    (music / "link").symlink_to(tmp_path)
    assert reason(music / "new.mp3", 3) == "it has not been scanned yet"
    assert "begins with a dot" in reason(music / ".hidden" / "x.mp3", 3)
    assert "symbolic link" in reason(music / "link", 3)
    scanned("add", str(music), "--exclude", "*.bak", "--links", "inside")
    assert "excluded by" in reason(music / "skip.bak", 3)
    assert "leads out" in reason(music / "link", 3)
    (music / "notes.txt").unlink()
    assert "no longer on the disk" in reason("Music\\notes.txt", 3)
    music.rename(tmp_path / "away")
    assert "offline" in reason("Music\\Böhm\\cover.jpg", 3)
    shown = scanned("explain", "Music\\empty.mp3").out
    assert "not readable" in shown
    assert "the file is empty" in shown


def test_a_file_that_cannot_be_opened_is_named_when_it_is_explained(
    scanned: Command, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "directory" in str(_closed(str(music)))
    assert _closed(str(music / "notes.txt")) is None
    # Whoever runs tests may open everything.
    monkeypatch.setattr("soulmesh.client.shares.explain._closed", lambda path: "Permission denied")
    shown = scanned("explain", str(music / "notes.txt"))
    assert (shown.code, "so searches name it" in shown.out) == (3, True)
    assert "Permission denied: who asks for it gets 'File read error.'" in shown.out


def test_removing_needs_an_answer(scanned: Command, music: Path) -> None:
    refused = scanned("remove", "Music")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert scanned("remove", str(music), "--yes").code == 0
    assert scanned("remove", "Music", "--yes").code == 3
    assert lines(scanned("list", "--json")) == []
    assert scanned("scan").code == 3


def test_names_can_be_chosen_and_are_never_used_twice(share: Command, tmp_path: Path) -> None:
    for name in ("a/Music", "b/Music", "c/Music"):
        fill(tmp_path, [f"{name}/x.txt"])
    share("add", str(tmp_path / "a" / "Music"))
    share("add", str(tmp_path / "b" / "Music"))
    share("add", str(tmp_path / "c" / "Music"), "--anonymous")
    names = [str(root["name"]) for root in lines(share("list", "--json"))]
    assert names[1:] == ["Music", "Music 2"]
    assert names[0].startswith("@@")
    assert len(names[0]) == 7
    assert share("add", str(tmp_path / "c"), "--name", "Music").code == 2
    assert share("add", str(tmp_path / "a" / "Music"), "--name", "Other").code == 2
    assert share("add", str(tmp_path / "nowhere")).code == 2
    wrong = share("add", str(tmp_path / "c"), "--for", "nobody")
    assert (wrong.code, "none of everyone" in wrong.err) == (2, True)


def test_a_folder_that_is_no_utf_8_is_shown_the_same_everywhere(share: Command, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff")
    fill(Path(folder), ["song.txt"])
    shown = f"{tmp_path}/odd\\xff"
    added = share("add", folder)
    # Its name as others see it, its path as it is on the disk.
    assert f"{shown} is shared as oddÿ" in added.out
    assert "oddÿ" in share("scan").out
    assert lines(share("list", "--json"))[0]["path"] == shown
    assert lines(share("explain", f"{folder}/song.txt", "--json"))[0]["path"] == f"{shown}/song.txt"
    assert "Stop sharing oddÿ (1 files)?" in share("remove", folder).err
    assert lines(share("remove", folder, "--yes", "--json")) == [
        {"removed": "oddÿ", "path": shown, "files": 1}
    ]


def test_names_that_are_no_utf_8_can_be_shown(share: Command, music: Path) -> None:
    with open(os.path.join(os.fsencode(music), b"caf\xe9.txt"), "wb") as file:
        file.write(b"x")
    share("add", str(music))
    share("scan")
    assert "café.txt" in share("search", "café").out
    assert lines(share("search", "café", "--json"))[0]["path"] == "Music\\café.txt"
