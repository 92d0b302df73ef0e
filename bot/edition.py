"""Content as a set of files with a name of its own: what is read, gated, published and taken back as a whole."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.app import read_content
from bot.config import Config
from bot.content.load import Content
from bot.errors import ContentError, HotlineError, Problem, reason
from bot.files import legible, replacing
from bot.yamlfile import LOST

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


@contextmanager
def written(config: Config, before: Files, after: Files) -> Iterator[None]:
    """Puts what differs into the folders, each file whole; all others stay as they are now.

    Raises HotlineError where something cannot be written. Then, and when the block raises, what was written is taken
    back, except where somebody wrote something else since.
    """
    done: list[tuple[Path, bytes | None, bytes | None]] = []
    try:
        try:
            for name in sorted(before.keys() | after.keys(), key=lambda name: name not in after):  # what goes, last
                if before.get(name) != after.get(name):
                    path = _path_of(config, name)
                    was = _body(path)
                    _put(path, after.get(name))
                    done.append((path, was, after.get(name)))
        except OSError as error:
            raise HotlineError(f"写不进文件({reason(error)}),改动没有上线") from error
        yield
    except BaseException:
        for path, was, now in reversed(done):
            with suppress(OSError):
                if _body(path) == now:
                    _put(path, was)
        raise


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


def _body(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _put(path: Path, body: bytes | None) -> None:
    if body is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path, path.stat().st_mode & 0o777 if path.exists() else 0o644) as file:
        file.write(body)


def _path_of(config: Config, name: str) -> Path:
    folder, _, rest = name.partition("/")
    path = _folders(config)[folder] / rest
    if LOST not in rest:
        return path
    return next((p for p in path.parent.glob("*") if legible(p.name) == path.name), path)


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
