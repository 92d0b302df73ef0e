"""What needs the matcher to be judged: phrases that are nearly the same, and the check questions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rapidfuzz import fuzz, process

from bot.content.models import Check
from bot.dialogue import Dialogue, Outcome, Question, Reply, State
from bot.errors import Problem
from bot.text import normalise

SAME_MEANING = 0.95
"""Likeness in the whitened space from which two phrases mean the same to the encoder."""


_WITH_PHRASES = ("intent", "topic", "urgent", "smalltalk")


class Grade(StrEnum):
    """How a check question ended."""

    RIGHT = "right"
    NEAR = "near"  # one tap away, or choices instead of a refusal
    WRONG = "wrong"


@dataclass(frozen=True)
class Graded:
    """One check question and what came of it."""

    name: str
    check: Check
    reply: Reply
    grade: Grade


def run_checks(dialogue: Dialogue, now: datetime) -> list[Graded]:
    """Every check question, asked in a conversation of its own."""
    graded = []
    for name, check in dialogue.content.checks:
        reply, _ = dialogue.step(Question(check.ask, now), State(region=check.remembered))
        graded.append(Graded(name, check, reply, grade(check, reply)))
    return graded


def grade(check: Check, reply: Reply) -> Grade:
    """right, near (the expected one is offered, or choices for an unanswerable one) or wrong."""
    offered = {choice.intent for choice in reply.choices}
    region = "" if check.region == "general" else check.region
    match check.expect, reply.outcome:
        case "urgent", Outcome.URGENT:
            return Grade.RIGHT if check.number in ("", reply.intent) else Grade.WRONG
        case "unanswered", Outcome.CHOICES:
            return Grade.NEAR
        case "ask_region", Outcome.CHOICES if check.intent in offered:
            return Grade.NEAR
        case "ask_region", Outcome.ASK_REGION:
            return Grade.RIGHT if check.intent in ("", reply.intent) else Grade.WRONG
        case (("urgent" | "unanswered" | "smalltalk" | "ask_region"), outcome):
            return Grade.RIGHT if outcome == check.expect else Grade.WRONG
        case intent, Outcome.ANSWERED if intent in (reply.intent, *reply.also):
            return Grade.RIGHT if not check.region or reply.region == region else Grade.WRONG
        case intent, (Outcome.CHOICES | Outcome.ASK_REGION) if intent in offered:
            return Grade.NEAR
    return Grade.WRONG


def failures(dialogue: Dialogue, graded: list[Graded]) -> Iterator[Problem]:
    """Wrong ones as errors; a known failure that has come right is one too, so that the list shrinks."""
    for g in graded:
        if g.grade is Grade.WRONG and not g.check.known_failure:
            message = f"检查题「{g.check.ask}」应为 {g.check.expected},实际 {told(g.reply)}"
            yield dialogue.content.problem("check", g.name, (), message)
        elif g.grade is Grade.RIGHT and g.check.known_failure:
            message = f"检查题「{g.check.ask}」已经答对了;请删掉 known_failure"
            yield dialogue.content.problem("check", g.name, ("known_failure",), message)


def told(reply: Reply) -> str:
    """A reply's outcome in a few words for admins."""
    offered = "、".join(dict.fromkeys(c.intent for c in reply.choices))
    parts = [str(reply.outcome), reply.intent, reply.region, f"选项 {offered}" if offered else ""]
    score = f"{reply.score:.2f}" if reply.score is not None else ""
    return " ".join(filter(None, [*parts, score]))


def near_duplicates(dialogue: Dialogue, alike: float) -> Iterator[Problem]:
    """Phrases of different labels that the matcher can hardly tell apart: alike in letters (0-100) or in meaning."""
    phrases = dialogue.matcher.phrases
    bare = [normalise(p.text) for p in phrases]
    rows = dialogue.matcher.index.rows[: len(phrases)]
    meaning = rows @ rows.T
    letters = process.cdist(bare, bare, scorer=fuzz.ratio, score_cutoff=alike)
    for i, j in zip(*((letters >= alike) | (meaning >= SAME_MEANING)).nonzero(), strict=True):
        if i < j and phrases[i].label != phrases[j].label:
            kind = next(k for k in _WITH_PHRASES if (k, phrases[i].intent) in dialogue.content.places)
            message = f"问法「{phrases[i].text}」和「{phrases[j].intent}」的「{phrases[j].text}」太像;请改一条"
            yield dialogue.content.problem(kind, phrases[i].intent, ("phrases",), message, is_warning=True)
