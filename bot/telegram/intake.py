"""The door: whose update it is, whether it concerns us, and whether its sender has had enough for this minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeGuard

_MESSAGES = ("message", "edited_message")
ALLOWED_UPDATES = [*_MESSAGES, "callback_query", "my_chat_member"]
_PERIOD = 60.0
_REMEMBERED_PEOPLE = 50_000


@dataclass(frozen=True)
class Origin:
    """Who sent an update where; zeros where that cannot be told."""

    chat: int = 0
    user: int = 0
    at: float = 0.0
    """Unix time at which they sent it, which may be long before it reached us."""


def origin_of(update: Mapping[str, Any], now: float) -> Origin:
    """Read from the raw update, however broken it is; a tap says not when it was, so it is `now`."""
    for kind in ALLOWED_UPDATES:
        body = update.get(kind)
        if isinstance(body, Mapping):
            message = body.get("message", body) if kind == "callback_query" else body
            chat = _number(message, "chat", "id")
            at = _number(body, "edit_date") or _number(body, "date") or now
            user = _number(body, "sender_chat", "id") or _number(
                body, "from", "id"
            )  # anonymous admins share one "from"
            return Origin(chat, user or chat, at)
    return Origin(at=now)


def concerns_us(update: Mapping[str, Any], bot_id: int, username: str) -> bool:
    """False for what people of a group say to each other, and for other bots."""
    message = next((update[k] for k in _MESSAGES if isinstance(update.get(k), Mapping)), None)
    if message is None:
        return True
    author = message.get("from")
    if isinstance(author, Mapping) and author.get("is_bot") and not message.get("sender_chat"):
        return False
    chat = message.get("chat")
    if not isinstance(chat, Mapping) or chat.get("type") not in {"group", "supergroup"}:
        return True
    text = message.get("text") or message.get("caption") or ""
    to_us = _number(message.get("reply_to_message"), "from", "id") == bot_id
    named = isinstance(text, str) and f"@{username}".lower() in text.lower()
    command = isinstance(text, str) and text.startswith("/") and "@" not in text.split(maxsplit=1)[0]
    return to_us or named or command or "migrate_to_chat_id" in message


class Verdict(Enum):
    """What becomes of a message."""

    WELCOME = auto()
    TELL = auto()
    """One too many: they are told, once until they have been quiet for a minute."""
    SILENT = auto()


class Crowd:
    """Counts messages a minute per person, by the time they were sent: who waited for us is not a flood."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._recent: dict[int, dict[int, float]] = {}
        self._told: set[int] = set()

    def judge(self, update_id: int, origin: Origin) -> Verdict:
        """Counts one more message; the same one again, after a trouble of ours, counts once."""
        self._tidy(origin.at)
        before = self._recent.get(origin.user, {})
        recent = self._recent[origin.user] = {i: at for i, at in before.items() if at > origin.at - _PERIOD}
        if not recent:
            self._told.discard(origin.user)
        if update_id in recent or len(recent) < self.most:
            recent[update_id] = origin.at
            return Verdict.WELCOME
        if origin.user in self._told:
            return Verdict.SILENT
        self._told.add(origin.user)
        return Verdict.TELL

    def _tidy(self, now: float) -> None:
        if len(self._recent) >= _REMEMBERED_PEOPLE:
            self._recent = {
                u: times for u, times in self._recent.items() if max(times.values(), default=0) > now - _PERIOD
            }
            self._told &= self._recent.keys()


def _number(value: object, *keys: str) -> int:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if is_id(value) else 0


def is_id(value: object) -> TypeGuard[int]:
    """Whether it is a number that a database can keep."""
    return isinstance(value, int) and abs(value) < 2**63
