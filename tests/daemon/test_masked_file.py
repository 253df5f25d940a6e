"""The configuration file is shown without secrets, and what comes back masked stays as it is."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh import settings as reading
from soulmesh.config import Settings
from soulmesh.daemon.masked_file import masked_file, unmasked_file

FILE = (
    r"""# Who we are.
[account]
username = "mira" # password = "once-hunter1"
password = 'hunter\2'

[network]
proxy = "socks5://me:hunter3@192.0.2.9:1080" # not "yet" a # in it
[web]
"api_key" = "hunter4-hunter4-hunter4"
password = """
    + '"""\nhunter5 "quoted" # no comment\n"""'
    + r"""
api_keys."my 'odd' key" = { key = "hunter6 \"x\" \u00e9", role = "ReadOnly" }
api_keys.other.key = 'hunter7-hunter7-hunter7'
#api_keys.third.key = "hunter8-hunter8-hunter8"

[webhooks.done]
url = "https://example.org/hook?token=hunter9"
on = ["Any"] # say "Any" for all
headers = { Authorization = "Bearer hunter10", "X-Kind" = "hunter11" }
secret = "hunter12"
# headers = { Authorization = "Bearer hunter13" }
[scripts.louder]
executable = "/usr/bin/say"
args = ["--token", "hunter14"]
[scripts]
quiet = { command = "curl -H 'X: hunter15' https://example.org" }
[metrics]
password = ""
"""
)


def test_no_secret_is_shown_however_it_is_written_and_all_else_is() -> None:
    shown = masked_file(FILE)
    assert "hunter" not in shown
    assert shown.count("*****") == 16
    found = tomllib.loads(shown)
    assert found["account"] == {"username": "mira", "password": "*****"}
    assert found["web"]["api_keys"]["my 'odd' key"] == {"key": "*****", "role": "ReadOnly"}
    assert found["webhooks"]["done"]["url"] == "https://example.org/*****"
    assert found["webhooks"]["done"]["headers"] == {"Authorization": "*****", "X-Kind": "*****"}
    assert found["scripts"]["louder"] == {"executable": "/usr/bin/say", "args": ["*****", "*****"]}
    assert found["metrics"] == {"password": ""}, "there is none, and that is no secret"
    for comment in ("# Who we are.", '# not "yet" a # in it', '# say "Any" for all'):
        assert comment in shown


def test_what_comes_back_as_it_was_shown_is_what_it_was() -> None:
    back = unmasked_file(masked_file(FILE), FILE)
    assert tomllib.loads(back) == tomllib.loads(FILE)
    for comment in ('# password = "once-hunter1"', '#api_keys.third.key = "hunter8-hunter8-hunter8"'):
        assert comment in back


def test_a_secret_that_was_written_anew_counts_and_the_others_stay() -> None:
    said = masked_file(FILE).replace('[metrics]\npassword = ""', '[metrics]\npassword = "new"')
    said = said.replace('secret = "*****"', 'secret = "other"').replace("example.org/*****", "example.net/x")
    found = tomllib.loads(unmasked_file(said, FILE))
    assert found["metrics"]["password"] == "new"
    assert found["webhooks"]["done"]["secret"] == "other"
    assert found["webhooks"]["done"]["url"] == "https://example.net/x"
    assert found["account"]["password"] == r"hunter\2"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('[web]\npassword = "*****"', r"web\.password has no value yet"),
        ('[webhooks.new]\nurl = "https://example.org/*****"', r"webhooks\.new\.url: write the whole address"),
        ('[webhooks.new.headers]\nX = "*****"', r"webhooks\.new\.headers\.X has no value yet"),
        ("[web", "Expected"),
    ],
)
def test_a_mask_that_stands_for_nothing_is_refused_by_name(said: str, why: str) -> None:
    for old in ("", "[web", "[account]\npassword = 'x'"):
        with pytest.raises(ValueError, match=why):
            unmasked_file(said, old)


@pytest.mark.parametrize("text", ["[web", "[web]\npassword = 12345678", "[account]\npassword = [1]"])
def test_where_nobody_can_tell_what_is_secret_nothing_is_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expected|is no text"):
        masked_file(text)


def test_the_file_that_explains_itself_is_shown_whole_but_for_what_is_set() -> None:
    text = reading.template(Settings, {"account.password": "hunter2", "web.port": 5031})
    shown = masked_file(text)
    assert "hunter2" not in shown
    assert len(shown.splitlines()) == len(text.splitlines())
    assert unmasked_file(shown, text) == text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXTS, TEXTS, TEXTS)
def test_any_name_and_any_secret_come_back_and_are_never_shown(name: str, secret: str, remark: str) -> None:
    value, key = reading.toml_value(f"s3cret{secret}"), reading.toml_value(name)
    text = f"[account]\nusername = {reading.toml_value(remark)}\npassword = {value}\n"
    text += f"[web.api_keys.{key}]\nkey = {value}\nrole = {reading.toml_value(remark)}\n"
    shown = masked_file(text)
    assert "s3cret" not in shown.replace(reading.toml_value(remark), "").replace(key, "")
    assert tomllib.loads(shown)["account"]["username"] == remark
    assert tomllib.loads(unmasked_file(shown, text)) == tomllib.loads(text)
