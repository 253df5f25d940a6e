"""The settings in other languages than their own: what is translated is a setting that there is."""

from __future__ import annotations

import re
from pathlib import Path

import soulmesh.daemon
from soulmesh.config import Settings
from soulmesh.settings import keys

TEXTS = Path(soulmesh.daemon.__file__).parent / "page" / "js" / "texts"
ENTRY = re.compile(r'^  "?([a-z_.]+)"?: \["(?:[^"\\]|\\.)+", "(?:[^"\\]|\\.)+"\],$')


def test_every_translated_setting_is_one_with_a_name_and_an_explanation() -> None:
    lines = (TEXTS / "keys" / "de.js").read_text(encoding="utf-8").splitlines()
    begin = lines.index("export default {")
    entries = [ENTRY.match(line) for line in lines[begin + 1 : lines.index("};")]]
    assert all(entries), "an entry is no [name, explanation]"
    translated = [found[1] for found in entries if found]
    assert len(translated) == len(set(translated))
    assert sorted(set(translated) - set(keys(Settings))) == []
