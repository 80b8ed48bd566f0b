"""What each caller may still spend: a bucket of points that fills up again as time goes by.

A caller is a person or a system within a company, whatever token or connection he comes with. Buckets are those of one
process: with several workers a caller has as many. One that is full again is forgotten, so that memory is bounded by
those who called within the time that filling takes.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic

from api.limits import Limits

NOTHING = 1e-6
"""Points. Seconds are not whole, and what has come back may lack the last bit of a number."""


@dataclass(slots=True)
class _Bucket:
    points: float
    at: float
    """When that was so, by the clock."""


class Buckets:
    """`clock` tells seconds and never goes back."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        self.maximum = float(limits.throttle_points)
        self.restore = float(limits.throttle_restore)
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        """The one that was touched last stands last."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: Hashable, points: float) -> float:
        """Takes the points when they are there. Otherwise nothing, and in how many seconds they will be.

        More than fits into a bucket is there when the bucket is full.
        """
        bucket = self._filled(who)
        missing = min(points, self.maximum) - bucket.points
        if missing > NOTHING:
            return missing / self.restore
        bucket.points = max(bucket.points - points, 0.0)
        return 0

    def charge(self, who: Hashable, points: float, *, lowest: float = 0) -> float:
        """Takes points as far down as `lowest`, and says how many. Negative: gives back."""
        bucket = self._filled(who)
        before = bucket.points
        bucket.points = min(max(before - points, min(lowest, before)), self.maximum)
        return before - bucket.points

    def available(self, who: Hashable) -> float:
        bucket = self._buckets.get(who)
        return self.maximum if bucket is None else max(self._level(bucket, self._clock()), 0)

    def _filled(self, who: Hashable) -> _Bucket:
        now = self._clock()
        self._forget_full(now)
        bucket = self._buckets.setdefault(who, _Bucket(self.maximum, now))
        bucket.points, bucket.at = self._level(bucket, now), now
        self._buckets.move_to_end(who)
        return bucket

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(bucket.points + (now - bucket.at) * self.restore, self.maximum)

    def _forget_full(self, now: float) -> None:
        while self._buckets:
            who, oldest = next(iter(self._buckets.items()))
            if self._level(oldest, now) < self.maximum:
                return
            del self._buckets[who]
