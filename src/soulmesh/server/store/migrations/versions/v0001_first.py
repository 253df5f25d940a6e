"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("admin", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("privileged_until", sa.BigInteger, nullable=False),
        sa.Column("supporter", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("speed", sa.BigInteger, nullable=False),
        sa.Column("uploads", sa.BigInteger, nullable=False),
        sa.Column("files", sa.BigInteger, nullable=False),
        sa.Column("folders", sa.BigInteger, nullable=False),
        sa.Column("invites", sa.Boolean(create_constraint=False), nullable=False),
    )
    op.create_table(
        "interests",
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("hated", sa.Integer, primary_key=True),
    )
    op.create_table(
        "messages",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("receiver", sa.LargeBinary, nullable=False),
        sa.Column("sender", sa.LargeBinary, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rooms",
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.LargeBinary),
        sa.Column("was_public", sa.Boolean(create_constraint=False), nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("operator", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tickers",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("ticker", sa.LargeBinary, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "bans",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("banned_by", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for table in (
        "accounts",
        "interests",
        "messages",
        "rooms",
        "members",
        "tickers",
        "bans",
        "settings",
        "audit",
    ):
        op.drop_table(table)
