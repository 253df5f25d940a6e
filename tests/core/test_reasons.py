"""Codes of reasons: stable words for texts that are known."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import soulmesh.core
from soulmesh.client.errors import LinkLost, LoginRefused, NoReply, PeerUnreachable, ServerUnreachable
from soulmesh.core.reasons import CODES, reason_code

CORE = Path(soulmesh.core.__file__).parent


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("", ""),
        ("Banned", "banned"),
        ("  FILE NOT SHARED.  ", "file_not_shared"),
        ("Too many files this week", "too_many"),
        ("User limit of 40 files exceeded", "too_many"),
        ("the peer closed the connection after 5 of 10 bytes", "closed_early"),
        ("the file is broken: its sound is not what it was", "broken_file"),
        ("my cat sits on it", "other"),
        (str(PeerUnreachable("eve", "refused", None)), "unreachable"),
        (str(LinkLost("eve", "reset")), "connection_lost"),
        (str(NoReply("the request", "eve", 20)), "no_answer"),
        (str(NoReply("the login", "the server", 20)), "server_silent"),
        (str(ServerUnreachable("h", 1, "refused")), "server_unreachable"),
        (str(LoginRefused("INVALIDPASS")), "wrong_password"),
        (str(LoginRefused("SVRFULL")), "server_full"),
        (str(LoginRefused("NOTFORYOU")), "login_refused"),
    ],
)
def test_a_text_has_its_code(said: str, code: str) -> None:
    assert reason_code(said) == code
    assert code == "" or code in CODES


def reasons_of(module: str) -> list[str]:
    """The texts that a machine gives as reasons of its own."""
    found = []
    for node in ast.walk(ast.parse((CORE / module).read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        if node.func.attr in ("lost", "_give_up", "_failed", "_stop"):
            given += node.args
        found += [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return found


@pytest.mark.parametrize("module", ["download.py", "upload.py"])
def test_no_reason_of_ours_is_without_a_code(module: str) -> None:
    said = reasons_of(module)
    assert len(said) >= 6
    assert [one for one in said if reason_code(one) in ("", "other")] == []
