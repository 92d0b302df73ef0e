"""Content as a set of files with a name of its own: what is read, gated, published and taken back as a whole."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.app import read_content
from bot.config import Config
from bot.content.load import Content
from bot.errors import Problem

Files = Mapping[str, bytes]
"""`intents/own.yaml` -> what stands in it; the check questions too."""
INTENTS, KNOWLEDGE = "intents", "knowledge"
_LEFT_BY_EDITORS = (".", "~", "#")


def files_of(config: Config) -> dict[str, bytes]:
    """The files as they are now; a folder that is missing has none, and what vanishes meanwhile was never there."""
    found = {}
    for name, folder in _folders(config).items():
        for path in sorted([*folder.glob("*.y*ml"), *folder.glob("checks/*.y*ml")]):
            if not path.name.startswith(_LEFT_BY_EDITORS):
                try:
                    found[f"{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
                except OSError:
                    continue
    return found


def version_of(files: Files) -> str:
    """A name for these files; the same files have the same."""
    digest = hashlib.sha256()
    for name, body in sorted(files.items()):
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:12]


def open_files(config: Config, files: Files, *, checks: bool = True) -> tuple[Content, list[Problem]]:
    """What the files say and what is wrong with their form, each problem where the file belongs.

    Raises ContentError when a folder is missing.
    """
    with tempfile.TemporaryDirectory(prefix="hotline-") as name:
        there = Path(name)
        for file, body in files.items():
            path = there / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        folders = {"intents": there / INTENTS, "knowledge": there / KNOWLEDGE}
        settings = config.content.model_copy(update=folders)
        content, problems = read_content(config.model_copy(update={"content": settings}), checks=checks)
        return _at_home(content, there, config), [
            replace(p, path=_path_at_home(p.path, there, config)) for p in problems
        ]


def write_changes(config: Config, before: Files, after: Files) -> None:
    """Puts what differs into the folders, each file whole; all others stay as they are now."""
    for name in before.keys() - after.keys():
        _path_of(config, name).unlink(missing_ok=True)
    for name, body in after.items():
        if before.get(name) != body:
            _write(_path_of(config, name), body)


def put_back(config: Config, files: Files) -> Path | None:
    """Makes the folders hold exactly these files; where what was there is kept aside, unless it was the same."""
    now = files_of(config)
    if version_of(now) == version_of(files):
        return None
    aside = config.web.secret_file.parent / "undone" / datetime.now(config.zone).strftime("%Y%m%d-%H%M%S-%f")
    for name, body in now.items():
        _write(aside / name, body)
    write_changes(config, now, files)
    return aside


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(body)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    Path(draft).chmod(mode)
    Path(draft).replace(path)


def _path_of(config: Config, name: str) -> Path:
    folder, _, rest = name.partition("/")
    return _folders(config)[folder] / rest


def _folders(config: Config) -> dict[str, Path]:
    return {INTENTS: config.content.intents, KNOWLEDGE: config.content.knowledge}


def _at_home(content: Content, there: Path, config: Config) -> Content:
    sheets = {id(sheet): sheet for sheet, _ in content.places.values()}
    moved = {n: replace(sheet, path=_path_at_home(sheet.path, there, config)) for n, sheet in sheets.items()}
    places = {key: (moved[id(sheet)], loc) for key, (sheet, loc) in content.places.items()}
    return replace(content, folder=config.content.intents, places=places)


def _path_at_home(path: Path, there: Path, config: Config) -> Path:
    if not path.is_relative_to(there):
        return path
    name = path.relative_to(there)
    return _folders(config)[name.parts[0]].joinpath(*name.parts[1:]) if name.parts else path
