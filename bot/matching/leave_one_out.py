"""What a fitted matcher would make of its own phrases had it not learnt them, each left out alone.

Like `calibration`, in closed form, but from the index alone: the space stays as it was fitted, with the phrase in it.
That flatters by a little (a whitening fitted without a phrase hardly differs), and seconds are enough for thousands.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bot.matching.encoder import Floats
from bot.matching.matcher import Index, Kind, Matcher, Phrase
from bot.matching.space import RIDGE, RIDGE_WEIGHT, _lower_inverse, kernel

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
    """Every phrase of an intent, in the order of `matcher.phrases`."""
    rows = np.array([n for n, p in enumerate(matcher.phrases) if p.kind is Kind.INTENT], int)
    if not len(rows):
        return []
    certainty = _certainty(matcher.index)
    parts = np.array_split(rows, range(_AT_ONCE, len(rows), _AT_ONCE))
    return [one for part in parts for one in _judged(matcher, part, certainty)]


def _certainty(index: Index) -> Floats:
    """(r,) G_ii of the rows the ridge learnt from, G = (K + λI)^-1 = Rᵀ R."""
    learn = index.rows[index.learnt]
    gram = kernel(learn @ learn.T)
    gram[np.diag_indices(len(gram))] += RIDGE
    return np.asarray((_lower_inverse(np.linalg.cholesky(gram)) ** 2).sum(0))


def _judged(matcher: Matcher, rows: np.ndarray, certainty: Floats) -> Iterator[LeftOut]:
    """Each row's scores without it: ridge output Y_i - (GY)_i / G_ii, and it is not its own neighbour."""
    index, n = matcher.index, len(matcher.phrases)
    starts = np.unique([p.label for p in matcher.phrases], return_index=True)[1]
    bounds = np.append(starts, n)
    own = np.searchsorted(starts, rows, side="right") - 1
    likeness = index.rows[rows] @ index.rows.T
    output = kernel(likeness[:, index.learnt]) @ index.weights.T
    place = {int(row): r for r, row in enumerate(index.learnt)}
    for at, row in enumerate(rows):
        if (r := place.get(int(row))) is not None:
            output[at] = -index.weights[:, r] / certainty[r]
            output[at, own[at]] += 1
    likeness[np.arange(len(rows)), rows] = -1
    scores = np.maximum.reduceat(likeness[:, :n], starts, axis=1) + RIDGE_WEIGHT * output
    for at, row in enumerate(rows):
        best = int(scores[at].argmax())
        start, end = bounds[best : best + 2]
        nearest = int(start) + int(likeness[at, start:end].argmax())
        lead = float(scores[at, best] - scores[at, own[at]])
        yield LeftOut(matcher.phrases[row], matcher.phrases[nearest], lead)
