"""Content as a set of files with a name of its own: what is read, gated, published and taken back as a whole."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.app import read_content
from bot.config import Config
from bot.content.load import Content, legible
from bot.errors import ContentError, HotlineError, Problem, reason

Files = Mapping[str, bytes]
"""`intents/own.yaml` -> what stands in it; the check questions too."""
INTENTS, KNOWLEDGE = "intents", "knowledge"
_LEFT_BY_EDITORS = (".", "~", "#")


def files_of(config: Config) -> dict[str, bytes]:
    """The files as they are now; a folder that is missing has none, and what vanishes meanwhile was never there.

    Of one that is too large only as much as shows that.
    """
    found, most = {}, config.content.max_file_bytes + 1
    for name, folder in _folders(config).items():
        for path in sorted([*folder.glob("*.y*ml"), *folder.glob("checks/*.y*ml")]):
            if not path.name.startswith(_LEFT_BY_EDITORS):
                with suppress(OSError), path.open("rb") as file:
                    found[f"{name}/{legible(path.relative_to(folder).as_posix())}"] = file.read(most)
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
    with tempfile.TemporaryDirectory(prefix="hotline-") as folder:
        there = Path(folder)
        for file, body in files.items():
            path = there / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        folders = {"intents": there / INTENTS, "knowledge": there / KNOWLEDGE}
        settings = config.content.model_copy(update=folders)
        try:
            content, problems = read_content(config.model_copy(update={"content": settings}), checks=checks)
        except ContentError as error:
            raise ContentError(_at_home(error.problems, there, config)) from None
        return _content_at_home(content, there, config), _at_home(problems, there, config)


def write_changes(config: Config, before: Files, after: Files) -> None:
    """Puts what differs into the folders, each file whole; all others stay as they are now.

    Raises HotlineError, with everything as it was, where that cannot be written.
    """
    try:
        _write_changes(config, before, after)
    except OSError as error:
        with suppress(OSError):
            _write_changes(config, after, before)
        raise HotlineError(f"写不进文件({reason(error)}),改动没有上线") from error


def _write_changes(config: Config, before: Files, after: Files) -> None:
    for name in before.keys() - after.keys():
        _path_of(config, name).unlink(missing_ok=True)
    for name, body in after.items():
        if before.get(name) != body:
            _write(_path_of(config, name), body)


def keep_aside(config: Config, files: Files) -> Path:
    """A copy of these files as they are on disk, and where it is."""
    aside = config.web.secret_file.parent / "undone" / datetime.now(config.zone).strftime("%Y%m%d-%H%M%S-%f")
    try:
        for name in files:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copy2(_path_of(config, name), aside / name)
    except OSError as error:
        raise HotlineError(f"{aside} 写不进去({reason(error)});没有退回") from error
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


def _at_home(problems: Iterable[Problem], there: Path, config: Config) -> list[Problem]:
    return [replace(p, path=_path_at_home(p.path, there, config)) for p in problems]


def _content_at_home(content: Content, there: Path, config: Config) -> Content:
    sheets = {id(sheet): sheet for sheet, _ in content.places.values()}
    moved = {n: replace(sheet, path=_path_at_home(sheet.path, there, config)) for n, sheet in sheets.items()}
    places = {key: (moved[id(sheet)], loc) for key, (sheet, loc) in content.places.items()}
    return replace(content, folder=config.content.intents, places=places)


def _path_at_home(path: Path, there: Path, config: Config) -> Path:
    if not path.is_relative_to(there):
        return path
    name = path.relative_to(there)
    return _folders(config)[name.parts[0]].joinpath(*name.parts[1:]) if name.parts else path
