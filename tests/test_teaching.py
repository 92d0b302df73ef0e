"""From a case to knowledge: what is proposed, what it becomes, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from bot.app import read_content
from bot.config import load_config
from bot.content.load import Content
from bot.edition import Files, files_of
from bot.teaching import (
    BACKGROUND,
    CASES,
    CHECKS,
    STAFF,
    Kind,
    Proposal,
    Unteachable,
    checked,
    taught,
    unmasked,
    wordings,
)
from tests.conftest import World

NEW = Proposal(
    Kind.INTENT,
    ("停车位怎么申请", "想要个车位去哪登记"),
    ("小区里怎么要到一个停车位",),
    "parking.apply",
    "申请停车位",
    "registration",
    "南京市",
    "请带2份材料到大厅。\n工作日9:00开门。",
    "登记中心",
    "2026-11-26",
    7,
)


@pytest.fixture
def ours(world: World) -> World:
    world.write("intents/background.yaml", "lines:\n  - 今天天气不错\n")
    return world


def read(world: World) -> tuple[Files, Content]:
    config = load_config(world.folder / "config.yaml", {})
    return files_of(config), read_content(config)[0]


def test_of_a_cases_wordings_the_first_is_a_phrase_and_the_others_prove_it() -> None:
    assert wordings(["车位怎么申请", "车位怎么申请？", "要车位找谁", "我的电话«手机号»，要车位"]) == (
        ["车位怎么申请"],
        ["要车位找谁", "我的电话，要车位"],
    )


def test_personal_data_never_becomes_a_phrase() -> None:
    assert unmasked("请打13812345678，车位怎么申请") == "请打，车位怎么申请"


def test_a_new_intent_gives_staffs_answer_dated_and_stands_on_a_fact(ours: World) -> None:
    files, content = read(ours)
    after = taught(files, checked(NEW, content), content)
    assert set(after) - set(files) == {CASES, CHECKS, STAFF}
    for name, body in after.items():
        ours.write(name, body.decode())
    _, learnt = read(ours)
    intent = learnt.intents["parking.apply"]
    assert intent.phrases == NEW.phrases
    answer = intent.answer_for("南京市")
    assert answer
    assert answer.text.startswith("据2026年11月26日登记中心答复：请带2份材料到大厅。")
    assert answer.text.endswith("工作日9:00开门。")
    fact = learnt.fact("staff/parking-apply")
    assert fact
    assert "事项 7" in fact.where
    assert "2026年11月26日登记中心答复" in fact.statement
    (name, check), *_ = learnt.checks
    assert (name, check.ask, check.region) == ("from_cases/1", NEW.checks[0], "南京市")


def test_a_second_one_is_added_below_the_first_and_nothing_else_changes(ours: World) -> None:
    files, content = read(ours)
    first = taught(files, checked(NEW, content), content)
    second = replace(
        NEW, intent="parking.fee", title="停车费", phrases=("停车多少钱", "车位费怎么交"), checks=("停一天收几块",)
    )
    both = taught(first, checked(second, content), content)
    assert both[CASES].startswith(first[CASES])
    assert b"parking.fee:" in both[CASES]
    assert {n: b for n, b in both.items() if n not in {CASES, CHECKS, STAFF}} == files


def test_a_phrase_goes_into_the_file_of_its_intent(ours: World) -> None:
    files, content = read(ours)
    proposal = Proposal(Kind.PHRASE, ("周末大厅开不开",), ("礼拜天窗口有人吗",), "hall.open")
    after = taught(files, checked(proposal, content), content)
    before, now = files["intents/own.yaml"].decode().splitlines(), after["intents/own.yaml"].decode().splitlines()
    assert [line for line in now if line not in before] == ["    - 周末大厅开不开"]


def test_what_is_not_to_be_answered_feeds_the_refusing_side(ours: World) -> None:
    files, content = read(ours)
    proposal = Proposal(Kind.REFUSE, ("火星上能种土豆吗",), ("月球上有没有土豆",))
    after = taught(files, checked(proposal, content), content)
    assert "  - 火星上能种土豆吗" in after[BACKGROUND].decode()
    assert "expect: unanswered" in after[CHECKS].decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phrases": ()}, "至少要写一条问法"),
        ({"checks": ()}, "再用别的说法"),
        ({"checks": ("停车位怎么申请？",)}, "再用别的说法"),
        ({"intent": "hall.open"}, "已经有了"),
        ({"intent": "Parking"}, "英文小写"),
        ({"title": " "}, "标题"),
        ({"department": "nobody"}, "部门"),
        ({"region": "火星"}, "regions.yaml"),
        ({"answer": ""}, "还没有答复"),
        ({"phrases": ("停车位怎么申请",)}, "2 条问法"),
        ({"kind": Kind.PHRASE}, "没有意图"),
    ],
)
def test_what_is_missing_is_said(ours: World, change: dict[str, Any], words: str) -> None:
    with pytest.raises(Unteachable, match=words):
        checked(replace(NEW, **change), read(ours)[1])


def test_a_proposal_survives_being_kept() -> None:
    assert Proposal.from_json(NEW.as_json()) == NEW
