"""Lists of wishes as people have them, and the words that find them."""

from __future__ import annotations

from pathlib import Path

import pytest

from soulmesh.cli.lists import queries, words_for
from soulmesh.errors import ConfigError


def of(folder: Path, text: str, name: str = "wishes.csv", *, album: bool = False) -> list[str]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return queries(path, album=album)


def test_a_list_has_a_wish_on_each_line(tmp_path: Path) -> None:
    text = "# mine\nfirst song\n\nsecond, song\nfirst song\n"
    assert of(tmp_path, text, "wishes.txt") == ["first song", "second, song"]
    assert of(tmp_path, "Band\nAlbum\n", "wishes") == ["Band", "Album"]
    assert of(tmp_path, "", "wishes.txt") == []


def test_a_table_has_columns_of_artist_and_title_or_album(tmp_path: Path) -> None:
    table = "Album,Title,Artist\nPost,Hyper,Björk\nPost,Isobel,Björk\n,,\nPost,,Björk\n"
    assert of(tmp_path, table) == ["Björk Hyper", "Björk Isobel"]
    assert of(tmp_path, table, album=True) == ["Björk Post"]
    assert of(tmp_path, "artist,album\nBjörk,Post\n", "wishes") == ["Björk Post"]
    assert of(tmp_path, "artist\nBjörk\n") == ["Björk"]


def test_tables_of_other_programs_are_understood(tmp_path: Path) -> None:
    exported = (
        '"Track URI","Track Name","Artist Name(s)","Album Name"\n'
        '"spotify:1","Foghorn, Pt. 2","Gull Street;Somebody","Harbour Lamps"\n'
    )
    assert of(tmp_path, exported) == ["Gull Street Foghorn, Pt. 2"]
    assert of(tmp_path, "artist;title\nGull Street;Foghorn\n") == ["Gull Street Foghorn"]
    assert of(tmp_path, "Artist\tSong\nGull Street\tFoghorn\n", "wishes.tsv") == ["Gull Street Foghorn"]
    assert of(tmp_path, "\ufeffartist|track_name\nGull Street|Foghorn\n", "wishes") == ["Gull Street Foghorn"]


def test_a_table_without_such_a_column_is_refused_and_nothing_searched_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column of 'uri,length' is called artist, title or album"):
        of(tmp_path, "uri,length\nspotify:1,200\n")
    with pytest.raises(ConfigError, match="cannot read"):
        queries(tmp_path / "missing")
    with pytest.raises(ConfigError, match="cannot read"):
        of(tmp_path, "artist,title\n" + "x" * 200_000 + ",y\n")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("artist - title", "artist title"),
        ("Gull Street The Long, Pier", "Gull Street The Long Pier"),
        ('"gull street" ebb', "gull street ebb"),
        ("gull street, ebb and flood (2011 Remaster)", "gull street ebb and flood"),
        ("Gull Street Foghorn - Remastered 2011", "Gull Street Foghorn"),
        ("Gull Street Foghorn [feat. Somebody]", "Gull Street Foghorn"),
        ("Gull Street Foghorn (Live at the Pier)", "Gull Street Foghorn Live at the Pier"),
        ("it's_late", "it s late"),
        ("foghorn -live *ocean", "foghorn -live *ocean"),
        ("Ísland Ólafur", "Ísland Ólafur"),
        ("!!!", "!!!"),
        ("Bonus - Remaster", "Bonus"),
    ],
)
def test_signs_are_not_searched_for_nor_what_shops_add(wish: str, words: str) -> None:
    assert words_for(wish) == words
