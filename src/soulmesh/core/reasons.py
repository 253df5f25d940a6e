"""What reasons are called: a stable word for a text, for whoever has words in another language.

A reason is kept as the text that was said, by the other side, by the system or
by ourselves, since that is what people search for and other programs compare.
Beside it stands its code. What a peer made up has the code ``other``.
"""

from __future__ import annotations

from soulmesh.core.retry import EXACT, NO_SUCH_USER, PEER_OFFLINE, normal_reason

__all__ = ["CODES", "reason_code"]

_WHOLE = {
    # Of transfers, by our own machines.
    PEER_OFFLINE: "peer_offline",
    NO_SUCH_USER: "no_such_user",
    "the disk is full": "disk_full",
    "the disk has too little room for it": "does_not_fit",
    "the room on the disk is needed by downloads that are running": "room_promised",
    "paused": "paused",
    "refused without a reason": "no_reason",
    "no answer to our attempts to connect": "unreachable",
    "the peer offered the file but opened no connection for it": "no_file_connection",
    "no connection for the file could be opened": "no_file_connection",
    "the peer sent nothing": "sent_nothing",
    "the peer stopped sending": "stopped_sending",
    "the peer stopped receiving": "stopped_receiving",
    "the peer could not upload": "could_not_upload",
    "the peer did not come back": "did_not_come_back",
    "the peer did not answer our offer": "no_answer",
    "the peer did not say where to start": "no_start",
    "the peer never confirmed the end by closing": "not_confirmed",
    "the peer closed the connection": "closed",
    "slower than we allow while others wait": "too_slow",
    "no answer in time": "no_answer",
    "another candidate was found": "new_candidate",
    # Of the connection to the server.
    "not logged in": "not_logged_in",
    "logged out": "logged_out",
    "the server closed the connection": "server_lost",
    "the server does not accept the user name": "wrong_name",
    "the server wants a password": "no_password",
    "wrong password (or the name belongs to somebody else)": "wrong_password",
    "the server does not accept this version of the program": "wrong_version",
    "the server is full, try again later": "server_full",
    "the server takes no new users": "server_private",
    "the account is banned": "account_banned",
    "logged in elsewhere with the same name; the server closed this session": "logged_in_elsewhere",
}
_BEGINNINGS = (
    # slskd writes longer texts ("Too many files this week"), old Nicotine "User limit of 40 files exceeded".
    ("too many ", "too_many"),
    ("user limit of ", "too_many"),
    ("the peer closed the connection after ", "closed_early"),
    ("it is larger than the file that was asked for", "larger"),
    ("cannot reach the server ", "server_unreachable"),
    ("cannot reach ", "unreachable"),
    ("the connection to ", "connection_lost"),
    ("the file is broken: ", "broken_file"),
    ("it could not be saved: ", "not_saved"),
    ("what was on disk is not the beginning of this file", "differed"),
    ("its folder is gone from ", "folder_gone"),
    ("no byte of ", "no_byte"),
    ("cancelled", "cancelled"),
    ("not logged in: ", "not_logged_in"),
    ("the server refused the login", "login_refused"),
    ("the server did not answer ", "server_silent"),
    ("there is no account", "no_account"),
)

CODES = frozenset(
    {
        *(text.replace(" ", "_") for text in EXACT),
        *_WHOLE.values(),
        *(code for _, code in _BEGINNINGS),
        "other",
    }
)
"""Every code that there is."""


def reason_code(reason: str) -> str:
    """A stable word for a reason that is known, ``other`` for one that is not, nothing for none."""
    if not reason:
        return ""
    normal = normal_reason(reason)
    if normal in EXACT:
        return normal.replace(" ", "_")
    whole = _WHOLE.get(normal)
    if whole is not None:
        return whole
    if " did not answer " in normal and not normal.startswith("the server "):
        return "no_answer"
    return next((code for beginning, code in _BEGINNINGS if normal.startswith(beginning)), "other")
