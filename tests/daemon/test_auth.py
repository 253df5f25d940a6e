"""A login lasts as long as the name and the password with which it was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from soulmesh.daemon.http.auth import Authenticator, Logins

KEY = b"k" * 32


class Clock:
    """Wall time that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def door(
    clock: Clock, username: str = "admin", password: str = "correct horse", key: bytes = KEY
) -> Authenticator:
    return Authenticator(enabled=True, keys=[], logins=Logins(username, password, key), wall_clock=clock)


def headers(made: Authenticator) -> dict[str, str]:
    answer = made.log_in("admin", "correct horse")
    assert answer is not None
    return {"authorization": f"Bearer {answer['token']}"}


def test_a_login_outlives_a_restart_and_ends_after_its_time() -> None:
    clock = Clock()
    bearer = headers(door(clock))
    assert door(clock).identify(bearer, "127.0.0.1") is not None
    clock.now += timedelta(days=6)
    assert door(clock).identify(bearer, "127.0.0.1") is not None
    clock.now += timedelta(days=2)
    assert door(clock).identify(bearer, "127.0.0.1") is None


@pytest.mark.parametrize("changed", [{"password": "another"}, {"username": "root"}, {"key": b"x" * 32}])
def test_another_password_name_or_key_ends_every_login(changed: dict[str, str]) -> None:
    """Who changes a password that leaked shuts the door on whoever has it."""
    clock = Clock()
    bearer = headers(door(clock))
    assert door(clock, **changed).identify(bearer, "127.0.0.1") is None  # type: ignore[arg-type]
