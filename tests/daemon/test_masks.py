"""No reply shows what lets us in at a webhook's receiver."""

from __future__ import annotations

import json

import pytest

from soulmesh.config import Settings
from soulmesh.daemon.knobs import as_said
from soulmesh.daemon.masks import (
    masked_settings,
    masked_url,
    unmasked_headers,
    unmasked_url,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/hook", "https://example.org/*****"),
        ("https://example.org:8443/api/webhooks/12/t0ken?x=1", "https://example.org:8443/*****"),
        ("http://me:t0ken@192.0.2.5:80", "http://192.0.2.5:80/*****"),
        ("http://[2001:db8::1]:80/t0ken", "http://[2001:db8::1]:80/*****"),
        ("https://example.org?token=t0ken", "https://example.org/*****"),
        # Nothing to hide.
        ("https://example.org", "https://example.org"),
        ("http://192.0.2.5:8080/", "http://192.0.2.5:8080/"),
        # No addresses at all.
        ("t0ken", "*****"),
        ("http://[t0ken", "*****"),
        ("http://example.org:t0ken/", "*****"),
        ("", "*****"),
    ],
)
def test_of_an_address_is_shown_where_it_leads(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    assert unmasked_url(shown, url) == url


def test_an_address_is_written_whole_or_left_as_it_was_shown() -> None:
    old = "https://example.org/t0ken"
    assert unmasked_url("https://example.net/other", old) == "https://example.net/other"
    for said in ("https://example.net/*****", "https://example.org/*****/more"):
        with pytest.raises(ValueError, match="whole address"):
            unmasked_url(said, old)
    with pytest.raises(ValueError, match="whole address"):
        unmasked_url("https://example.org/*****", None)


def test_a_header_is_kept_by_its_name() -> None:
    old = {"Authorization": "t0ken", "X-Kind": "done"}
    assert unmasked_headers({"Authorization": "*****", "X-New": "1"}, old) == {
        "Authorization": "t0ken",
        "X-New": "1",
    }
    with pytest.raises(ValueError, match="X-Other has no value"):
        unmasked_headers({"X-Other": "*****"}, old)


def test_settings_as_a_whole_have_no_secret() -> None:
    settings = Settings.model_validate(
        {
            "account": {"username": "mira", "password_command": "echo s3cret"},
            "network": {
                "forwarded_port_command": "curl http://me:s3cret@192.0.2.5",
                "proxy": "socks5://me:s3cret@h:1",
            },
            "web": {"api_key": "s3cret-s3cret-s3cret", "api_keys": {"x": {"key": "s3cret-s3cret-s3cret"}}},
            "webhooks": {
                "x": {"url": "http://me:s3cret@h/s3cret", "headers": {"A": "s3cret"}, "secret": "s3cret"}
            },
            "scripts": {
                "y": {"command": "tell s3cret"},
                "z": {"executable": "/bin/tell", "args": ["s3cret"]},
            },
        }
    )
    shown = json.dumps(masked_settings(settings))
    assert "s3cret" not in shown
    assert "mira" in shown
    assert "http://h/*****" in shown


def test_a_whole_table_of_settings_may_come_back_as_it_is_shown() -> None:
    hook = {"url": "https://example.org/t0ken", "headers": {"X": "t0ken"}, "secret": "t0ken"}
    key = {"key": "t0ken-t0ken-t0ken", "role": "ReadOnly"}
    settings = Settings.model_validate({"webhooks": {"done": hook}, "web": {"api_keys": {"looks": key}}})
    shown = {"url": "https://example.org/*****", "headers": {"X": "*****"}, "secret": "*****"}
    said = {
        "webhooks": {"done": {**shown, "attempts": 3}, "new": {"url": "https://example.net"}},
        "web.api_keys": {"looks": {**key, "key": "*****", "role": "ReadWrite"}},
    }
    assert as_said(said, settings) == {
        "webhooks": {"done": {**hook, "attempts": 3}, "new": {"url": "https://example.net"}},
        "web.api_keys": {"looks": {**key, "role": "ReadWrite"}},
    }
    for wrong in ({"url": "https://a.example", "secret": "*****"}, {"url": "https://a.example/*****"}):
        with pytest.raises(ValueError, match=r"webhooks\.new\.secret|whole address"):
            as_said({"webhooks": {"new": wrong}}, settings)
