"""A table to standard output or into a file."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bot.errors import HotlineError, reason
from bot.table import BOM, Row, as_csv, as_xlsx


def write(rows: Sequence[Row], file: Path | None, kind: str | None, title: str) -> int:
    """CSV to standard output without a file; the format follows the file's ending unless it is named. Always 0."""
    kind = kind or (file.suffix.lstrip(".").lower() if file else "csv")
    if kind not in {"csv", "xlsx"}:
        raise HotlineError(f"不会写「{kind}」;可用 csv、xlsx")
    if kind == "xlsx" and file is None:
        raise HotlineError("xlsx 要写到文件里;请在后面写文件名")
    if file is None:
        sys.stdout.write(as_csv(rows))
        return 0
    content = (BOM + as_csv(rows)).encode() if kind == "csv" else as_xlsx(rows, title)
    try:
        file.write_bytes(content)
    except OSError as error:
        raise HotlineError(f"写不了 {file}:{reason(error)}") from None
    print(f"已导出 {len(rows) - 1} 条到 {file}")
    return 0


def write_text(text: str, file: Path | None, told: str) -> int:
    """To a file, and says so, or to standard output; raises HotlineError when it cannot be written."""
    if file is None:
        sys.stdout.write(text)
        return 0
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HotlineError(f"写不了 {file}:{reason(error)}") from None
    print(f"{told} {file}")
    return 0
