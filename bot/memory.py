"""What was worked out lately and need not be again; unlike `lru_cache` it goes along when its owner is pickled."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Memory(Generic[K, T]):
    """The last `most` results, by what they were made of; for several threads at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, T] = OrderedDict()
        self._alone = Lock()  # keys hash in Python: without it two threads end up inside one step of the dict

    def recall(self, key: K, work: Callable[[], T]) -> T:
        """What `work` gave for this key, which is done when nobody remembers."""
        with self._alone:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        result = work()
        with self._alone:
            self._kept[key] = result
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return result

    def __contains__(self, key: object) -> bool:
        with self._alone:
            return key in self._kept

    def last(self, most: int) -> list[K]:
        """The keys that were recalled last, the latest last."""
        with self._alone:
            return list(self._kept)[-most:]

    def __getstate__(self) -> dict[str, Any]:
        with self._alone:
            return {"_most": self._most, "_kept": self._kept.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _alone=Lock())
