"""Thresholds from the content's own phrases: how sure must the matcher be before it may answer, or offer?"""

from dataclasses import dataclass

import numpy as np

from bot.matching.encoder import Doubles
from bot.matching.space import RIDGE_WEIGHT, Space, Vectors, confidences, fit, kernel

FOLDS = 5
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
    unknown_weights: Doubles
    shadow_weights: Doubles
    """So that each label counts the same, however many phrases it has."""
    top1: float
    """Share of intents' phrases whose own label came first."""

    def risk(self, at: Doubles, mix: Mix) -> Doubles:
        """Forecast share of wrong answers at each threshold of `at`."""
        near = _above(self.unknown, at, self.unknown_weights)
        if len(self.shadow):
            near = (near + _above(self.shadow, at, self.shadow_weights)) / 2
        risk = mix.wrong * _above(self.wrong, at) + mix.near * near + mix.far * _above(self.background, at)
        return np.asarray(risk)

    def thresholds(self, target: float, mix: Mix) -> tuple[float, float]:
        """(answer, offer): the smallest confidence at which the forecast risk is within `target`, and the lower one."""
        grid = np.unique(np.concatenate([self.right, self.unknown, self.shadow, self.background, [NEVER]]))
        answer = float(grid[np.flatnonzero(self.risk(grid, mix) <= target)[0]])
        far = float(np.quantile(self.background, OFFER_FAR)) if len(self.background) else -1.0
        near = float(np.quantile(self.right, OFFER_NEAR)) if len(self.right) else far
        return answer, min(answer, max(far, near))


def forecast(vectors: Vectors, space: Space, is_intent: np.ndarray) -> Forecast:
    """Leave-one-out and leave-label-out in closed form; the whitening is refitted without the labels of each fold."""
    k = len(is_intent)
    fold = np.random.RandomState(0).permutation(k) % FOLDS
    ones: list[Doubles] = [np.zeros(0)]
    firsts, owns = [np.zeros(0, int)], [np.zeros(0, int)]
    alls: list[Doubles] = [np.zeros(0)]
    sizes = [np.zeros(0)]
    for f in range(min(FOLDS, k)):
        part = fit(vectors, fold[vectors.labels] != f)
        for label in map(int, np.flatnonzero(fold == f)):
            rows = np.flatnonzero(vectors.labels == label)
            if len(rows) > 1:
                confidence, first = confidences(_without_itself(vectors, part, rows, label, k))
                ones.append(confidence)
                firsts.append(first)
                owns.append(np.full(len(rows), label))
            confidence, first = confidences(_without_label(vectors, part, rows, label, k))
            alls.append(np.where(is_intent[first], confidence, -1.0))
            sizes.append(np.full(len(rows), len(rows), float))
    one, own, first = np.concatenate(ones), np.concatenate(owns), np.concatenate(firsts)
    mine = is_intent[own]
    misled = np.where(is_intent[first] & (first != own), one, -1.0)
    confidence, top = confidences(scores(space, vectors, space.project(vectors.background)))
    return Forecast(
        right=one[mine],
        wrong=misled[mine],
        unknown=np.concatenate(alls),
        shadow=misled[~mine],
        background=np.where(is_intent[top], confidence, -1.0),
        unknown_weights=1 / np.concatenate(sizes),
        shadow_weights=1 / np.bincount(vectors.labels)[own[~mine]],
        top1=float((first == own)[mine].mean()) if mine.any() else 0.0,
    )


def scores(space: Space, vectors: Vectors, rows: Doubles) -> Doubles:
    """(n, k) score of every label for projected rows."""
    if not len(rows):
        return np.zeros((0, len(vectors.starts)))
    nearest = np.maximum.reduceat(rows @ space.phrases.T, vectors.starts, axis=1)
    return np.asarray(nearest + RIDGE_WEIGHT * kernel(rows, space.landmarks) @ space.weights)


def _without_itself(vectors: Vectors, space: Space, rows: np.ndarray, label: int, k: int) -> Doubles:
    """R_i = Y_i - (Y_i - Ŷ_i) / (1 - h_ii), and no phrase is its own neighbour."""
    likeness = space.phrases[rows] @ space.phrases.T
    likeness[np.arange(len(rows)), rows] = -1
    target, output, hat = _ridge(space, rows, label, k)
    output = target - (target - output) / (1 - np.diag(hat))[:, None]
    return np.asarray(np.maximum.reduceat(likeness, vectors.starts, axis=1) + RIDGE_WEIGHT * output)


def _without_label(vectors: Vectors, space: Space, rows: np.ndarray, label: int, k: int) -> Doubles:
    """R_b = Y_b - (I - H_bb)^(-1) (Y_b - Ŷ_b), and no phrase of the label is a neighbour."""
    likeness = space.phrases[rows] @ space.phrases.T
    likeness[:, rows] = -1
    target, output, hat = _ridge(space, rows, label, k)
    output = target - np.linalg.solve(np.eye(len(rows)) - hat, target - output)
    without = np.maximum.reduceat(likeness, vectors.starts, axis=1) + RIDGE_WEIGHT * output
    without[:, label] = -NEVER
    return np.asarray(without)


def _ridge(space: Space, rows: np.ndarray, label: int, k: int) -> tuple[Doubles, Doubles, Doubles]:
    design = space.design[rows]
    target = np.zeros((len(rows), k))
    target[:, label] = 1
    return target, design @ space.coefficients, design @ space.inverse @ design.T


def _above(values: Doubles, at: Doubles, weights: Doubles | None = None) -> Doubles:
    """Share of `values` above each of `at`."""
    weights = np.ones(len(values)) if weights is None else weights
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    return (
        np.asarray(1 - below[np.searchsorted(values[order], at, side="right")] / below[-1]) if len(values) else at * 0
    )
