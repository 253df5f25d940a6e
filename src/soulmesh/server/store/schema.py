"""The tables of the SQL stores, as SQLAlchemy Core sees them.

Names of users and rooms are bytes: they are identifiers on the wire and need
not be UTF-8. The migrations in :mod:`soulmesh.server.store.migrations` make
these tables; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["metadata"]

metadata = MetaData()

# SQLite numbers rows by itself only for the exact type INTEGER, and 64 bits wide.
_Id = BigInteger().with_variant(Integer(), "sqlite")

Table(
    "accounts",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    Column("password", Text, nullable=False),
    Column("admin", Boolean(create_constraint=False), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("privileged_until", BigInteger, nullable=False),
    Column("supporter", Boolean(create_constraint=False), nullable=False),
    Column("speed", BigInteger, nullable=False),
    Column("uploads", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("folders", BigInteger, nullable=False),
    Column("invites", Boolean(create_constraint=False), nullable=False),
)
Table(
    "interests",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("hated", Integer, primary_key=True),
)
Table(
    "messages",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("receiver", LargeBinary, nullable=False),
    Column("sender", LargeBinary, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("message", LargeBinary, nullable=False),
)
Table(
    "rooms",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    Column("owner", LargeBinary),
    Column("was_public", Boolean(create_constraint=False), nullable=False),
    Column("maker", LargeBinary),
)
Table(
    "members",
    metadata,
    Column("room", LargeBinary, primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    Column("operator", Boolean(create_constraint=False), nullable=False),
    Column("position", BigInteger, nullable=False),
)
Table(
    "tickers",
    metadata,
    Column("room", LargeBinary, primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    Column("ticker", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
)
Table(
    "bans",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("banned_by", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)
Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
