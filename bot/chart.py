"""The last days' questions as a picture: bars on white with Chinese labels, made for a telephone."""

import io
import math
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bot.errors import HotlineError
from bot.store.figures import Day
from bot.worktime import weekday

_SERIES = (("received", "收到", "#c3cedb"), ("answered", "已答复", "#4d8b8a"), ("unanswered", "未能答复", "#d58f5c"))
_INK, _FAINT, _LINE = "#2b3640", "#7a8691", "#e7ebef"
_WIDTH, _HEIGHT = 1600, 900
"""Twice 800 x 450, which a telephone shows it at."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 116, 1570, 206, 748
_BAR, _GAP = 50, 3
_KNOWN = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/System/Library/Fonts/PingFang.ttc", 0),
    ("C:/Windows/Fonts/msyh.ttc", 0),
)
"""Files, and which of the fonts in them is the Simplified one."""
_NEEDED = "".join(name for _, name, _ in _SERIES) + "每天提问（条）周一二三四五六日0123456789/"


class NoFont(HotlineError):
    """There is no Chinese font: the text must do without its picture."""


def draw(days: Sequence[Day]) -> bytes:
    """A PNG with three bars a day; raises NoFont where it could only show boxes."""
    font = find_font()
    if font is None:
        raise NoFont("没有找到中文字体，图画不出来；请安装 fonts-wqy-zenhei 或 fonts-noto-cjk")
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    _Picture(ImageDraw.Draw(image), font, days).draw()
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


@cache
def find_font() -> tuple[str, int] | None:
    """File and number of a font that has every letter needed; None where there is none."""
    return next((found for found in (*_KNOWN, *_listed()) if Path(found[0]).is_file() and _is_complete(found)), None)


def _listed() -> Iterator[tuple[str, int]]:
    """What fontconfig knows, upright sans-serif ones first; nothing where it is not installed."""
    command = ["fc-list", "--format", "%{file}\t%{index}\t%{family} %{style}\n", ":lang=zh-cn"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return
    rows = [line.split("\t") for line in lines if line.count("\t") == 2]
    for file, index, _ in sorted(rows, key=lambda row: ("Regular" not in row[2], "Sans" not in row[2], row)):
        if file.endswith((".ttf", ".ttc", ".otf")) and index.isdecimal():
            yield file, int(index) & 0xFFFF  # the upper half numbers the weights of one font


def _is_complete(found: tuple[str, int]) -> bool:
    try:
        font = _sized(found, 20)
    except OSError:
        return False
    box = bytes(font.getmask("\uffff"))  # no font may have this one: what is drawn for it stands for all it lacks
    return all(bytes(font.getmask(letter)) != box for letter in _NEEDED)


@cache
def _sized(found: tuple[str, int], size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(found[0], size, found[1])


class _Picture:
    """One drawing; every method adds a part of it."""

    def __init__(self, on: ImageDraw.ImageDraw, font: tuple[str, int], days: Sequence[Day]) -> None:
        self.on, self.font, self.days = on, font, days
        self.most = scale(max((day.received for day in days), default=0))

    def draw(self) -> None:
        self._heading()
        self._lines()
        pitch = (_RIGHT - _LEFT) / len(self.days)
        for n, day in enumerate(self.days):
            self._day(_LEFT + pitch * (n + 0.5), day, is_last=n == len(self.days) - 1)

    def _heading(self) -> None:
        self._text(40, 60, "每天提问（条）", 46, _INK, "lm")
        x = 48
        for _, name, colour in _SERIES:
            self.on.rectangle((x, 120, x + 32, 152), colour)
            self._text(x + 48, 136, name, 40, _INK, "lm")
            x += 48 + int(self.on.textlength(name, self._font(40))) + 60

    def _lines(self) -> None:
        for part in range(5):
            y = self._y(self.most * part / 4)
            self.on.line((_LEFT, y, _RIGHT, y), fill=_FAINT if part == 0 else _LINE, width=2)
            self._text(_LEFT - 16, y, f"{self.most * part // 4}", 30, _FAINT, "rm")

    def _day(self, middle: float, day: Day, *, is_last: bool) -> None:
        x = middle - (3 * _BAR + 2 * _GAP) / 2
        for field, _, colour in _SERIES:
            value = getattr(day, field)
            top = self._y(value)
            if value:
                self.on.rectangle((x, top, x + _BAR, _BOTTOM - 1), colour)
            if field == "received" or (value and self._fits(value)):
                self._text(x + _BAR / 2, top - 8, str(value), 30, _INK, "mb")
            x += _BAR + _GAP
        ink = _INK if is_last else _FAINT
        self._text(middle, _BOTTOM + 42, f"{day.day.month}/{day.day.day}", 40, ink, "mm")
        self._text(middle, _BOTTOM + 94, weekday(day.day), 38, ink, "mm")

    def _fits(self, value: int) -> bool:
        return self.on.textlength(str(value), self._font(30)) <= _BAR + _GAP

    def _y(self, value: float) -> float:
        return _BOTTOM - value / self.most * (_BOTTOM - _TOP)

    def _text(self, x: float, y: float, text: str, size: int, colour: str, anchor: str) -> None:
        self.on.text((x, y), text, colour, self._font(size), anchor, stroke_width=3, stroke_fill="white")

    def _font(self, size: int) -> ImageFont.FreeTypeFont:
        return _sized(self.font, size)


def scale(most: int) -> int:
    """The end of an axis for values up to `most`: its quarters are whole and round numbers."""
    quarter = max(1, math.ceil(most / 4))
    step: int = 10 ** (len(str(quarter)) - 1)
    return 4 * next(step * n for n in (1, 2, 3, 4, 5, 6, 8, 10) if step * n >= quarter)
