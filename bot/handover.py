"""A dialogue from the process that made it to the one that answers, which goes on answering while it takes it in."""

import gc
import io
import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.dialogue import Dialogue
from bot.matching.encoder import Encoder

_PAUSE_SECONDS = 0.004
"""After every piece of 64 kB, which takes about a millisecond: replies have the interpreter most of the time."""
_TURN_SECONDS = 0.0005
"""Replies wait for the rest of a piece for so long at most."""


def hand_over(dialogue: Dialogue, path: Path, encoders: Sequence[Encoder]) -> None:
    """Writes it down; its encoders stay here, each knows its own by the version."""
    with path.open("wb") as file:
        _Pickler(file, encoders).dump(dialogue)


def take_over(path: Path, encoders: Sequence[Encoder]) -> Dialogue:
    """What was written down, in small pieces with pauses between them; only for files that `hand_over` wrote."""
    with path.open("rb") as file, _in_passing():
        dialogue = _Unpickler(_Unhurried(file), encoders).load()
    assert isinstance(dialogue, Dialogue)
    return dialogue


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BufferedWriter, encoders: Sequence[Encoder]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._names = {id(encoder): encoder.version for encoder in encoders}

    def persistent_id(self, thing: object) -> str | None:
        return self._names.get(id(thing))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: "_Unhurried", encoders: Sequence[Encoder]) -> None:
        super().__init__(file)
        self._known = {encoder.version: encoder for encoder in encoders}

    def persistent_load(self, name: str) -> Encoder:
        return self._known[name]


class _Unhurried:
    """A file whose reader makes a pause before each piece; arrays go straight to where they belong."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self.readline, self.readinto = file.readline, file.readinto

    def read(self, size: int = -1) -> bytes:
        time.sleep(_PAUSE_SECONDS)
        return self._file.read(size)


@contextmanager
def _in_passing() -> Iterator[None]:
    """Short turns for whoever else runs, and no search for garbage: what is made now stays."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        sys.setswitchinterval(usual)
