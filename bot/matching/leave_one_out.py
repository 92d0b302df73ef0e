"""What the matcher would make of its own phrases had it not learnt them, each left out alone.

In closed form, like `calibration`. Up to REFITTED_UP_TO rows the whitening is fitted anew without the labels of each
fold: a phrase that has shaped the space it is judged in lies too near to its own kind (of 400 phrases .2 % then seem
misled, in truth 4 %). Of more rows each shapes so little (8.0 % and 8.1 %) that the space is taken as it was fitted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bot.matching.calibration import FOLDS
from bot.matching.encoder import Doubles
from bot.matching.matcher import Index, Kind, Matcher, Phrase
from bot.matching.space import RIDGE, RIDGE_WEIGHT, Vectors, fit, kernel, lower_inverse

REFITTED_UP_TO = 3_000
_AT_ONCE = 512
"""Phrases; each is compared with all others, so this bounds the memory."""


@dataclass(frozen=True)
class LeftOut:
    """One phrase of an intent and what would come first if it were not there."""

    phrase: Phrase
    first: Phrase
    """The nearest other phrase of the label that comes first."""
    lead: float
    """How much better that label scores than the phrase's own; 0 where it is the same."""

    @property
    def is_right(self) -> bool:
        """Whether its own label, the intent or its family, still comes first."""
        return self.first.label == self.phrase.label


def left_out(matcher: Matcher) -> list[LeftOut]:
    """Every phrase of an intent; of two encoders the first one judges."""
    phrases = matcher.phrases
    number = np.unique([p.label for p in phrases], return_inverse=True)[1]
    of_intents = np.array([p.kind is Kind.INTENT for p in phrases], bool)
    if len(matcher.index.rows) > REFITTED_UP_TO:
        parts = [(_of_index(matcher.index), of_intents)]
    else:
        vectors = matcher.material.encoded(matcher.encoder.encode)
        fold = (np.random.RandomState(0).permutation(int(number[-1]) + 1) % FOLDS)[number]
        parts = [(_fitted(vectors, fold != f), of_intents & (fold == f)) for f in range(FOLDS)]
    found = [one for space, mask in parts for one in _judged(phrases, number, space, np.flatnonzero(mask))]
    return sorted(found, key=lambda one: (one.phrase.label, one.phrase.intent))


@dataclass(frozen=True)
class _Space:
    """A fitted space, with how sure the ridge is of each row."""

    rows: Doubles
    learnt: np.ndarray
    weights: Doubles
    """(k, r) GY"""
    certainty: Doubles
    """(r,) G_ii, G = (K + λI)^-1 = Rᵀ R"""


def _of_index(index: Index) -> _Space:
    learn = index.rows[index.learnt]
    gram = kernel(learn @ learn.T)
    gram[np.diag_indices(len(gram))] += RIDGE
    root = lower_inverse(np.linalg.cholesky(gram))
    return _Space(index.rows, index.learnt, index.weights, (root**2).sum(0))


def _fitted(vectors: Vectors, used: np.ndarray) -> _Space:
    space = fit(vectors, used)
    return _Space(space.rows, space.learnt, space.weights.T, (space.root**2).sum(0))


def _judged(phrases: Sequence[Phrase], number: np.ndarray, space: _Space, rows: np.ndarray) -> Iterator[LeftOut]:
    """Each row's scores without it: ridge output Y_i - (GY)_i / G_ii, and it is not its own neighbour."""
    bounds = np.searchsorted(number, np.arange(int(number[-1]) + 2))
    place = {int(row): r for r, row in enumerate(space.learnt)}
    for part in np.array_split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
        likeness = space.rows[part] @ space.rows.T
        output = kernel(likeness[:, space.learnt]) @ space.weights.T
        for at, row in enumerate(part):
            if (r := place.get(int(row))) is not None:
                output[at] = -space.weights[:, r] / space.certainty[r]
                output[at, number[row]] += 1
        likeness[np.arange(len(part)), part] = -1
        likeness = likeness[:, : len(phrases)]
        scores = np.maximum.reduceat(likeness, bounds[:-1], axis=1) + RIDGE_WEIGHT * output
        for at, row in enumerate(part):
            best = int(scores[at].argmax())
            start, end = bounds[best : best + 2]
            nearest = int(start) + int(likeness[at, start:end].argmax())
            lead = float(scores[at, best] - scores[at, number[row]])
            yield LeftOut(phrases[row], phrases[nearest], lead)
