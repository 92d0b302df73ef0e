"""One way to read text: clean, fold to Simplified lower case, tell the script, convert back."""

import re
import unicodedata
from enum import StrEnum
from functools import cache

import opencc


class Script(StrEnum):
    """Which characters somebody writes in; answers are given in the same."""

    SIMPLIFIED = "Hans"
    TRADITIONAL = "Hant"


_NOT_WORD = re.compile(r"[^\w*+]|_")
_STARS = dict.fromkeys(map(ord, "⭐★☆🌟✱∗⁎※✳✴⋆✩✪✫✬✭✮✯✶✹❋❉⍟𖤐＊"), "*")
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """The text without what cannot be seen: control, zero-width, direction marks, lone surrogates, private use."""
    if text.isprintable():
        return text.strip()
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn"}
    kept = (c if c == "\n" or unicodedata.category(c) not in hidden else " " * c.isspace() for c in text)
    return "".join(kept).strip()


def fold(text: str) -> str:
    """Width and case folded, Traditional to Simplified; punctuation and spaces stay."""
    simplified: str = _converter("t2s").convert(unicodedata.normalize("NFKC", clean(text)).lower())
    simplified = simplified.translate(_STARS)
    return simplified.replace("著", "着")  # Taiwan writes 著火; OpenCC leaves it, for 著 is also Simplified


def normalise(text: str) -> str:
    """The form in which phrases and questions are compared: folded, only letters, digits, CJK, `*` and `+`."""
    return _NOT_WORD.sub("", fold(text))


def for_encoder(text: str) -> str:
    """The form that is encoded: folded, punctuation kept, no spaces."""
    return _SPACE.sub("", fold(text))


def script_of(text: str) -> Script | None:
    """The script in which `text` is written; None when its characters are the same in both."""
    traditional = _changed("t2s", text)
    if traditional:
        return Script.TRADITIONAL if traditional > _changed("s2tw", text) else Script.SIMPLIFIED
    return Script.SIMPLIFIED if any("一" <= c <= "鿿" for c in text) else None


def to_script(text: str, script: Script) -> str:
    """Simplified `text` in the script of the one who asked; characters only, words stay the mainland's."""
    return str(_converter("s2tw").convert(text)) if script is Script.TRADITIONAL else text


def _changed(scheme: str, text: str) -> int:
    return sum(a != b for a, b in zip(text, _converter(scheme).convert(text), strict=False))


@cache
def _converter(scheme: str) -> opencc.OpenCC:
    return opencc.OpenCC(scheme)
