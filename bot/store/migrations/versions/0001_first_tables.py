"""Questions on record, the inbox, conversations, the smallest case, the outbox, leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cases"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cases_state_opened_at", "cases", ["state", "opened_at"])
    op.create_table(
        "conversations",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("script", sa.String(length=4), nullable=False),
        sa.Column("chosen_script", sa.String(length=4), nullable=False),
        sa.Column("pending", sa.JSON(), nullable=False),
        sa.Column("about", sa.String(length=128), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("blocked_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.UniqueConstraint("channel", "chat_id", "user_id", name="uq_conversations_channel_chat_id_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "updates",
        sa.Column("bot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("update_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bot_id", "update_id", name="pk_updates"),
    )
    op.create_index("ix_updates_received_at", "updates", ["received_at"])
    op.create_index("ix_updates_state_update_id", "updates", ["state", "update_id"])
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", ROW_ID, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("message", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_outbox_conversation_id_conversations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_conversation_id_state", "outbox", ["conversation_id", "state"])
    op.create_index("ix_outbox_state_id", "outbox", ["state", "id"])
    op.create_table(
        "questions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("update_key", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", ROW_ID, nullable=False),
        sa.Column("parent_id", ROW_ID, nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("intent", sa.String(length=128), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("above_answer", sa.Float(), nullable=False),
        sa.Column("above_offer", sa.Float(), nullable=False),
        sa.Column("content_version", sa.String(length=32), nullable=False),
        sa.Column("reply", sa.JSON(), nullable=True),
        sa.Column("replied_at", sa.DateTime(), nullable=True),
        sa.Column("feedback", sa.String(length=16), nullable=False),
        sa.Column("case_id", ROW_ID, nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_questions_case_id_cases"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_questions_conversation_id_conversations"
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["questions.id"], name="fk_questions_parent_id_questions"),
        sa.PrimaryKeyConstraint("id", name="pk_questions"),
        sa.UniqueConstraint("update_key", name="uq_questions_update_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_questions_asked_at", "questions", ["asked_at"])
    op.create_index("ix_questions_case_id", "questions", ["case_id"])
    op.create_index("ix_questions_conversation_id_id", "questions", ["conversation_id", "id"])
    op.create_index("ix_questions_parent_id", "questions", ["parent_id"])


def downgrade() -> None:
    op.drop_index("ix_questions_parent_id", table_name="questions")
    op.drop_index("ix_questions_conversation_id_id", table_name="questions")
    op.drop_index("ix_questions_case_id", table_name="questions")
    op.drop_index("ix_questions_asked_at", table_name="questions")
    op.drop_table("questions")
    op.drop_index("ix_outbox_state_id", table_name="outbox")
    op.drop_index("ix_outbox_conversation_id_state", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_updates_state_update_id", table_name="updates")
    op.drop_index("ix_updates_received_at", table_name="updates")
    op.drop_table("updates")
    op.drop_table("leases")
    op.drop_table("conversations")
    op.drop_index("ix_cases_state_opened_at", table_name="cases")
    op.drop_table("cases")
