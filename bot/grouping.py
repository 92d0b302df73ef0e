"""Putting questions into cases: what means the same as a question already there joins its case, else opens one."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from bot.casework import Cards
from bot.config import CaseSettings
from bot.dialogue import Dialogue, Reply
from bot.matching.encoder import Floats
from bot.matching.grouping import Near, OpenCases, same_details
from bot.matching.matcher import Matcher
from bot.store import cases
from bot.store.cases import CaseState, Deed, Kept, Opening, Place
from bot.store.engine import Store, Transaction

BOT = "机器人"
"""Who opens cases, in their history."""
_LOOKED_AT = 10
_READ_ANEW = 500
"""So many of the latest questions are read again when the encoder is another one; the others join nothing."""
_NEAREST = 3
_ANSWERED_LOOKED_AT, _ANSWERED_SHOWN = 2_000, 3
Nearest = tuple[tuple[str, float], ...]
"""Titles of what the matcher took a question for, with its scores."""


@dataclass(frozen=True)
class Meaning:
    """What a question means to the encoder."""

    text: str
    vector: Floats
    encoder: str

    def packed(self) -> bytes:
        """In half precision, as it is kept."""
        return self.vector.astype(np.float16).tobytes()


class Grouping:
    """Knows the meaning of every question in a case that may be joined; the cases themselves are in the database."""

    def __init__(self, settings: CaseSettings, dialogue: Dialogue, cards: Cards) -> None:
        self.settings, self.cards = settings, cards
        self.dialogue, self._matcher = dialogue, _of(dialogue)
        knows_less = self._matcher.encoder.version.startswith("use")  # its likenesses are lower
        self.join_above = settings.join_above_without_e5 if knows_less else settings.join_above
        self.suggest_above = settings.suggest_above_without_e5 if knows_less else settings.suggest_above
        self._known: OpenCases | None = None
        self._meanings: dict[str, Meaning] = {}
        self._seen = 0
        """The last step of any case's history that is taken into account."""

    def use(self, dialogue: Dialogue) -> None:
        """From now on by this content; where its space is another one, what is known of cases is read anew."""
        matcher = _of(dialogue)
        if not matcher.shares_space(self._matcher):
            self._known = None
        self.dialogue, self._matcher = dialogue, matcher

    def meaning(self, text: str) -> Meaning:
        """Of one question, without its place; takes some thirty milliseconds, the first time."""
        found = self.remembered(text)
        if found is None:
            vector = self._matcher.vector(self.dialogue.standard(text))
            found = self._meanings[text] = Meaning(text, vector, self._matcher.encoder.version)
            if len(self._meanings) > self.dialogue.limits.remembered_answers:
                self._meanings.pop(next(iter(self._meanings)))
        return found

    def remembered(self, text: str) -> Meaning | None:
        """The same, if it was asked for lately."""
        return self._meanings.get(text)

    def nearest(self, reply: Reply) -> Nearest:
        """What the matcher took a question for."""
        ranked = reply.trace.match.ranked if reply.trace.match else ()
        return tuple((self.dialogue.title_of(r.label), round(r.score, 3)) for r in ranked[:_NEAREST])

    def department(self, reply: Reply) -> str:
        """Who is likely to answer it: the department of the nearest intent; empty when none is near."""
        ranked = reply.trace.match.ranked if reply.trace.match else ()
        labels = [reply.intent, *(r.label for r in ranked[:_NEAREST])]
        return next(filter(None, map(self.dialogue.department_of, labels)), "")

    async def place(
        self,
        connection: Transaction,
        question: int,
        meaning: Meaning,
        nearest: Nearest,
        opening: Opening,
        now: datetime,
    ) -> int:
        """The case that the question now belongs to, joined or opened; part of the caller's transaction."""
        known = await self.up_to_date(connection)
        row = self._row(meaning.vector)
        alike = await self._alike(connection, known.nearest(row, _LOOKED_AT), opening.region)
        same = next((a for a in alike if a.likeness >= self.join_above and _same(a.place, meaning)), None)
        if same:
            case = same.place.case
            if not await cases.join(connection, case, same.place.region or opening.region):
                same = None  # answered a moment ago
        if same is None:
            like = next((a.place.case for a in alike if a.place.state is not CaseState.IGNORED), None)
            case = await cases.add(connection, replace(opening, like=like), now)
            await cases.note(connection, case, now, BOT, Deed.OPENED)
        await cases.take_question(
            connection, question, case, opening.region, meaning.packed(), meaning.encoder, nearest
        )
        known.add(question, case, row)
        if same and same.place.state is CaseState.IGNORED:
            await self._may_come_back(connection, case, opening, now)
        else:
            await self.cards.refresh(connection, case, now)
        return case

    async def up_to_date(self, connection: Transaction) -> OpenCases:
        """What is known, after everything that staff, or another process, did to cases; the first time reads all."""
        if self._known is None:
            self._known = OpenCases(self._matcher.index.whitener.shape[1])
            self._seen = await cases.last_event(connection)
            self._take_in(self._known, await cases.meanings(connection, self._matcher.encoder.version))
        changed, self._seen = await cases.touched_after(connection, self._seen)
        for case in changed:
            self._known.close(case)
        if changed:
            self._take_in(self._known, await cases.meanings(connection, self._matcher.encoder.version, changed))
        return self._known

    async def answered_like(self, connection: Transaction, case: int) -> list[tuple[int, float]]:
        """Answered cases that asked something like this one, the most alike first: number and likeness."""
        version = self._matcher.encoder.version
        own = await cases.vector_of(connection, case, version)
        answered = await cases.answered_meanings(connection, version, _ANSWERED_LOOKED_AT) if own else []
        if own is None or not answered:
            return []
        rows = np.frombuffer(own + b"".join(one.vector for one in answered), np.float16).astype(np.float32)
        white = np.asarray(self._matcher.whitened(rows.reshape(len(answered) + 1, -1)))
        likeness = white[1:] @ white[0]
        order = np.argsort(-likeness)[:_ANSWERED_SHOWN]
        return [(answered[n].case, float(likeness[n])) for n in order if likeness[n] >= self.suggest_above]

    def reset(self) -> None:
        """Reads everything anew next time: what was just placed may not have been written."""
        self._known = None

    async def prepare(self, store: Store) -> None:
        """Reads what another encoder, or none, has read, and then all that is known, before anybody waits for it."""
        version = self._matcher.encoder.version
        async with store.reading(long=True) as connection:
            unread = await cases.unread(connection, version, _READ_ANEW)
        vectors = {number: (await asyncio.to_thread(self.meaning, text)).packed() for number, text in unread}
        await store.write(lambda c: cases.keep_vectors(c, vectors, version), long=True)
        await store.write(self.up_to_date, long=True)

    def _take_in(self, known: OpenCases, questions: Iterable[Kept]) -> None:
        kept = list(questions)
        if kept:
            vectors = np.frombuffer(b"".join(one.vector for one in kept), np.float16).reshape(len(kept), -1)
            for one, row in zip(kept, self._matcher.whitened(vectors.astype(np.float32)), strict=True):
                known.add(one.question, one.case, row)

    async def _alike(self, connection: Transaction, near: Sequence[Near], region: str) -> list["_Alike"]:
        """Cases of the same place, or of none, that may be the same matter, the nearest first."""
        near = [n for n in near if n.likeness >= self.suggest_above]
        places = await cases.places(connection, [n.case for n in near]) if near else {}
        found = (_Alike(n.likeness, places[n.case]) for n in near if n.case in places)
        return [a for a in found if not region or not a.place.region or a.place.region == region]

    async def _may_come_back(self, connection: Transaction, number: int, opening: Opening, now: datetime) -> None:
        case = await cases.by_id(connection, number)
        more = case.askers - case.ignored_people if case else 0
        if more >= self.settings.come_back_after:
            again = {"state": CaseState.NEW, "claimed_by": "", "due_at": opening.due_at}
            await cases.change(connection, number, (CaseState.IGNORED,), again)
            await cases.note(connection, number, now, BOT, Deed.CAME_BACK, f"又有 {more} 人问")
            await self.cards.refresh(connection, number, now)

    def _row(self, vector: Floats) -> Floats:
        return np.asarray(self._matcher.whitened(vector[None])[0])


@dataclass(frozen=True)
class _Alike:
    """A case that a new question may belong to."""

    likeness: float
    place: Place


def _of(dialogue: Dialogue) -> Matcher:
    """The one that understands most: a few milliseconds more do not matter for what nobody can answer."""
    return dialogue.matcher.second or dialogue.matcher


def _same(place: Place, meaning: Meaning) -> bool:
    """48小时 and 24小时, 带星 and 不带星 are too near for an encoder."""
    return place.text is None or same_details(place.text, meaning.text)
