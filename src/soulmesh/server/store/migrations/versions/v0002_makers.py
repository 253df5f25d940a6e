"""Whose account made a room, for the limit of rooms per account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Owners have made their rooms; who made the others is not known any more."""
    op.add_column("rooms", sa.Column("maker", sa.LargeBinary))
    op.execute("UPDATE rooms SET maker = owner")


def downgrade() -> None:
    """Forget it."""
    op.drop_column("rooms", "maker")
