"""Names of the disk that are no UTF-8, as people and other programs see them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soulmesh.daemon.written import to_json, to_text
from soulmesh.net.names import showable, shown_path

ODD = os.fsdecode(b"/music/odd\xff\xe9")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/music/Böhm 音楽", "/music/Böhm 音楽"),
        (ODD, r"/music/odd\xff\xe9"),
        (Path(ODD), r"/music/odd\xff\xe9"),
        (os.fsdecode(b"B\xc3\xb6hm\xff"), r"Böhm\xff"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_bytes_that_are_no_utf_8_are_shown_as_such(path: str | Path, shown: str) -> None:
    assert shown_path(path) == shown


def test_json_is_written_whatever_a_path_holds() -> None:
    value = {"path": ODD, "all": [ODD, "ü", 1, None], ODD: (1.5, True)}
    odd = rb"/music/odd\\xff\\xe9"
    assert to_json(value) == b'{"path":"%s","all":["%s","\xc3\xbc",1,null],"%s":[1.5,true]}' % (odd, odd, odd)
    assert to_text(value).encode() == to_json(value)
    assert to_text({"path": "ü"}) == '{"path":"ü"}'
    assert showable({"same": ("ü", 2)}) == {"same": ["ü", 2]}
