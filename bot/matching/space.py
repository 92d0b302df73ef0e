"""The space in which phrases are compared: whitened by how phrases of one label vary, plus a ridge classifier.

All closed form. Notation: n phrases of k labels, m background lines, d dimensions.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from bot.matching.encoder import Doubles

WHITENING = 0.5
"""Share of the within-label scatter in S; the rest is the identity."""
DROPPED_WORD_SHARE = 0.15
"""Share of S that comes from padded phrases and phrases with a piece dropped."""
CENTRE = 0.5
KERNEL_WIDTH = 3.0
RIDGE = 0.3
MOST_LEARNT = 8192
"""Rows the ridge learns from; its fit takes their number cubed."""
RIDGE_WEIGHT = 0.5
"""Score of a label = likeness of its nearest phrase + this much of the ridge's output."""
MARGIN_WEIGHT = 0.25
"""Confidence = best score + this much of its lead over the second."""


@dataclass(frozen=True)
class Vectors:
    """The encoded material, phrases sorted by label."""

    phrases: Doubles
    labels: np.ndarray
    """(n,) index of each phrase's label, ascending."""
    background: Doubles
    varied: Doubles
    """(v, d) difference between a phrase and its padded or shortened form."""

    @property
    def starts(self) -> np.ndarray:
        """(k,) row at which each label begins."""
        return np.searchsorted(self.labels, np.arange(int(self.labels[-1]) + 1))


@dataclass(frozen=True)
class Space:
    """A fitted space; `root` is only needed to calibrate."""

    centre: Doubles
    whitener: Doubles
    rows: Doubles
    """(n + m, d) phrases and background, length 1."""
    learnt: np.ndarray
    """(r,) the rows from which the ridge learnt."""
    weights: Doubles
    """(r, k) G Y: the ridge's output is kernel(likeness to the learnt rows) @ weights."""
    root: Doubles
    """(r, r) lower triangular R with G = (K + λI)^-1 = Rᵀ R over the learnt rows."""


def kernel(likeness: Doubles) -> Doubles:
    """exp(-3(1 - cos)) of likenesses between unit rows."""
    return np.asarray(np.exp(-KERNEL_WIDTH * (1 - likeness)))


def fit(vectors: Vectors, used: np.ndarray | None = None) -> Space:
    """The space of these phrases; `used` (n,) masks those that may shape the whitening."""
    n, k = len(vectors.phrases), int(vectors.labels[-1]) + 1
    centre = CENTRE * vectors.phrases.mean(0)
    whitener = _whitener(vectors, np.ones(n, bool) if used is None else used)
    rows = unit((np.vstack([vectors.phrases, vectors.background]) - centre) @ whitener)
    learnt = learnt_rows(vectors.labels, len(rows))
    learn = rows[learnt].astype(np.float32)  # half the time, and λ keeps K + λI well conditioned
    gram = kernel(learn @ learn.T) + RIDGE * np.eye(len(learn), dtype=np.float32)
    root = lower_inverse(np.linalg.cholesky(gram))
    targets = np.zeros((len(learnt), k), np.float32)  # one-hot; background rows are zero
    phrases = np.flatnonzero(learnt < n)
    targets[phrases, vectors.labels[learnt[phrases]]] = 1
    return Space(centre, whitener, rows, learnt, root.T @ (root @ targets), root)


def principal_axes(rows: Doubles) -> Doubles:
    """(d, d) rotation to the axes of largest variance first: it changes no likeness."""
    return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1])


def lower_inverse(lower: Doubles) -> Doubles:
    """Inverse of a lower triangular matrix by halves: three times as fast as the general one."""
    n = len(lower)
    if n <= 256:
        return np.asarray(np.linalg.inv(lower))
    first, second = lower_inverse(lower[: n // 2, : n // 2]), lower_inverse(lower[n // 2 :, n // 2 :])
    inverse = np.zeros_like(lower)
    inverse[: n // 2, : n // 2], inverse[n // 2 :, n // 2 :] = first, second
    inverse[n // 2 :, : n // 2] = -second @ (lower[n // 2 :, : n // 2] @ first)
    return inverse


def learnt_rows(labels: np.ndarray, rows: int) -> np.ndarray:
    """All rows; of too many, the background and as many of each label's first phrases as there is room for."""
    if rows <= MOST_LEARNT:
        return np.arange(rows)
    starts = np.searchsorted(labels, labels)
    turn = np.argsort(np.arange(len(labels)) - starts, kind="stable")  # first of each label, second of each, …
    background = np.arange(len(labels), rows)
    return np.sort(np.concatenate([turn[: MOST_LEARNT - len(background)], background]))


def _whitener(vectors: Vectors, mask: np.ndarray) -> Doubles:
    d = vectors.phrases.shape[1]
    within = _scatter(vectors.phrases[mask], vectors.labels[mask])
    varied = vectors.varied.T @ vectors.varied
    parts = [(1 - DROPPED_WORD_SHARE, within), (DROPPED_WORD_SHARE, varied)]
    parts = [(share, part / np.trace(part)) for share, part in parts if np.trace(part) > 1e-9]
    total = sum(share for share, _ in parts)
    scatter = sum((share / total * part for share, part in parts), np.zeros((d, d))) if parts else np.eye(d) / d
    values, axes = np.linalg.eigh((1 - WHITENING) * np.eye(d) / d + WHITENING * scatter)
    return np.asarray(axes * values**-0.5)


def _scatter(rows: Doubles, labels: np.ndarray) -> Doubles:
    """Sum over labels with two phrases or more of n/(n-1) times their scatter around the label's mean."""
    d = rows.shape[1]
    if not len(rows):
        return np.zeros((d, d))
    _, index = np.unique(labels, return_inverse=True)
    sizes = np.bincount(index)
    means = np.zeros((len(sizes), d))
    np.add.at(means, index, rows)
    means /= sizes[:, None]
    several = sizes[index] > 1
    weights = np.sqrt(sizes[index] / np.maximum(1, sizes[index] - 1))
    centred = ((rows - means[index]) * weights[:, None])[several]
    return np.asarray(centred.T @ centred)


def unit(rows: Doubles) -> Doubles:
    """The rows, each of length 1."""
    return np.asarray(rows / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True)))


def confidences(scores: Doubles) -> tuple[Doubles, np.ndarray]:
    """(n,) confidence and (n,) best label of (n, k) scores."""
    if scores.shape[1] == 1:
        return scores[:, 0] * (1 + MARGIN_WEIGHT), np.zeros(len(scores), int)
    two = np.partition(scores, -2, axis=1)
    return two[:, -1] + MARGIN_WEIGHT * (two[:, -1] - two[:, -2]), scores.argmax(1)


def variations(texts: Sequence[str], padding: Sequence[str], most: int = 300) -> tuple[list[str], list[str]]:
    """Padded and shortened forms of some texts, and the texts they come from.

    Which texts and how depends on each text alone: one phrase more among thousands leaves the space nearly as it is.
    """
    changed, original = [], []
    for text in sorted(set(texts), key=_lot)[:most]:
        rnd = random.Random(_lot(text))  # repeatable, not secret
        if padding:
            changed.append(rnd.choice(padding) + text)
            original.append(text)
        pieces = [text[i : i + 2] for i in range(0, len(text), 2)]
        if len(pieces) >= 3:
            del pieces[rnd.randrange(len(pieces))]
            changed.append("".join(pieces))
            original.append(text)
    return changed, original


def _lot(text: str) -> int:
    return crc32(text.encode())
