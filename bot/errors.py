"""Everything we expect to go wrong, as one family: shown as a line each by `cli.main`, never as a traceback."""

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class HotlineError(Exception):
    """Something a person can put right; its text is one Chinese line that says how."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file that people edit: where it is, what is wrong and the cure."""

    path: Path
    line: int
    message: str
    is_warning: bool = False
    """Warnings are shown and do not fail the check."""

    def __str__(self) -> str:
        return f"{_shown(self.path)}:{self.line}: {'提醒:' if self.is_warning else ''}{self.message}"


class ContentError(HotlineError):
    """The files cannot be used as they are; carries every problem found in one run, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def reason(error: OSError) -> str:
    """Why the machine refused, in Chinese where it is something that people meet."""
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)


_REASONS = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EROFS: "这里只能读,不能写",
    errno.ENOSPC: "磁盘满了",
    errno.EDQUOT: "磁盘配额用完了",
    errno.EISDIR: "这是文件夹",
    errno.ENOTDIR: "上一级不是文件夹",
    errno.ENAMETOOLONG: "名字太长",
    errno.EADDRINUSE: "端口已被占用",
    errno.EADDRNOTAVAIL: "这台机器没有这个地址",
}


def _shown(path: Path) -> str:
    """Relative where that is shorter, so that an editor started here can jump to it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
