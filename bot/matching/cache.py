"""Vectors and fitted matchers on disk, keyed by content and encoder: a warm start fits nothing. Safe to delete."""

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bot.files import replacing
from bot.matching.calibration import Forecast
from bot.matching.encoder import Encoder, Floats
from bot.matching.matcher import Index, Matcher, Material, build_index
from bot.matching.refit import refit

FORMAT = "9"
"""Raised when the fit changes, so that older files are not used."""
KEPT_FITS = 6


class Cache:
    """A folder of .npz files; unreadable ones count as absent, an unwritable folder as an empty one."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder, self.encoder = folder, encoder

    def index(
        self, material: Material, before_fit: Callable[[], None] = lambda: None, like: Matcher | None = None
    ) -> Index:
        """The index of this material: from disk, else in the space of `like`, else fitted, after `before_fit`."""
        found = (_read_index(self._path(kind, material)) for kind in ("fit", "quick"))
        index = next(filter(None, found), None)
        if index is None and like is not None:
            # not written: it may be a draft, and only what goes live is kept
            return refit(like.index, like.material, material, self.encode)
        return index or self._fitted("fit", material, before_fit)

    def propose(self, material: Material) -> Index:
        """One with a space and a forecast of its own, minutes; no start finds it before it was settled."""
        return self._fitted("own", material)

    def keep(self, material: Material, index: Index) -> None:
        """The next start finds this index, unless there is one with a space of its own."""
        if not self.is_fitted(material):
            self._keep(self._path("quick", material), index)

    def settle(self, material: Material, index: Index) -> None:
        """This index from now on, whether it is the proposed one or stays what it was; nothing more is proposed."""
        self._keep(self._path("fit", material), index)
        with contextlib.suppress(OSError):
            self._path("own", material).unlink(missing_ok=True)

    def is_fitted(self, material: Material) -> bool:
        """Whether that was settled, or fitted with nothing to compare it with."""
        return self._path("fit", material).exists()

    def _fitted(self, kind: str, material: Material, before_fit: Callable[[], None] = lambda: None) -> Index:
        path = self._path(kind, material)
        index = _read_index(path)
        if index is None:
            before_fit()
            index = build_index(material, self.encode)
            self._keep(path, index)
        return index

    def _path(self, kind: str, material: Material) -> Path:
        phrases = [str(p) for p in material.phrases]
        key = _digest([FORMAT, self.encoder.version, phrases, material.background, material.padding])
        return self.folder / f"{kind}-{key}.npz"

    def _keep(self, path: Path, index: Index) -> None:
        write_arrays(path, _arrays(index))
        self._prune()

    def encode(self, texts: Sequence[str]) -> Floats:
        """The texts' vectors; only those not seen before are encoded."""
        path = self.folder / f"vectors-{_digest([self.encoder.version])}.npz"
        stored = read_arrays(path) or {}
        keys = [_digest([t]) for t in texts]
        known = dict(zip(map(str, stored.get("keys", ())), stored.get("rows", ()), strict=True))
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
        if new:
            rows = self.encoder.encode(list(new.values()))
            known.update(zip(new, rows, strict=True))
            write_arrays(path, {"keys": np.array(list(known)), "rows": np.array(list(known.values()), np.float32)})
        return np.array([known[k] for k in keys], np.float32) if keys else self.encoder.encode([])

    def _prune(self) -> None:
        with contextlib.suppress(OSError):
            for kind in ("fit", "quick", "own"):
                old = sorted(self.folder.glob(f"{kind}-*.npz"), key=lambda p: p.stat().st_mtime)[:-KEPT_FITS]
                for path in old:
                    path.unlink(missing_ok=True)


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:24]


def _arrays(index: Index) -> dict[str, np.ndarray]:
    plain = {f.name: getattr(index, f.name) for f in fields(Index) if f.name != "forecast"}
    return plain | {f"forecast.{f.name}": np.asarray(getattr(index.forecast, f.name)) for f in fields(Forecast)}


def _read_index(path: Path) -> Index | None:
    arrays = read_arrays(path)
    if arrays is None:
        return None
    try:
        values: dict[str, Any] = {f.name: arrays[f"forecast.{f.name}"] for f in fields(Forecast)}
        plain = {f.name: arrays[f.name] for f in fields(Index) if f.name != "forecast"}
    except KeyError:
        return None
    return Index(**plain, forecast=Forecast(**values))


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What stands in an .npz file; None where there is none that can be read."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file, whole or not at all (two processes may fit at once); where none can be written, nothing."""
    with contextlib.suppress(OSError), replacing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # for all its stub knows, one is called allow_pickle
