"""What is in an open call, in parts: batches of what is alike, loops of what repeats, runs of what is left.

Parts are of positions among the operations and calls of a call, in an order in which each needs only those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise

from autograd.drawing.scopes import Item, size

__all__ = ["Part", "batches", "loops", "pieces", "run", "runs"]

GLANCE = 64  # kinds of operations that are ready, of which the next is chosen
PERIOD = 4096  # items of one iteration of a loop at most

Batch = list[int]


@dataclass(slots=True, eq=False)
class Part:
    """What a group shows once it is open: a batch of items, a loop, or a run. rounds: positions by iteration."""

    what: str
    rounds: list[Batch]
    key: Hashable

    @property
    def positions(self) -> Batch:
        """The items in it, each after those that it needs."""
        return [q for batch in self.rounds for q in batch]


def batches(keys: Sequence[Hashable], before: list[set[int]]) -> list[Batch]:
    """Positions of the same key together, in an order in which every batch needs only those before it.

    Of what is ready, a kind of which no more is to come goes first, or else the earliest, with all that
    becomes ready of it by that: as operations are batched on the fly (Neubig, Goldberg and Dyer 2017).
    """
    waits = [len(b) for b in before]
    after: list[Batch] = [[] for _ in keys]
    for q, needed in enumerate(before):
        for p in needed:
            after[p].append(q)
    left = Counter(keys)
    ready: dict[Hashable, Batch] = {}
    for q, n in enumerate(waits):
        if n == 0:
            ready.setdefault(keys[q], []).append(q)
    result = []
    while ready:
        key = _next(list(islice(ready, GLANCE)), ready, left)
        batch: Batch = []
        todo = ready.pop(key)
        while todo:
            q = todo.pop()
            batch.append(q)
            for r in after[q]:
                waits[r] -= 1
                if waits[r] == 0:
                    (todo if keys[r] == key else ready.setdefault(keys[r], [])).append(r)
        left[key] -= len(batch)
        result.append(sorted(batch))
    return result


def _next(kinds: list[Hashable], ready: dict[Hashable, Batch], left: Counter[Hashable]) -> Hashable:
    """Of the kinds that are ready, one of which all is, or else the earliest."""
    if len(kinds) == 1:
        return kinds[0]
    return next((kind for kind in kinds if len(ready[kind]) == left[kind]), min(kinds, key=lambda kind: ready[kind][0]))


def loops(parts: list[Part]) -> list[Part]:
    """What repeats, one round after the other, as one part: short rounds first, and so loops of loops."""
    longest = 1
    while longest <= min(PERIOD, len(parts)):
        shorter = _once(parts, longest)
        longest = 1 if len(shorter) < len(parts) else 2 * longest
        parts = shorter
    return parts


def _once(parts: list[Part], longest: int) -> list[Part]:
    numbers: dict[Hashable, int] = {}
    keys = [numbers.setdefault(part.key, len(numbers)) for part in parts]
    following: list[int] = [0] * len(keys)  # the next of the same key
    seen: dict[int, int] = {}
    for i in range(len(keys) - 1, -1, -1):
        following[i] = seen.get(keys[i], 0)
        seen[keys[i]] = i
    result, i = [], 0
    while i < len(parts):
        period, rounds = _repeats(keys, following, i, longest)
        if rounds == 1:
            result.append(parts[i])
        else:
            body = [
                [q for part in parts[k : k + period] for q in part.positions]
                for k in range(i, i + period * rounds, period)
            ]
            result.append(Part("loop", body, ("loop", tuple(keys[i : i + period]), rounds)))
        i += period * rounds
    return result


def _repeats(keys: list[int], following: list[int], i: int, longest: int) -> tuple[int, int]:
    """How long the shortest piece from i on is that repeats at once, and how often it stands there."""
    j = following[i]
    for _ in range(8):
        period = j - i
        if not j or period > longest or j + period > len(keys):
            break
        # The ends first: most pieces differ there, and cost no slice.
        if keys[j - 1] == keys[j + period - 1] and keys[i:j] == keys[j : j + period]:
            rounds = 2
            while keys[i + rounds * period : i + (rounds + 1) * period] == keys[i:j]:
                rounds += 1
            if period * rounds >= 4:
                return period, rounds
        j = following[j]
    return 1, 1


def runs(parts: list[Part], room: int, items: Sequence[Item]) -> list[Part]:
    """The largest parts as they are, and what stands between them in runs: no more than `room` in all."""
    sizes = [sum(size(items[q]) for q in part.positions) for part in parts]
    largest = sorted(range(len(parts)), key=lambda i: -sizes[i])[: (room - 1) // 2]
    alone = {i for i in largest if sizes[i] > sum(sizes) / room}
    stretches = [list(g) for single, g in groupby(range(len(parts)), lambda i: i in alone) if not single]
    spare = room - len(alone) - len(stretches)
    rest = sum(map(len, stretches))
    result: dict[int, list[Part]] = {i: [parts[i]] for i in alone}
    for stretch in stretches:
        cut = pieces(len(stretch), min(len(stretch), 1 + spare * len(stretch) // max(1, rest)))
        result[stretch[0]] = [run([parts[stretch[i]] for i in piece]) for piece in cut]
    return [part for i in sorted(result) for part in result[i]]


def pieces(count: int, pieces: int) -> list[range]:
    """So many things in so many pieces, about as long."""
    cuts = [count * k // pieces for k in range(pieces + 1)]
    return [range(a, b) for a, b in pairwise(cuts)]


def run(parts: list[Part]) -> Part:
    """Parts that follow each other, as one."""
    return parts[0] if len(parts) == 1 else Part("run", [[q for part in parts for q in part.positions]], None)
