"""The tables. Migrations make them; a test holds both to each other."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A point in time: aware on our side, UTC in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a time without zone: nobody could tell what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without time zone: {value}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, in UTC."""
        return value and value.replace(tzinfo=UTC)


# SQLite numbers rows by itself only in a column of exactly this type
Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

updates = Table(
    "updates",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),  # each bot counts its updates for itself
    Column("update_id", BigInteger, primary_key=True, autoincrement=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("raw", JSON(none_as_null=True)),  # personal data: gone once the update is finished
    Column("kind", String(32), nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("text", Text, nullable=False, default=""),  # masked, of parked ones only
    Index(None, "state", "update_id"),
    Index(None, "received_at"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(16), nullable=False),
    Column("chat_id", BigInteger),  # NULL once forgotten
    Column("user_id", BigInteger),
    Column("region", String(64), nullable=False, default=""),
    Column("script", String(4), nullable=False, default=""),
    Column("chosen_script", String(4), nullable=False, default=""),
    Column("pending", JSON, nullable=False, default=list),
    Column("about", String(128), nullable=False, default=""),
    Column("explains", BigInteger),  # the question whose answer did not satisfy: what they write next says why …
    Column("explains_until", Moment),  # … until then
    Column("seen_at", Moment, nullable=False),
    Column("blocked_at", Moment),
    UniqueConstraint("channel", "chat_id", "user_id"),
    sqlite_autoincrement=True,
)

cases = Table(
    "cases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("region", String(64), nullable=False, default=""),
    Column("opened_at", Moment, nullable=False),
    Column("department", String(64), nullable=False, default=""),
    Column("claimed_by", String(64), nullable=False, default=""),
    Column("due_at", Moment),
    Column("reopened", Integer, nullable=False, default=0),  # how often a citizen was not satisfied
    Column("like_id", BigInteger),  # it may be the same matter as that one
    Column("merged_into", BigInteger),
    Column("answer", Text),
    Column("answered_by", String(64), nullable=False, default=""),
    Column("answered_at", Moment),
    Column("card_id", BigInteger),  # the message in staff's chat that shows it
    Column("reminded", Integer, nullable=False, default=0),  # 1: shortly before its deadline, 2: at it
    Column("ignored_people", Integer, nullable=False, default=0),  # so many had asked when it was ignored
    Index(None, "state", "opened_at"),
    Index(None, "answered_at"),
    sqlite_autoincrement=True,
)

# what became of a case, step by step: who, when, what
events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(16), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Index(None, "case_id", "id"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

questions = Table(
    "questions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("update_key", String(64), nullable=False, unique=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("parent_id", ForeignKey("questions.id")),
    Column("message_id", BigInteger),
    Column("asked_at", Moment, nullable=False),
    Column("text", Text),  # masked; NULL once forgotten, like the reply
    Column("outcome", String(16), nullable=False),
    Column("intent", String(128), nullable=False, default=""),
    Column("region", String(64), nullable=False, default=""),
    Column("score", Float),
    Column("above_answer", Float, nullable=False),
    Column("above_offer", Float, nullable=False),
    Column("content_version", String(32), nullable=False),
    Column("reply", JSON(none_as_null=True)),
    Column("replied_at", Moment),
    Column("feedback", String(16), nullable=False, default=""),
    Column("case_id", ForeignKey("cases.id")),
    Column("vector", LargeBinary),  # of those in a case, as half-precision floats; NULL once forgotten
    Column("encoder", String(128), nullable=False, default=""),
    Column("nearest", JSON(none_as_null=True)),  # what the matcher took it for, with scores
    Column("settled_at", Moment),  # when staff's answer was put on its way
    Column("satisfaction", String(16), nullable=False, default=""),
    Index(None, "conversation_id", "id"),
    Index(None, "asked_at"),
    Index(None, "case_id"),
    Index(None, "parent_id"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("state", String(8), nullable=False),
    Column("message", JSON(none_as_null=True)),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text, nullable=False, default=""),
    Column("question_id", BigInteger),  # the one it answers
    Index(None, "state", "id"),
    Index(None, "conversation_id", "state"),
    Index(None, "question_id"),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("until", Moment, nullable=False),
)

# one-time links into the console; only the digest is kept, so that the database opens no door
links = Table(
    "links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

# who is signed in to the console
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("seen_at", Moment, nullable=False),
)

# content that went live, version by version
published = Table(
    "published",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("who", String(64), nullable=False),
    Column("why", Text, nullable=False, default=""),
    Column("report", JSON(none_as_null=True)),  # what the gate found
    Column("files", LargeBinary, nullable=False),
    Index(None, "version"),
    sqlite_autoincrement=True,
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("proposal", JSON, nullable=False),
    Column("who", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("decided_by", String(64), nullable=False, default=""),
    Column("decided_at", Moment),
    Column("note", Text, nullable=False, default=""),
    Index(None, "state", "id"),
    Index(None, "case_id"),
    sqlite_autoincrement=True,
)
