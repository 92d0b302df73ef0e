"""One question against all phrases: ranked labels and how sure. A label is an intent, a family or a shadow topic."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from bot.matching.calibration import Forecast, Thresholds, forecast
from bot.matching.encoder import Doubles, Encode, Encoder, Floats
from bot.matching.space import MARGIN_WEIGHT, RIDGE_WEIGHT, Vectors, fit, kernel, principal_axes, variations
from bot.text import for_encoder, normalise

PREFILTERED = 20_000
"""From so many rows on, only the nearest by their leading axes are compared in full …"""
LEADING_AXES = 64
CANDIDATES = 400
"""… and so many of them."""
RERANKED = 30
"""Labels, by their nearest phrase, that the ridge scores too."""
NEIGHBOURS = 3
"""Nearest phrases of a family's member whose mean likeness decides between members."""
KEPT = 8
"""Labels that are ranked in the result."""
WORTH_OFFERING = 0.25
"""Labels that score this much less than the best are not offered."""
EXACT = 9.0
"""The confidence of a question that is word for word a phrase of one label."""


class Kind(StrEnum):
    """What a label is for."""

    INTENT = "intent"  # may be answered
    URGENT = "urgent"  # an emergency, by the number to dial
    OTHER = "other"  # shadow topics and small talk: compete, are never answered


@dataclass(frozen=True)
class Phrase:
    """One thing citizens write, in standard words."""

    text: str
    label: str
    intent: str
    """The member of the family; the label itself where there is none."""
    kind: Kind


Row = tuple[str, str]
"""A text and its label; of background lines the label is empty."""


@dataclass(frozen=True)
class Material:
    """What an index is made of."""

    phrases: Sequence[Phrase]
    background: Sequence[str] = ()
    """Lines that ask nothing we know of."""
    padding: Sequence[str] = ()
    """What people say before a question."""

    @cached_property
    def ordered(self) -> list[Phrase]:
        """By label, then as written."""
        return sorted(self.phrases, key=lambda p: p.label)

    def rows(self) -> list[Row]:
        """In the order in which an index has them."""
        return [*((p.text, p.label) for p in self.ordered), *((line, "") for line in self.background)]

    def encoded(self, encode: Encode) -> Vectors:
        """What a space is fitted to; `encode` takes folded texts."""
        texts = [p.text for p in self.ordered]
        numbers = np.unique([p.label for p in self.ordered], return_inverse=True)[1]
        parts = (texts, self.background, *variations(texts, self.padding))
        rows, far, varied, original = (encode([for_encoder(t) for t in part]).astype(np.float64) for part in parts)
        return Vectors(rows, numbers, far, varied - original)


class Verdict(StrEnum):
    """What the confidence allows."""

    ANSWER = "answer"
    OFFER = "offer"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Ranked:
    """A label and its score for one question."""

    label: str
    score: float
    phrase: str
    """Its nearest phrase."""
    likeness: float
    """Of the nearest phrase, -1 to 1."""


@dataclass(frozen=True)
class Match:
    """What the matcher made of one question."""

    verdict: Verdict
    confidence: float
    """Kept even when nothing was answered, so that staff see how near it was."""
    ranked: tuple[Ranked, ...]
    nearness: Mapping[str, float]
    """Mean likeness of the nearest phrases of every member of the ranked labels."""
    seconded: bool = False
    """Whether it is answered on the second encoder's word, where the first would have offered choices."""


@dataclass(frozen=True)
class Index:
    """A fitted matcher as arrays, the form that is kept on disk."""

    centre: Floats
    whitener: Floats
    rows: Floats
    """(phrases + background, d) on their principal axes, the one with the most variance first."""
    learnt: np.ndarray
    weights: Floats
    """(k, learnt)"""
    forecast: Forecast


class Matcher:
    """Holds the fitted arrays; `match` is pure and takes some two milliseconds, most of them the encoder's."""

    def __init__(
        self,
        material: Material,
        encoder: Encoder,
        index: Index,
        thresholds: Thresholds,
        second: "Matcher | None" = None,
    ) -> None:
        self.material, self.phrases = material, material.ordered
        self.intents = frozenset(p.label for p in self.phrases if p.kind is Kind.INTENT)
        """Labels that may be answered."""
        self.encoder, self.index, self.above, self.second = encoder, index, thresholds, second
        self.labels, starts = np.unique([p.label for p in self.phrases], return_index=True)
        self._bounds = np.append(starts, len(self.phrases))

    def match(self, question: str, adjust: Mapping[str, float] | None = None) -> Match:
        """The labels nearest to `question` (standard words, no place, no padding); `adjust` is added to scores."""
        known = self._exact.get(normalise(question))
        if known:
            itself = Ranked(known.label, EXACT, known.text, 1.0)
            verdict = Verdict.ANSWER if known.kind is Kind.INTENT else Verdict.REFUSE
            return Match(verdict, EXACT, (itself,), {known.intent: 1.0})
        row = self.whitened(self.vector(question)[None])[0]
        likeness = self._likeness(row)
        nearest = np.maximum.reduceat(likeness[: len(self.phrases)], self._bounds[:-1])
        top = np.argpartition(-nearest, RERANKED)[:RERANKED] if len(nearest) > RERANKED else np.arange(len(nearest))
        scores = nearest[top] + RIDGE_WEIGHT * (self.index.weights[top] @ kernel(likeness[self.index.learnt]))
        if adjust:
            scores = scores + np.array([adjust.get(self.labels[i], 0.0) for i in top])
        order = np.argsort(-scores, kind="stable")[:KEPT]
        ranked = tuple(self._ranked(int(top[i]), float(scores[i]), likeness) for i in order)
        lead = ranked[0].score - ranked[1].score if len(ranked) > 1 else ranked[0].score
        confidence = ranked[0].score + MARGIN_WEIGHT * lead
        match = Match(self._verdict(confidence, ranked), confidence, ranked, self._nearness(ranked, likeness))
        return self._seconded(match, question, adjust) if match.verdict is Verdict.OFFER else match

    def knows(self, question: str) -> bool:
        """Whether the question is word for word a phrase."""
        return self._exact.get(normalise(question)) is not None

    def worth_offering(self, match: Match) -> Iterator[Ranked]:
        """The intents of a match that score nearly as well as its best label."""
        return (r for r in match.ranked if r.label in self.intents and r.score > match.ranked[0].score - WORTH_OFFERING)

    def _verdict(self, confidence: float, ranked: Sequence[Ranked]) -> Verdict:
        """What may be done; a label with a single phrase answers only that phrase, a shadow topic nothing."""
        best = ranked[0].label
        if best not in self.intents and not self._close_to_a_topic(ranked):
            return Verdict.REFUSE
        if confidence <= self.above.offer:
            return Verdict.REFUSE
        sure = confidence > self.above.answer and self._size(best) > 1 and not self._close_to_a_topic(ranked)
        return Verdict.ANSWER if sure else Verdict.OFFER

    def _close_to_a_topic(self, ranked: Sequence[Ranked]) -> bool:
        """Whether an intent and a shadow topic are so close that only the citizen can tell which is meant."""
        intents = [r.score for r in ranked if r.label in self.intents]
        topics = [r.score for r in ranked if r.label not in self.intents]
        return bool(intents and topics) and abs(intents[0] - topics[0]) < self.above.margin

    def _seconded(self, match: Match, question: str, adjust: Mapping[str, float] | None) -> Match:
        """Answered after all when the second encoder is sure of one of the choices, and no topic came first."""
        if self.second is None or match.ranked[0].label not in self.intents:
            return match
        other = self.second.match(question, adjust)
        sure = [r for r in self.worth_offering(match) if r.label == other.ranked[0].label]
        if other.verdict is not Verdict.ANSWER or not sure:
            return match
        rest = [r for r in match.ranked if r not in sure]
        return replace(match, verdict=Verdict.ANSWER, ranked=(*sure, *rest), seconded=True)

    def shares_space(self, other: "Matcher") -> bool:
        """Whether what one has whitened is as good for the other."""
        mine, its = self.index, other.index
        same = np.array_equal(mine.centre, its.centre) and np.array_equal(mine.whitener, its.whitener)
        return same and self.encoder.version == other.encoder.version

    def vector(self, text: str) -> Floats:
        """The encoder's own vector of a text: what can be kept, since it does not change with the content."""
        return np.asarray(self.encoder.encode([for_encoder(text)])[0])

    def whitened(self, vectors: Floats) -> Floats:
        """(n, d) rows of length 1, in the space in which likeness is meaning, of (n, d) vectors."""
        rows = (vectors - self.index.centre) @ self.index.whitener
        return np.asarray(rows / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True)))

    def _likeness(self, row: Floats) -> Floats:
        """(phrases + background,) likeness to every row; of large content exact where it may matter."""
        rows, learnt = self.index.rows, self.index.learnt
        if len(rows) < PREFILTERED:
            return np.asarray(rows @ row)
        likeness = self._leading @ row[:LEADING_AXES]
        near = np.argpartition(-likeness, CANDIDATES)[:CANDIDATES]
        likeness[near] = rows[near] @ row
        likeness[learnt] = self._learnt @ row
        return np.asarray(likeness)

    @cached_property
    def _leading(self) -> Floats:
        return np.ascontiguousarray(self.index.rows[:, :LEADING_AXES])

    @cached_property
    def _learnt(self) -> Floats:
        return np.ascontiguousarray(self.index.rows[self.index.learnt])

    def _ranked(self, label: int, score: float, likeness: Floats) -> Ranked:
        start, end = self._bounds[label : label + 2]
        best = int(start) + int(likeness[start:end].argmax())
        return Ranked(str(self.labels[label]), score, self.phrases[best].text, float(likeness[best]))

    def _nearness(self, ranked: Sequence[Ranked], likeness: Floats) -> dict[str, float]:
        members = [m for r in ranked for m in self._members[r.label].items()]
        return {intent: float(np.sort(likeness[rows])[-NEIGHBOURS:].mean()) for intent, rows in members}

    def _size(self, label: str) -> int:
        return sum(len(rows) for rows in self._members[label].values())

    @cached_property
    def _members(self) -> dict[str, dict[str, np.ndarray]]:
        """label -> intent -> rows of its phrases."""
        rows: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, phrase in enumerate(self.phrases):
            rows[phrase.label][phrase.intent].append(row)
        return {label: {i: np.array(r) for i, r in members.items()} for label, members in rows.items()}

    @cached_property
    def _exact(self) -> dict[str, Phrase | None]:
        """Normalised phrase -> the phrase; one that stands under two labels belongs to neither."""
        found: dict[str, Phrase | None] = {}
        for phrase in self.phrases:
            key = normalise(phrase.text)
            other = found.get(key, phrase)
            found[key] = phrase if other and other.label == phrase.label else None
        return found


def build_index(material: Material, encode: Encode) -> Index:
    """Fits space and forecast; `encode` takes folded texts. Some seconds for a thousand phrases."""
    vectors = material.encoded(encode)
    kinds = np.array([p.kind for p in material.ordered])[vectors.starts]
    space = fit(vectors)
    axes = principal_axes(space.rows)
    return Index(
        centre=_small(space.centre),
        whitener=_small(space.whitener @ axes),
        rows=_small(space.rows @ axes),
        learnt=space.learnt,
        weights=_small(space.weights.T),
        forecast=forecast(vectors, space, kinds == Kind.INTENT, kinds == Kind.URGENT),
    )


def _small(array: Doubles) -> Floats:
    return np.ascontiguousarray(array, np.float32)
