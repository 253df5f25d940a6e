"""Where files go: whatever a stranger calls them, never outside the folder."""

from __future__ import annotations

from itertools import islice
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh.client.transfers.layout import Layout, incomplete_name, numbered, safe_name
from soulmesh.errors import ConfigError
from soulmesh.wire import text

nasty = st.text() | st.text(alphabet="./\\ \0:a\x1f~\u202e") | st.sampled_from(["..", "CON", "a.", " ", ""])
paths = st.lists(nasty, max_size=20).map("\\".join)


def test_the_default_is_last_remote_folder_and_name() -> None:
    assert Layout().place("eve", r"@@abcde\Music\Artist\Album\01 Song.flac") == PurePath("Album/01 Song.flac")


def test_a_file_without_folder_goes_to_the_users_name() -> None:
    assert Layout().place("eve", "song.mp3") == PurePath("eve/song.mp3")


def test_templates() -> None:
    path = r"Music\Artist\Album\01 Song.flac"
    assert Layout("{username}/{folders}/{name}").place("eve", path) == PurePath(
        "eve/Artist/Album/01 Song.flac"
    )
    assert Layout("{parent} - {folder}/{stem}.{ext}").place("eve", path) == PurePath(
        "Artist - Album/01 Song.flac"
    )


@pytest.mark.parametrize(
    "template",
    [
        "/etc/{name}",
        "../{name}",
        "{name}/..",
        "a//b",
        "{nome}",
        "{name",
        "{name!r}",
        "{name:>9}",
        "a\\{name}",
        "{0}",
        "{}",
        "x{folders}/{name}",
        "{folders}",
        "{name.__class__}",
        "",
    ],
)
def test_bad_templates_are_refused_when_they_are_set(template: str) -> None:
    with pytest.raises(ConfigError):
        Layout(template)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("a/b", "a_b"),
        ("a\\b", "a_b"),
        ("nul", "_nul"),
        ("NUL.txt", "_NUL.txt"),
        ("com1", "_com1"),
        ("console", "console"),
        ("a\0b", "a_b"),
        ("tab\there", "tab_here"),
        ("song\u202e3pm.exe", "song3pm.exe"),
        (".hidden", ".hidden"),
        ("a\ud800b", "a_b"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("end. . .", "end"),
        (" start", "start"),
        ('what? "yes": <no>|*', "what_ _yes__ _no___"),
        ("e\u0301", "\xe9"),
    ],
)
def test_what_the_disk_takes_stays_as_others_wrote_it(name: str, portable: str) -> None:
    """Programs that speak slskd's API reckon the place of a file from its remote name."""
    assert safe_name(name) == name
    assert safe_name(name, portable=True) == portable
    assert Layout().place("eve", rf"Music\{name}\01.flac") == PurePath(name, "01.flac")
    assert Layout(portable=True).place("eve", rf"Music\{name}\01.flac") == PurePath(portable, "01.flac")


def test_names_in_latin_1_keep_their_letters_and_windows_quotes() -> None:
    assert safe_name(text(b"Bj\xf6rk \x96 Jog.mp3")) == "Björk – Jog.mp3"


def test_long_names_are_cut_before_the_extension() -> None:
    safe = safe_name("ä" * 300 + ".flac")
    assert len(safe.encode()) <= 240
    assert safe.endswith("ä.flac")


@given(st.text(), paths, st.booleans())
def test_no_path_leaves_the_folder(username: str, remote_path: str, portable: bool) -> None:
    root = Path("/downloads")
    wrong = set('/\\\0<>:"|?*') if portable else set("/\\\0")
    for template in ("{folder}/{name}", "{username}/{folders}/{parent}{ext}", "{stem}"):
        place = Layout(template, portable=portable).place(username, remote_path)
        assert not place.is_absolute()
        for part in place.parts:
            assert part not in ("", ".", "..")
            assert not set(part) & wrong
            assert len(part.encode()) <= 255
            assert not portable or part == part.rstrip(". ")
        assert len(str(place).encode()) <= 4000
        assert (root / place).resolve().is_relative_to(root)


@given(nasty, st.booleans())
def test_a_safe_name_is_already_safe(name: str, portable: bool) -> None:
    safe = safe_name(name, portable=portable)
    assert safe_name(safe, portable=portable) == safe


@given(st.text(max_size=10), paths, st.text(max_size=10), paths)
def test_incomplete_files_never_collide(user: str, path: str, other: str, other_path: str) -> None:
    name = incomplete_name(user, path)
    assert len(name.encode()) <= 255
    assert "/" not in name
    assert (name == incomplete_name(other, other_path)) == ((user, path) == (other, other_path))


def test_the_same_name_in_other_bytes_is_another_file() -> None:
    assert incomplete_name("eve", text(b"a\\\xe9.mp3")) != incomplete_name("eve", text("a\\é.mp3".encode()))


def test_clashes_are_numbered() -> None:
    assert list(islice(numbered("song.mp3"), 3)) == ["song.mp3", "song (2).mp3", "song (3).mp3"]
    assert list(islice(numbered("folder"), 2)) == ["folder", "folder (2)"]
    long = safe_name("x" * 300 + ".mp3")
    assert all(len(name.encode()) <= 255 for name in islice(numbered(long), 120))
