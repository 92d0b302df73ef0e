"""`hotline export --content`: what the bot can answer, as a table that `hotline import` reads again, or as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.app import read_content, usable
from bot.commands import table
from bot.config import Config
from bot.content.load import Content
from bot.content.models import Answer
from bot.errors import HotlineError
from bot.table import Row

HEAD = ("意图", "标题", "部门", "问题", "地区", "答复", "事实", "出处", "有效期至", "到期日是估计的")


def run(config: Config, file: Path | None, kind: str | None) -> int:
    """Always 0; a table has one row for each phrase and answer, JSON one object for each intent."""
    content, problems = read_content(config, checks=False)
    usable(problems)
    kind = kind or (file.suffix.lstrip(".").lower() if file else "csv")
    if kind not in {"csv", "xlsx", "json"}:
        raise HotlineError(f"不会写「{kind}」;可用 csv、xlsx、json")
    if kind != "json":
        return table.write([HEAD, *_rows(content)], file, kind, "内容")
    text = json.dumps(list(_intents(content)), ensure_ascii=False, indent=1) + "\n"
    return table.write_text(text, file, f"已导出 {len(content.intents)} 个意图到")


def _rows(content: Content) -> Iterator[Row]:
    for key, intent in content.intents.items():
        department = content.departments.get(intent.department)
        called = department.name if department else intent.department
        for answer in intent.answers:
            facts, sources = "\n".join(answer.facts), "\n".join(_sources(content, answer))
            estimated = "" if answer.expiry_known else "是"
            rest = (answer.region, answer.text, facts, sources, answer.valid_until, estimated)
            for phrase in intent.phrases:
                yield (key, intent.title, called, phrase, *rest)


def _intents(content: Content) -> Iterator[dict[str, Any]]:
    for key, intent in content.intents.items():
        answers = [{**a.model_dump(), "sources": _sources(content, a)} for a in intent.answers]
        yield {"id": key, **intent.model_dump(), "answers": answers}


def _sources(content: Content, answer: Answer) -> list[str]:
    names = dict.fromkeys(fact.partition("/")[0] for fact in answer.facts)
    documents = [content.documents[name] for name in names if name in content.documents]
    return [f"{d.title}（{d.publisher}）" + (f"，{d.published}" if d.published else "") for d in documents]
