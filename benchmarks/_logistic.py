"""A small logistic regression in numpy, and what its probabilities are worth."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit(features: Floats, labels: Floats, weights: Floats, ridge: float = 1e-5, rounds: int = 100) -> Floats:
    """Bias and a weight for each column, by Newton's method. `weights` of the rows should add up to 1."""
    columns = np.hstack([np.ones((len(features), 1)), features])
    found = np.zeros(columns.shape[1])
    keep = np.full(columns.shape[1], ridge)
    keep[0] = 0.0
    for _ in range(rounds):
        probability = 1 / (1 + np.exp(-columns @ found))
        gradient = columns.T @ (weights * (probability - labels)) + keep * found
        bent = weights * probability * (1 - probability)
        hessian = columns.T @ (columns * bent[:, None]) + np.diag(keep + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        found -= step
        if np.abs(step).max() < 1e-8:
            break
    return found


def fit_signed(features: Floats, labels: Floats, weights: Floats, sign: float, ridge: float = 1e-5) -> Floats:
    """As `fit`, with every weight of one sign or nought: a column that would turn is left out."""
    used = list(range(features.shape[1]))
    while True:
        found = fit(features[:, used], labels, weights, ridge)
        wrong = [i for i, value in enumerate(found[1:]) if value * sign < 0]
        if not wrong:
            break
        del used[min(wrong, key=lambda i: found[1 + i] * sign)]
    whole = np.zeros(features.shape[1] + 1)
    whole[0] = found[0]
    whole[[1 + i for i in used]] = found[1:]
    return whole


def probability(found: Floats, features: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(found[0] + features @ found[1:]))))


def area(scores: Floats, labels: Floats) -> float:
    """Under the curve: how often one of label 1 scores above one of label 0; a tie counts half."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        same = scores == value
        ranks[same] = ranks[same].mean()
    ones = int(labels.sum())
    return float((ranks[labels == 1].sum() - ones * (ones + 1) / 2) / max(ones * (len(labels) - ones), 1))


def keeping(scores: Floats, share: float) -> float:
    """The highest threshold at which so large a share of these scores is not below it."""
    ordered = np.sort(scores)
    return float(ordered[int(np.floor((1 - share) * len(ordered)))])


def parting(scores: Floats, true: Floats, weights: Floats) -> float:
    """The threshold that parts true from false best; `weights` say what each score counts."""
    order = np.argsort(scores)
    gained = np.cumsum(np.where(true[order], -weights[order], weights[order]))
    at = int(np.argmax(gained))
    following = scores[order[min(at + 1, len(scores) - 1)]]
    return float((scores[order[at]] + following) / 2)
