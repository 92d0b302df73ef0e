"""Work on cases: who does what until when, their history, what each question means, and which letter answers it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index("ix_outbox_question_id", "outbox", ["question_id"])
    op.create_index("ix_cases_answered_at", "cases", ["answered_at"])
    op.create_table(
        "events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("case_id", ROW_ID, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_events_case_id_cases"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_case_id_id", "events", ["case_id", "id"])
    op.create_index("ix_events_at", "events", ["at"])


def downgrade() -> None:
    op.drop_index("ix_events_at", table_name="events")
    op.drop_index("ix_events_case_id_id", table_name="events")
    op.drop_table("events")
    op.drop_index("ix_cases_answered_at", table_name="cases")
    op.drop_index("ix_outbox_question_id", table_name="outbox")
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)


def _added() -> dict[str, list[sa.Column[Any]]]:
    """Without foreign keys: SQLite would have to make each table anew, under the rows that point to it."""
    return {
        "cases": [
            _text("department", 64),
            _text("claimed_by", 64),
            sa.Column("due_at", sa.DateTime(), nullable=True),
            _count("reopened"),
            sa.Column("like_id", sa.BigInteger(), nullable=True),
            sa.Column("merged_into", sa.BigInteger(), nullable=True),
            sa.Column("answer", sa.Text(), nullable=True),
            _text("answered_by", 64),
            sa.Column("answered_at", sa.DateTime(), nullable=True),
            sa.Column("card_id", sa.BigInteger(), nullable=True),
            _count("reminded"),
            _count("ignored_people"),
        ],
        "questions": [
            sa.Column("vector", sa.LargeBinary(), nullable=True),
            _text("encoder", 128),
            sa.Column("nearest", sa.JSON(), nullable=True),
            sa.Column("settled_at", sa.DateTime(), nullable=True),
            _text("satisfaction", 16),
        ],
        "outbox": [sa.Column("question_id", sa.BigInteger(), nullable=True)],
        "conversations": [
            sa.Column("explains", sa.BigInteger(), nullable=True),
            sa.Column("explains_until", sa.DateTime(), nullable=True),
        ],
    }


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False, server_default=sa.text("''"))


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
