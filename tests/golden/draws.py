"""The service's random numbers: SplitMix64 and distributions, the same on every machine."""

from __future__ import annotations

import math

BITS = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
BETWEEN_STREAMS = 0xD1B54A32D192ED03


class Draws:
    """Steele, Lea & Flood 2014. A number takes one step of the generator, a normal one two."""

    def __init__(self, state: int):
        self.state = state & BITS

    def next(self) -> int:
        """64 bits."""
        self.state = self.state + GOLDEN & BITS
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & BITS
        z = (z ^ z >> 27) * 0x94D049BB133111EB & BITS
        return z ^ z >> 31

    def uniform(self) -> float:
        """In [0, 1), a multiple of 2^-53."""
        return (self.next() >> 11) * 2.0**-53

    def below(self, n: int) -> int:
        """In 0..n."""
        return int(self.uniform() * n)

    def normal(self) -> float:
        """Box & Muller 1958, only the cosine."""
        first, second = 1.0 - self.uniform(), self.uniform()
        return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)

    def subset(self, n: int, size: int) -> list[int]:
        """`size` numbers of 0..n by a partial Fisher-Yates shuffle, one draw each."""
        numbers = list(range(n))
        for k in range(size):
            j = k + self.below(n - k)
            numbers[k], numbers[j] = numbers[j], numbers[k]
        return numbers[:size]


def stream(seed: int, number: int) -> Draws:
    """The generator of one sample (noise), or with number 0 of all samples (coalitions)."""
    return Draws(Draws(seed).next() + number * BETWEEN_STREAMS)
