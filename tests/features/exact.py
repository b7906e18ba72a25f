"""Statistics of integers, in fractions up to the last step."""

import math
from fractions import Fraction


def mean(numbers: list[int]) -> float | None:
    """None of no numbers."""
    return float(Fraction(sum(numbers), len(numbers))) if numbers else None


def _variance(numbers: list[int]) -> Fraction | None:
    if len(numbers) < 2:
        return None
    middle = Fraction(sum(numbers), len(numbers))
    return sum((number - middle) ** 2 for number in numbers) / (len(numbers) - 1)


def variance(numbers: list[int]) -> float | None:
    """Of a sample; None of fewer than two numbers."""
    found = _variance(numbers)
    return None if found is None else float(found)


def deviation(numbers: list[int]) -> float | None:
    """Of a sample; None of fewer than two numbers."""
    found = _variance(numbers)
    return None if found is None else math.sqrt(found)


def ratio(above: int, below: int) -> float | None:
    """None of 0."""
    return float(Fraction(above, below)) if below else None


def gaps(times: list[int]) -> list[int]:
    """From each moment to the next; time does not go backwards: what comes late comes at the latest time so far."""
    found, latest = [], None
    for time in times:
        if latest is not None:
            found.append(max(0, time - latest))
        latest = time if latest is None else max(time, latest)
    return found
