"""A stand-in for face recognition: brightness of 64 parts of an image, compared by angle.

Any model that turns an image into a list of numbers takes its place.
"""

import math


def template(image: bytes) -> list[float]:
    """64 numbers. Raises ValueError for an image that is too small to have them."""
    if len(image) < 64:
        raise ValueError("the image has fewer than 64 bytes")
    size = len(image) // 64
    return [round(sum(image[i * size : (i + 1) * size]) / size, 3) for i in range(64)]


def same(one: list[float], other: list[float]) -> bool:
    """Whether two templates are of one person."""
    product = sum(a * b for a, b in zip(one, other))
    return product / (math.hypot(*one) * math.hypot(*other) or 1) > 0.98
