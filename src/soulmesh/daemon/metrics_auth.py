"""Who may read ``/metrics``: a name and a password of their own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from soulmesh.config import Metrics

__all__ = ["may_scrape"]


def may_scrape(settings: Metrics, authorization: str) -> bool:
    """Whether a Basic ``Authorization`` header is right; without a password set, none is."""
    if not settings.authentication:
        return True
    if settings.password is None:
        return False
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    wanted = f"{settings.username}:{settings.password.get_secret_value()}".encode()
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(wanted).digest())
