"""JSON Schemas of every kind of file that admins edit: their editors complete, explain and underline with them.

Shapes come from the models; what is said of each key in `_ABOUT`, of settings in the comments of `config.yaml` itself.
Our reader takes every value as text, an editor sees numbers and true/false as such: where both make sense, both pass.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from bot.config import Canned, Config, Person
from bot.content.models import (
    Answer,
    Background,
    Check,
    Department,
    Document,
    Fact,
    Family,
    Intent,
    Member,
    Padding,
    Region,
    Regions,
    SmallTalk,
    Text,
    Topic,
    UrgentRule,
)

Schema = dict[str, Any]
FOLDER = ".schema"
"""Below `intents/`, where only YAML files are content."""
_DIALECT = "http://json-schema.org/draft-07/schema#"  # the one that editors know best
_DATES = {"published", "valid_until"}
_DATE: Schema = {
    "type": ["string", "integer"],  # an editor sees the year 2022 as a number
    "pattern": r"^(\d{4}(-\d\d(-\d\d)?)?)?$",
    "minimum": 1000,
    "maximum": 9999,
}
_SECRET = {"token", "secret"}
_SECTION, _SETTING = re.compile(r"(\w+):(?:.*?\s{2,}# (.+))?"), re.compile(r" {2}(\w+):.*?\s{2,}# (.+)")


def schemas(config_text: str) -> dict[str, Schema]:
    """File name -> schema; `config_text` is a `config.yaml` whose comments say what each setting is."""
    kinds: dict[str, tuple[str, TypeAdapter[Any]]] = {
        "intents": ("意图:市民怎么问、怎么答", TypeAdapter(dict[str, Intent])),
        "families": ("家族:容易混的几个意图,怎样区分", TypeAdapter(dict[str, Family])),
        "shadow": ("影子话题:认出来就不答", TypeAdapter(dict[str, Topic])),
        "smalltalk": ("寒暄和它的回话", TypeAdapter(dict[str, SmallTalk])),
        "urgent": ("紧急情况:119、110、120、122", TypeAdapter(dict[str, UrgentRule])),
        "departments": ("派单清单:什么事归哪个部门", TypeAdapter(dict[str, Department])),
        "regions": ("有答复的地方、别名、带着地名的系统、像地名的词", TypeAdapter(Regions)),
        "padding": ("客套话:比较前去掉", TypeAdapter(Padding)),
        "background": ("什么意图都不该答的闲话", TypeAdapter(Background)),
        "synonyms": ("同义词:左边换成右边", TypeAdapter(dict[str, Text])),
        "checks": ("检查题:问一句,应当得到什么", TypeAdapter(list[Check])),
        "knowledge": ("一份资料:出处和事实", TypeAdapter(Document)),
    }
    made = {name: _headed(title, _of_content(adapter.json_schema())) for name, (title, adapter) in kinds.items()}
    made["config"] = _headed("12345 机器人的设置", _of_config(Config.model_json_schema(), config_text))
    return {f"{name}.json": schema for name, schema in made.items()}


def as_text(schema: Schema) -> str:
    """What stands in the file."""
    return json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


def modeline(name: str, folder: str = FOLDER) -> str:
    """The first line of a YAML file, by which editors find its schema; `folder` is seen from there."""
    return f"# yaml-language-server: $schema={folder}/{name}.json"


def _headed(title: str, schema: Schema) -> Schema:
    return {"$schema": _DIALECT, "title": title, **{k: v for k, v in schema.items() if k != "title"}}


# ---- the content


def _of_content(schema: Schema) -> Schema:
    for model in _models_in(schema):
        title, fields = _CALLED[model["title"]]
        model["title"] = title
        model.pop("description", None)
        for key, field in model["properties"].items():
            _say(field, fields[key])
            if key in _DATES:
                field.update(_DATE)
    _as_read(schema)
    return schema


def _models_in(schema: Schema) -> list[Schema]:
    """Every model's own part; a title is then still the name of its class."""
    return [part for part in (schema, *schema.get("$defs", {}).values()) if "properties" in part]


def _say(field: Schema, description: str) -> None:
    field.pop("title", None)
    field["description"] = description
    if field.get("default") in ("", [], None):
        field.pop("default", None)


def _as_read(node: Any) -> None:
    """Text is text; true, false and numbers may be quoted or not, to our reader they are the same."""
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _as_read(below)
    if isinstance(node, dict) and node.get("type") == "boolean":
        del node["type"]
        node["enum"] = [True, False, "true", "false"]
    elif isinstance(node, dict) and node.get("type") == "number":
        node["type"] = ["number", "string"]


# ---- the settings


def _of_config(schema: Schema, text: str) -> Schema:
    """Without secrets: these stand in no file."""
    comments = _comments(text)
    section_of = {type(field.default).__name__: name for name, field in Config.model_fields.items()}
    for model in _models_in(schema):
        name = model.pop("title")
        model.pop("description", None)
        section = section_of.get(name, "")
        fields = _CALLED[name][1] if name in _CALLED else {}
        for key in [key for key in model["properties"] if key in _SECRET]:
            del model["properties"][key]
        for key, field in model["properties"].items():
            _say(field, fields.get(key) or comments.get((section, key) if section else (key, ""), ""))
            if not field["description"]:
                del field["description"]
    for part in schema["properties"].values():
        part.pop("default", None)  # each key has its own
    _as_seen(schema)
    return schema


def _comments(text: str) -> Mapping[tuple[str, str], str]:
    """(section, key) -> what stands behind it; the section's own under an empty key."""
    said, section = {}, ""
    for line in text.splitlines():
        if found := _SECTION.fullmatch(line):
            section, about = found[1], found[2] or ""
            said[section, ""] = about.strip()
        elif found := _SETTING.match(line):
            said[section, found[1]] = found[2].strip()
    return said


def _as_seen(node: Any) -> None:
    """In a list of texts an editor sees 12345 as a number; what only our program does with a text says nothing."""
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _as_seen(below)
    if isinstance(node, dict) and node.get("type") == "string":
        node.pop("format", None)
        node.pop("writeOnly", None)
    if isinstance(node, dict) and node.get("type") == "array" and node["items"] == {"type": "string"}:
        node["items"] = {"type": ["string", "integer"]}


# ---- what is said of each key


_PHRASES = "一条一行;不写地名,一条只说一件事,照市民的原话写"
_ABOUT: dict[type[BaseModel], tuple[str, dict[str, str]]] = {
    Intent: (
        "意图",
        dict(
            title="会做成按钮,12 个字以内",
            department="归哪个部门:departments.yaml 里的名字",
            phrases=f"问法:{_PHRASES};至少 3 条,十条以上才认得牢",
            answers="答复:每个地区一条;不写 region 的是通用答复,只能有一条",
            next="答完后的按钮:别的意图的名字",
        ),
    ),
    Answer: (
        "答复",
        dict(
            region="哪里的答复:regions.yaml 里的全称;不写就是通用答复",
            text="第一句就是答案,250 字以内;出处和过期说明由程序加",
            facts="出自哪些事实:「文件名/事实名」;答复里的数字、日期、名称都要在里面",
            valid_until="规定到哪天为止,例如 2025-12-31、2025-12 或 2025;看不出就不写",
            expiry_known="这一天是估计的就写 false,不会说给市民听",
        ),
    ),
    Document: (
        "资料",
        dict(
            title="市民看到的出处",
            publisher="谁发布的",
            published="哪天发布的,例如 2024-05;不写的算一般常识",
            document="原件的编号,可不写",
            facts="事实:名字用小写英文,答复的 facts 用它",
        ),
    ),
    Fact: ("事实", dict(where="在原文的什么地方", statement="原文怎么说;数字和名称一个不差")),
    Family: (
        "家族",
        dict(
            members="成员:意图的名字,和怎样认出它",
            otherwise="拿不准时由哪个成员回答;它的答复要把每条规定说全",
            join="不用 words 时,差距在这个数以内的两个一起答",
        ),
    ),
    Member: (
        "成员",
        dict(
            words="出现就是它",
            unless="这些说法先划掉,不算出现了 words",
            doubt="出现就不能肯定,由 otherwise 回答",
            sounds="写成了同音字,别的成员就不能肯定",
            beats="同时合了这些成员时,它优先",
        ),
    ),
    Topic: ("影子话题", dict(title="叫什么", phrases=f"问法:{_PHRASES};五条以上")),
    Regions: (
        "地方",
        dict(
            places="有答复的地方、它的上级和小地名",
            lookalikes="只是看着像地名的词",
        ),
    ),
    Region: (
        "一个地方",
        dict(
            parent="上级,也要在 places 里",
            aliases="别的叫法、街道、社区(从问题里取出)",
            systems="带着这个地方的系统(留在问题里)",
        ),
    ),
    Department: ("部门", dict(name="部门的名称", handles="管什么事")),
    UrgentRule: (
        "紧急情况",
        dict(
            text="机器人说的话",
            words="问题里出现就算;「…」代表 0 到 4 个字",
            unless="也出现这些就不算;只写真有险情时不会说的词",
            always="有 unless 也算",
            phrases="词表没想到的,按整句像不像来认",
        ),
    ),
    SmallTalk: ("寒暄", dict(reply="回话", phrases="整句只是寒暄才算")),
    Padding: ("客套话", dict(lead="从句首去掉", trail="从句尾去掉")),
    Background: ("闲话", dict(lines="各行各业的话,什么意图都不该答")),
    Check: (
        "检查题",
        dict(
            ask="问什么;不要照抄问法",
            expect="意图的名字,或 unanswered 不答、ask_region 反问地方、urgent 紧急、smalltalk 寒暄",
            region="应当给哪里的答复;通用答复写 general",
            number='紧急时应当给的号码,加引号,例如 "119"',
            intent="ask_region 时:问的是哪件事",
            remembered="市民之前说过的城市",
            known_failure="暂时答不对的原因;答对以后要删掉",
            note="给自己看的说明",
        ),
    ),
    Person: ("工作人员", dict(name="姓名", role="staff 工作人员,admin 管理员", id="Telegram 编号,可不写")),
    Canned: ("常用答复", dict(name="名称", text="答复的文字")),
}
_CALLED = {model.__name__: about for model, about in _ABOUT.items()}
