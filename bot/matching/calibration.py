"""Thresholds from the content's own phrases: how sure must the matcher be before it may answer, or offer?"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from bot.matching.encoder import Doubles
from bot.matching.space import RIDGE_WEIGHT, Space, Vectors, confidences, fit, kernel

FOLDS = 5
MOST_THREADS = 2
"""Folds that are fitted at once: each takes some hundred megabytes."""
MOST_FORECAST = 10_000
"""Phrases that are left out in turn; of more, those of some labels in each fold."""
OFFER_FAR = 0.95
"""This share of the background must stay below the threshold for offering …"""
OFFER_NEAR = 0.03
"""… and this share of the content's own phrases may."""
NEVER = 9.0
"""A confidence that no question reaches."""


@dataclass(frozen=True)
class Mix:
    """How much each way of answering wrongly weighs."""

    wrong: float
    near: float
    far: float


@dataclass(frozen=True)
class Thresholds:
    """What a confidence must exceed."""

    answer: float
    offer: float
    urgent: float = 0.0
    """To be taken for an emergency when one comes first: low, for a missed one is worse than a false alarm."""
    margin: float = 0.0
    """Where the best intent and the best shadow topic are nearer to each other than this, only the citizen can tell."""


@dataclass(frozen=True)
class Forecast:
    """What the matcher would say to its own phrases had it not learnt them; -1 where nothing would be answered."""

    right: Doubles
    """Confidence of each phrase of an intent, left out alone."""
    wrong: Doubles
    """The same where another intent came first."""
    unknown: Doubles
    """With its whole label left out: what citizens ask that nobody foresaw."""
    shadow: Doubles
    """Phrases of shadow topics, left out alone, where an intent came first."""
    background: Doubles
    alarm: Doubles
    """Like `unknown`, of all that is no emergency, where an emergency came first."""
    unknown_weights: Doubles
    shadow_weights: Doubles
    alarm_weights: Doubles
    """So that each label counts the same, however many phrases it has."""

    def risk(self, at: Doubles, mix: Mix) -> Doubles:
        """Forecast share of wrong answers at each threshold of `at`."""
        near = _above(self.unknown, at, self.unknown_weights)
        if len(self.shadow):
            near = (near + _above(self.shadow, at, self.shadow_weights)) / 2
        risk = mix.wrong * _above(self.wrong, at) + mix.near * near + mix.far * _above(self.background, at)
        return np.asarray(risk)

    def thresholds(self, target: float, mix: Mix, false_alarms: float, margin: float = 0.0) -> Thresholds:
        """The smallest confidences at which the forecast risk is within `target`, and the lower one for offering."""
        grid = np.unique(np.concatenate([self.right, self.unknown, self.shadow, self.background, [NEVER]]))
        answer = float(grid[np.flatnonzero(self.risk(grid, mix) <= target)[0]])
        far = float(np.quantile(self.background, OFFER_FAR)) if len(self.background) else -1.0
        near = float(np.quantile(self.right, OFFER_NEAR)) if len(self.right) else far
        grid = np.unique(np.append(self.alarm, 0.0))
        urgent = float(grid[np.flatnonzero(_above(self.alarm, grid, self.alarm_weights) <= false_alarms)[0]])
        return Thresholds(answer, min(answer, max(far, near)), urgent, margin)


def forecast(vectors: Vectors, space: Space, is_intent: np.ndarray, is_urgent: np.ndarray) -> Forecast:
    """Leave-one-out and leave-label-out in closed form; the whitening is refitted without the labels of each fold."""
    k = len(is_intent)
    fold = np.random.RandomState(0).permutation(k) % FOLDS
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:  # the algebra lets go of the interpreter
        rehearsed = [r for part in pool.map(lambda f: _rehearse(vectors, fold, f), range(min(FOLDS, k))) for r in part]
    one, first, unknown, stranger = (np.concatenate([getattr(r, name) for r in rehearsed]) for name in _COLUMNS)
    own = np.concatenate([np.full(len(r.alone), r.label) for r in rehearsed])
    left_out = np.concatenate([np.full(len(r.unknown), r.label) for r in rehearsed])
    sizes = np.bincount(vectors.labels)
    mine = is_intent[own]
    misled = np.where(is_intent[first] & (first != own), one, -1.0)
    confidence, top = confidences(_scores(vectors, space, np.arange(len(vectors.phrases), len(space.rows))))
    quiet = ~is_urgent[left_out]
    return Forecast(
        right=one[mine],
        wrong=misled[mine],
        unknown=np.where(is_intent[stranger], unknown, -1.0),
        shadow=misled[~mine],
        background=np.where(is_intent[top], confidence, -1.0),
        alarm=np.where(is_urgent[stranger], unknown, -1.0)[quiet],
        unknown_weights=1 / sizes[left_out],
        shadow_weights=1 / sizes[own[~mine]],
        alarm_weights=(1 / sizes[left_out])[quiet],
    )


@dataclass(frozen=True)
class _Rehearsed:
    """What becomes of one label's phrases when they were not learnt."""

    label: int
    alone: Doubles
    """Confidence of each left out alone, and the label that came first; none for a single phrase."""
    first: np.ndarray
    unknown: Doubles
    """The same with all of them left out."""
    stranger: np.ndarray


_COLUMNS = ("alone", "first", "unknown", "stranger")


def _rehearse(vectors: Vectors, fold: np.ndarray, f: int) -> list[_Rehearsed]:
    """One fold's labels, judged in a space that their phrases did not shape."""
    part = fit(vectors, fold[vectors.labels] != f)
    rehearsed = []
    for label in _some(np.flatnonzero(fold == f), np.bincount(vectors.labels)):
        rows = np.flatnonzero(vectors.labels == label)
        alone: Doubles = np.zeros(0)
        first = np.zeros(0, int)
        if len(rows) > 1:
            alone, first = confidences(_without_itself(vectors, part, rows))
        unknown, stranger = confidences(_without_label(vectors, part, rows, label))
        rehearsed.append(_Rehearsed(label, alone, first, unknown, stranger))
    return rehearsed


def _some(labels: np.ndarray, sizes: np.ndarray) -> list[int]:
    """A fold's labels, as many as have their share of MOST_FORECAST phrases."""
    shuffled = np.random.RandomState(0).permutation(labels)
    before = np.cumsum(sizes[shuffled]) - sizes[shuffled]
    return sorted(map(int, shuffled[before < MOST_FORECAST / FOLDS]))


def _scores(vectors: Vectors, space: Space, rows: np.ndarray) -> Doubles:
    """(n, k) score of every label for some of the space's own rows."""
    likeness = space.rows[rows] @ space.rows.T
    nearest = np.maximum.reduceat(likeness[:, : len(vectors.phrases)], vectors.starts, axis=1)
    return np.asarray(nearest + RIDGE_WEIGHT * kernel(likeness[:, space.learnt]) @ space.weights)


def _without_itself(vectors: Vectors, space: Space, rows: np.ndarray) -> Doubles:
    """Each of one label's phrases left out alone: output Y_i - (GY)_i / G_ii, and it is not its own neighbour."""
    likeness = space.rows[rows] @ space.rows.T
    output = kernel(likeness[:, space.learnt]) @ space.weights
    learnt, at = _positions(space, rows)
    diagonal = (space.root[:, at] ** 2).sum(0)
    output[learnt] = _targets(vectors, rows[learnt]) - space.weights[at] / diagonal[:, None]
    likeness[np.arange(len(rows)), rows] = -1
    nearest = np.maximum.reduceat(likeness[:, : len(vectors.phrases)], vectors.starts, axis=1)
    return np.asarray(nearest + RIDGE_WEIGHT * output)


def _without_label(vectors: Vectors, space: Space, rows: np.ndarray, label: int) -> Doubles:
    """All phrases of a label left out together: GY_b becomes G_bb^-1 GY_b, and none of them is a neighbour."""
    likeness = space.rows[rows] @ space.rows.T
    learnt, at = _positions(space, rows)
    block = np.linalg.solve(space.root[:, at].T @ space.root[:, at], space.weights[at])
    output = kernel(likeness[:, space.learnt]) @ space.weights
    output[learnt] = _targets(vectors, rows[learnt]) - block
    likeness[:, rows] = -1
    without = np.maximum.reduceat(likeness[:, : len(vectors.phrases)], vectors.starts, axis=1) + RIDGE_WEIGHT * output
    without[:, label] = -NEVER
    return np.asarray(without)


def _positions(space: Space, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of `rows` the ridge learnt from (a mask), and where they stand among the learnt."""
    at = np.searchsorted(space.learnt, rows).clip(max=len(space.learnt) - 1)
    mask = space.learnt[at] == rows
    return mask, at[mask]


def _targets(vectors: Vectors, rows: np.ndarray) -> Doubles:
    targets = np.zeros((len(rows), len(vectors.starts)))
    targets[np.arange(len(rows)), vectors.labels[rows]] = 1
    return targets


def _above(values: Doubles, at: Doubles, weights: Doubles | None = None) -> Doubles:
    """Share of `values` above each of `at`."""
    weights = np.ones(len(values)) if weights is None else weights
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    return (
        np.asarray(1 - below[np.searchsorted(values[order], at, side="right")] / below[-1]) if len(values) else at * 0
    )
