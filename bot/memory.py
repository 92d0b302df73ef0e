"""What was worked out lately and need not be again; unlike `lru_cache` it goes along when its owner is pickled."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Memory(Generic[K, T]):
    """The last `most` results, by what they were made of; each of its deeds is whole, whichever thread does it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, T] = OrderedDict()

    def recall(self, key: K, work: Callable[[], T]) -> T:
        """What `work` gave for this key, which is done when nobody remembers."""
        try:
            result = self._kept.pop(key)
        except KeyError:
            result = work()
        self._kept[key] = result
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return result

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def last(self, most: int) -> list[K]:
        """The keys that were recalled last, the latest last."""
        return list(self._kept)[-most:]
