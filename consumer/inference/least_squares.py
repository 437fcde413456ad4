"""Least squares with lower bounds, for a handful of unknowns. Pure Python: the consumer needs no numpy for it."""

from collections.abc import Iterator, Sequence
from itertools import combinations


def bounded_least_squares(
    rows: Sequence[Sequence[float]], targets: Sequence[float], lower: Sequence[float]
) -> list[float]:
    """x that minimises the squares of `rows · x - targets` among all with x ≥ `lower`.

    Tries every set of unknowns that may leave their bound (2**n of them); the best solution is one of those. Of equally
    good ones that with the fewest, so that unknowns which the rows cannot tell apart do not share by chance.
    """
    best, best_error = list(lower), _error(rows, targets, lower)
    for free in _subsets(len(lower)):
        found = _solve(rows, targets, lower, free)
        if found is None or any(x < bound for x, bound in zip(found, lower, strict=True)):
            continue
        error = _error(rows, targets, found)
        if error < best_error * (1 - 1e-9):
            best, best_error = found, error
    return best


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, count + 1):
        yield from combinations(range(count), size)


def _error(rows: Sequence[Sequence[float]], targets: Sequence[float], x: Sequence[float]) -> float:
    return sum((_dot(row, x) - target) ** 2 for row, target in zip(rows, targets, strict=True))


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _solve(
    rows: Sequence[Sequence[float]], targets: Sequence[float], lower: Sequence[float], free: Sequence[int]
) -> list[float] | None:
    """Least squares over the free unknowns, the others at their bound; None when the rows do not determine them."""
    rest = [target - sum(row[i] * lower[i] for i in range(len(lower)) if i not in free)
            for row, target in zip(rows, targets, strict=True)]  # fmt: skip
    scale = [max(abs(row[i]) for row in rows) for i in free]
    if not all(scale):
        return None
    columns = [[row[i] / size for row in rows] for i, size in zip(free, scale, strict=True)]
    normal = [[_dot(a, b) for b in columns] + [_dot(a, rest)] for a in columns]
    solved = _eliminate(normal)
    if solved is None:
        return None
    x = list(lower)
    for index, value, size in zip(free, solved, scale, strict=True):
        x[index] = value / size
    return x


def _eliminate(matrix: list[list[float]]) -> list[float] | None:
    """Gauss-Jordan with pivoting on an n × (n + 1) matrix; None when it is as good as singular."""
    count = len(matrix)
    for column in range(count):
        pivot = max(range(column, count), key=lambda row: abs(matrix[row][column]))
        if abs(matrix[pivot][column]) < 1e-12:
            return None
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        for row in range(count):
            if row != column:
                factor = matrix[row][column] / matrix[column][column]
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[column], strict=True)]
    return [matrix[row][count] / matrix[row][row] for row in range(count)]
