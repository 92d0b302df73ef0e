"""A few phrases more or less in a space that is fitted already: seconds where a fit takes minutes.

The whitening and the forecast stay those of the last fit: they hardly move with a few phrases of thousands. The ridge
is exact: with (K + λI) W = Y, rows R gone and rows A new, the old weights leave a residual of rank |R| + |A|, namely
K_R W_R in the rows that stay and Y_A - K_A W in the new ones; conjugate gradients solve for these columns.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bot.matching.encoder import Doubles, Encode, Floats
from bot.matching.matcher import Index, Material, Row
from bot.matching.space import RIDGE, kernel, learnt_rows, unit
from bot.text import for_encoder

MOST_CHANGED = 64
"""Of more rows the ridge is solved anew, which then takes no longer."""
_PRECISION = 1e-5
_MOST_STEPS = 500


def refit(old: Index, before: Material, after: Material, encode: Encode) -> Index:
    """The index of `after`, in the space and with the forecast of `old`, which is that of `before`."""
    was, now = before.rows(), after.rows()
    place = {row: n for n, row in enumerate(was)}
    rows = _rows(old, place, now, encode)
    labels, number = np.unique([label for _, label in now if label], return_inverse=True)
    learnt = learnt_rows(number, len(rows))
    old_weights = _old_weights(old, [label for _, label in was if label], labels)
    at = {was[row]: n for n, row in enumerate(old.learnt)}
    kept = np.array([at.get(now[row], -1) for row in learnt])
    gone = np.setdiff1d(np.arange(len(old.learnt)), kept)
    weights = np.where(kept[:, None] >= 0, old_weights[kept], 0)
    learn = rows[learnt]
    gram = kernel(learn @ learn.T).astype(np.float32)
    gram[np.diag_indices(len(gram))] += RIDGE
    targets = np.zeros_like(weights)
    is_phrase = learnt < len(number)
    targets[is_phrase, number[learnt[is_phrase]]] = 1
    new = np.flatnonzero(kept < 0)
    if len(new) + len(gone) > MOST_CHANGED:
        weights = np.linalg.solve(gram, targets)
    elif len(new) + len(gone):
        left = kernel(learn @ old.rows[old.learnt[gone]].T).astype(np.float32)
        left[new] = 0
        units = np.zeros((len(learn), len(new)), np.float32)
        units[new, np.arange(len(new))] = 1
        residual = np.vstack([old_weights[gone], targets[new] - gram[new] @ weights])
        weights = weights + solved(gram, np.hstack([left, units])) @ residual
    return replace(old, rows=rows, learnt=learnt, weights=np.ascontiguousarray(weights.T, np.float32))


def _rows(old: Index, place: dict[Row, int], now: Sequence[Row], encode: Encode) -> Floats:
    texts = list(dict.fromkeys(text for text, label in now if (text, label) not in place))
    made: Doubles = (
        unit((encode([for_encoder(text) for text in texts]) - old.centre) @ old.whitener) if texts else np.zeros((0, 1))
    )
    fresh = dict(zip(texts, made, strict=True))
    rows = [old.rows[place[row]] if row in place else fresh[row[0]] for row in now]
    return np.ascontiguousarray(rows, np.float32)


def _old_weights(old: Index, labels_were: Sequence[str], labels: np.ndarray) -> Floats:
    """(r, k) the old weights, with a column for each label of now."""
    column = {str(label): n for n, label in enumerate(np.unique(labels_were))}
    weights = np.zeros((len(old.learnt), len(labels)), np.float32)
    for n, label in enumerate(labels):
        if str(label) in column:
            weights[:, n] = old.weights[column[str(label)]]
    return weights


def solved(gram: Floats, targets: Floats) -> Floats:
    """(n, m) X with gram X = targets, by conjugate gradients over all columns at once; gram is positive definite."""
    x, residual = np.zeros_like(targets), targets.copy()
    direction, size = residual.copy(), (residual**2).sum(0)
    enough = _PRECISION**2 * np.maximum(size, 1e-12)
    for _ in range(_MOST_STEPS):
        if (size <= enough).all():
            break
        forward = gram @ direction
        step = size / np.maximum((direction * forward).sum(0), 1e-30)
        x += step * direction
        residual -= step * forward
        before, size = size, (residual**2).sum(0)
        direction = residual + (size / np.maximum(before, 1e-30)) * direction
    return x
