"""Bytes and messages of the Soulseek protocol."""

from __future__ import annotations

from soulmesh.wire import distributed, file, peer, peer_init, structs, to_client, to_server

__all__ = ["distributed", "file", "peer", "peer_init", "structs", "to_client", "to_server"]
