"""Frozen pydantic models over YAML nodes: every validation error becomes one Chinese line with file and line."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from rapidfuzz import fuzz, process

from bot.errors import Problem
from bot.yamlfile import Key, Plain, Sheet

ALIKE, KEY_ALIKE = 60, 70
"""From this likeness (0-100) a word, or a key, is taken for a misspelling of a known one."""
_CALLED = {
    "标题": "title",
    "部门": "department",
    "问法": "phrases",
    "答复": "answers",
    "地区": "region",
    "文字": "text",
    "事实": "facts",
    "有效期": "valid_until",
}
M = TypeVar("M", bound=BaseModel)


class Frozen(BaseModel):
    """Base of every model: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def validate(sheet: Sheet, loc: tuple[Key, ...], model: type[M]) -> tuple[M | None, list[Problem]]:
    """What stands at `loc` as `model` (None when it cannot be used) and its problems.

    An unknown key is reported and read as the one that was meant: one slip of the pen is one line and hides nothing.
    """
    plain = sheet.node.at(loc).plain()
    errors = _errors(plain, model)
    strangers = [e for e in errors if e["type"] == "extra_forbidden"]
    for e in strangers:
        _rename(plain, e["loc"], model)
    errors = strangers + _errors(plain, model) if strangers else errors
    problems = [sheet.problem((*loc, *e["loc"]), sentence(e, loc, model)) for e in errors]
    return (None if len(errors) > len(strangers) else model.model_validate(plain)), problems


def _errors(plain: Plain, model: type[BaseModel]) -> list[ErrorDetails]:
    try:
        model.model_validate(plain)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # an item that failed does not count for the length: its own error says enough
        inner = {e["loc"][:n] for e in errors for n in range(len(e["loc"]))}
        return [e for e in errors if e["type"] != "too_short" or e["loc"] not in inner]
    return []


def _rename(plain: Plain, loc: tuple[Key, ...], model: type[BaseModel]) -> None:
    """Moves an unknown key's value to the key that was meant, or drops it where that is not clear."""
    *parents, key = loc
    for parent in parents:
        plain = plain[parent]  # type: ignore[index]  # pydantic has just walked this way
    assert isinstance(plain, dict)
    value = plain.pop(str(key))
    meant = _meant(str(key), _keys_at(model, tuple(parents)))
    if meant and meant not in plain:
        plain[meant] = value


def _meant(key: str, known: list[str]) -> str:
    """The known key that `key` is a misspelling of, or is called in Chinese; or nothing."""
    if _CALLED.get(key) in known:
        return _CALLED[key]
    best = process.extractOne(key, known, scorer=fuzz.ratio, score_cutoff=KEY_ALIKE)
    return best[0] if best else ""


def closest(word: str, known: list[str]) -> str:
    """「;是不是想写 X?」 when something known is near, else nothing."""
    best = process.extractOne(word, known, score_cutoff=ALIKE)
    return f";是不是想写「{best[0]}」?" if best else ""


def sentence(error: ErrorDetails, loc: tuple[Key, ...], model: type[BaseModel]) -> str:
    """One validation error in Chinese: where inside the file, what is wrong, the cure."""
    say = SENTENCES.get(error["type"])
    where = ".".join(str(k + 1) if isinstance(k, int) else k for k in (*loc, *error["loc"]))
    what = say(error, model) if say else f"填写有误({error['type']})"
    return f"{where}:{what}" if where else what


def _unknown_key(error: ErrorDetails, model: type[BaseModel]) -> str:
    *parents, key = error["loc"]
    known = _keys_at(model, tuple(parents))
    meant = _meant(str(key), known)
    if not meant and not str(key).isascii():
        return f"没有「{key}」这个键;文字里有英文逗号或冒号时请给整句加引号"
    cure = f"是不是想写「{meant}」?" if meant else f"可用的键:{'、'.join(known)}"
    return f"没有「{key}」这个键;{cure}"


def _keys_at(model: type[BaseModel], loc: tuple[Key, ...]) -> list[str]:
    """The keys allowed at `loc`: follows the models' annotations down."""
    here = model
    for key in loc:
        field = here.model_fields.get(str(key))  # no model stands below an alias
        if field is None:
            continue  # a position in a list or the free key of a mapping: same model as its parent's field
        annotation = field.annotation
        inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if _is_model(a)]
        here = inner[0] if inner else here
    return [field.alias or name for name, field in here.model_fields.items()]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _limit(error: ErrorDetails, name: str) -> object:
    return error.get("ctx", {}).get(name)


_Say = Callable[[ErrorDetails, type[BaseModel]], str]

# Every error type that the models can raise; a test looks for ones without a sentence.
SENTENCES: dict[str, _Say] = {
    "extra_forbidden": _unknown_key,
    "missing": lambda e, m: "缺少这一项;请补上",
    "string_type": lambda e, m: "这里应是一句文字;句中有英文冒号的请给整句加引号,有缩进的下级内容请去掉",
    "list_type": lambda e, m: "这里应是列表;请每行写一条,以「- 」开头",
    "tuple_type": lambda e, m: "这里应是列表;请每行写一条,以「- 」开头",
    "dict_type": lambda e, m: "这里应是「名称: 内容」的形式;请检查冒号和缩进",
    "model_type": lambda e, m: "这里应是「键: 值」的形式;请检查冒号和缩进",
    "string_too_short": lambda e, m: "不能为空;请填写,或删掉这一行",
    "string_too_long": lambda e, m: f"太长了;最多 {_limit(e, 'max_length')} 个字",
    "too_short": lambda e, m: "缺少内容;至少要有一条",
    "string_pattern_mismatch": lambda e, m: "格式不对;日期请写成 2022、2022-04 或 2022-04-06",
    "bad_date": lambda e, m: f"「{e['input']}」不是日期;请写成 2022、2022-04 或 2022-04-06",
    "bad_day": lambda e, m: f"「{e['input']}」不是日期;请写成 2026-11-22",
    "bad_hours": lambda e, m: "work_from 要早于 work_until",
    "bad_time": lambda e, m: f"「{e['input']}」不是钟点;请写成 09:00",
    "bad_network": lambda e, m: f"「{e['input']}」不是网络地址;例如 127.0.0.1 或 10.0.0.0/8",
    "bad_url": lambda e, m: f"「{e['input']}」不是网址;要以 https:// 或 http:// 开头",
    "bad_zone": lambda e, m: f"不认识时区「{e['input']}」;例如 Asia/Shanghai",
    "bool_parsing": lambda e, m: "只能填 true(是)或 false(否)",
    "bool_type": lambda e, m: "只能填 true(是)或 false(否)",
    "int_parsing": lambda e, m: f"「{e['input']}」不是整数",
    "int_type": lambda e, m: "这里应是一个整数",
    "int_from_float": lambda e, m: f"「{e['input']}」不是整数",
    "int_parsing_size": lambda e, m: f"「{e['input']}」太大了",
    "float_parsing": lambda e, m: f"「{e['input']}」不是数字",
    "float_type": lambda e, m: "这里应是一个数字",
    "finite_number": lambda e, m: f"「{e['input']}」不是有限的数字",
    "greater_than_equal": lambda e, m: f"不能小于 {_limit(e, 'ge')}",
    "greater_than": lambda e, m: f"必须大于 {_limit(e, 'gt')}",
    "less_than_equal": lambda e, m: f"不能大于 {_limit(e, 'le')}",
    "less_than": lambda e, m: f"必须小于 {_limit(e, 'lt')}",
    "literal_error": lambda e, m: f"「{e['input']}」不可用;可填:{_limit(e, 'expected')}",
    "path_type": lambda e, m: "这里应是文件或文件夹的路径",
}
