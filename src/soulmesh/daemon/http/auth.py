"""API keys, logins, and what is reachable without either.

Keys and passwords are compared in constant time, and every configured key is
compared with, so that the time of an answer tells nothing. Logins from one
address are slowed down after a few failures.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.identity import NO_AUTHENTICATION, Identity, Role
from soulmesh.errors import ConfigError

__all__ = ["ApiKey", "Attempts", "Authenticator", "Logins", "parse_key"]

ISSUER = "soulmesh"
SKEW = timedelta(minutes=5)
EVERYWHERE = "0.0.0.0/0,::/0"


def _networks(cidr: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    found = []
    for part in cidr.split(","):
        if part.strip():
            try:
                found.append(ipaddress.ip_network(part.strip(), strict=False))
            except ValueError:
                raise ConfigError(f"{part.strip()!r} is no address range", hint="write 10.0.0.0/8") from None
    if not found:
        raise ConfigError("an API key needs at least one address range")
    return tuple(found)


@dataclass(frozen=True)
class ApiKey:
    """A key, what it is called, what it allows and from where."""

    name: str
    key: str = field(repr=False)
    role: Role = Role.READ_ONLY
    cidr: str = EVERYWHERE

    def __post_init__(self) -> None:
        if not 16 <= len(self.key) <= 255:
            raise ConfigError(f"the API key {self.name!r} has to have 16 to 255 characters")
        object.__setattr__(self, "networks", _networks(self.cidr))

    def admits(self, host: str) -> bool:
        """Whether somebody at this address may use the key."""
        try:
            address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        networks: tuple[Any, ...] = self.networks  # type: ignore[attr-defined]
        return any(address.version == network.version and address in network for network in networks)


def parse_key(text: str, name: str = "primary", role: Role = Role.ADMINISTRATOR) -> ApiKey:
    """Read a key that was given as one string: itself, or ``role=ReadWrite;cidr=10.0.0.0/8;KEY``.

    Raises:
        ConfigError: a role, a range or the length is wrong.
    """
    cidr = EVERYWHERE
    *options, key = text.split(";")
    for option in options:
        what, equals, value = option.partition("=")
        if what.strip().lower() == "role" and equals:
            found = Role.named(value)
            if found is None:
                raise ConfigError(f"{value!r} is no role", hint="ReadOnly, ReadWrite, Guest or Administrator")
            role = found
        elif what.strip().lower() == "cidr" and equals:
            cidr = value
        else:
            # A semicolon may be a part of the key itself.
            return ApiKey(name, text, role, EVERYWHERE)
    return ApiKey(name, key, role, cidr)


class Attempts:
    """Failed logins by address: after a few, every further one has to wait longer."""

    FREE = 5
    FIRST = 1.0
    MOST = 300.0
    REMEMBERED = 10_000

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, host: str) -> float:
        """Seconds until somebody at this address may try again."""
        count, at = self._failed.get(host, (0, 0.0))
        if count < self.FREE:
            return 0.0
        pause = min(self.MOST, self.FIRST * 2.0 ** min(count - self.FREE, 20))
        return max(0.0, at + pause - self._clock())

    def failed(self, host: str) -> None:
        """A wrong name or password came from there."""
        count, _ = self._failed.pop(host, (0, 0.0))
        self._failed[host] = (count + 1, self._clock())
        while len(self._failed) > self.REMEMBERED:
            self._failed.popitem(last=False)

    def succeeded(self, host: str) -> None:
        """Who knows the password is not slowed down."""
        self._failed.pop(host, None)


@dataclass(frozen=True)
class Logins:
    """The one login of the page."""

    username: str
    password: str = field(repr=False)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """What tokens are signed with, together with name and password."""
    lifetime: timedelta = timedelta(days=7)

    @property
    def signing_key(self) -> bytes:
        """Another key, name or password logs everybody out."""
        return hmac.new(self.key, f"{self.username}\0{self.password}".encode(), hashlib.sha256).digest()


class Authenticator:
    """Finds out who calls.

    Args:
        enabled: with ``False`` everybody is an administrator.
        keys: the API keys.
        logins: the login, ``None`` if there is none.
        wall_clock: for the times in tokens.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        keys: Iterable[ApiKey],
        logins: Logins | None,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self.enabled = enabled
        self._keys = [(hashlib.sha256(key.key.encode()).digest(), key) for key in keys]
        self._logins = logins
        self._wall_clock = wall_clock

    @property
    def has_login(self) -> bool:
        """Whether there is a name and a password to log in with."""
        return self._logins is not None

    def identify(
        self, headers: Mapping[str, str], host: str, access_token: str | None = None
    ) -> Identity | None:
        """Who this is, ``None`` if nothing that was sent is valid. One valid credential is enough.

        Args:
            headers: of the request.
            host: the address that the request came from.
            access_token: a token or a key out of the query, where that is allowed: a browser has no other
                way to send it with a WebSocket, a picture or a sound.
        """
        if not self.enabled:
            return NO_AUTHENTICATION
        given = headers.get("x-api-key")
        if given is not None:
            found = self._key(given, host)
            if found is not None:
                return found
        scheme, _, token = headers.get("authorization", "").partition(" ")
        tokens = [token.strip()] if scheme.lower() == "bearer" and token.strip() else []
        if access_token:
            tokens.append(access_token)
        for candidate in tokens:
            found = self._token(candidate)
            if found is not None:
                return found
        return self._key(access_token, host) if access_token else None

    def key(self, text: str, host: str) -> Identity | None:
        """Who owns this API key, if it may be used from there."""
        return self._key(text, host) if self.enabled else NO_AUTHENTICATION

    def log_in(self, username: str, password: str) -> dict[str, Any] | None:
        """A token for the right name and password, in the form that ``POST /session`` answers."""
        if not self.enabled:
            # Any token will do, so whoever logs in first and asks later gets one.
            moment = int(self._wall_clock().timestamp())
            return {
                "expires": moment + 7 * 86400,
                "issued": moment,
                "name": NO_AUTHENTICATION.name,
                "notBefore": moment,
                "token": "authentication-is-disabled",
                "tokenType": "Bearer",
            }
        if self._logins is None:
            return None
        # Both are compared, always, and without looking at lengths.
        right_name = _same(username, self._logins.username)
        right_password = _same(password, self._logins.password)
        if not (right_name and right_password):
            return None
        now = self._wall_clock()
        issued = int(now.timestamp())
        expires = int((now + self._logins.lifetime).timestamp())
        claims = {
            "iss": ISSUER,
            "name": self._logins.username,
            "jti": secrets.token_hex(16),
            "role": Role.ADMINISTRATOR.value,
            "iat": issued,
            "nbf": issued,
            "exp": expires,
        }
        return {
            "expires": expires,
            "issued": issued,
            "name": self._logins.username,
            "notBefore": issued,
            "token": jwt.encode(claims, self._logins.signing_key, algorithm="HS256"),
            "tokenType": "Bearer",
        }

    def require_login(self) -> None:
        """There has to be something to log in with.

        Raises:
            HttpError: 403, logins are switched off.
        """
        if self.enabled and self._logins is None:
            raise HttpError(403, "There is no login: set web.username and web.password")

    def _key(self, text: str, host: str) -> Identity | None:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        found: Identity | None = None
        for known, key in self._keys:
            if hmac.compare_digest(digest, known) and key.admits(host):
                found = Identity(key.name, key.role)
        return found

    def _token(self, token: str) -> Identity | None:
        if self._logins is None:
            return None
        try:
            claims = jwt.decode(
                token,
                self._logins.signing_key,
                algorithms=["HS256"],
                issuer=ISSUER,
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "require": ["exp", "nbf", "name"],
                },
            )
        except jwt.PyJWTError:
            return None
        # The times are ours to check: wall time comes from the world, not from the library.
        now = self._wall_clock().timestamp()
        skew = SKEW.total_seconds()
        expires, not_before = claims.get("exp"), claims.get("nbf")
        if not isinstance(expires, int) or not isinstance(not_before, int):
            return None
        if now > expires + skew or now < not_before - skew:
            return None
        return Identity(str(claims["name"]), Role.ADMINISTRATOR, logged_in=True)


def _same(one: str, other: str) -> bool:
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (one, other)]
    return hmac.compare_digest(*digests)
