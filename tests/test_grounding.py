"""An answer may say only what its facts hold, however it is written."""

import pytest

from bot.content.grounding import unproved

FACT = (
    "南京市17家银行实现「不见面服务」，70万笔，2,263份，按时办结率99.87%，从2020年2月3日起，电话0513-85215110，融E办。"
)


@pytest.mark.parametrize(
    "said",
    [
        "17家", "十七家银行", "700000笔", "70 万笔", "七十万笔", "2263份", "2 263份".replace(" ", ""), "99.87%", "2020年2月3日",
        "2020-02-03", "2月3日", "2020 年 2 月", "「不见面服务」", "「不見面服務」", "０５１３－８５２１５１１０", "１７家", "拨 12345 或 119",
        "2022年4月的报道", "一个窗口", "两次",
    ],
)  # fmt: skip
def test_what_a_fact_holds_may_be_said_in_any_spelling(said: str) -> None:
    assert unproved(said, [FACT], ["2022-04-06"], ["12345", "119"]) == []


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("18家", "18"),
        ("十八家银行", "18"),
        ("70笔", "70"),
        ("7万笔", "70000"),
        ("99.78%", "99.78%"),
        ("2020年2月4日", "2020年2月4日"),
        ("2021年2月", "2021年2月"),
        ("3月3日", "3月3日"),
        ("「全程网办」", "「全程网办」"),
        ("0513-85215111", "0513-85215111"),
        ("114", "114"),
        ("70万元", "700000元"),
        ("17%", "17%"),
        ("三天内", "3天"),
        ("《不存在的办法》", "「不存在的办法」"),
    ],
)
def test_what_no_fact_holds_is_named(said: str, missing: str) -> None:
    assert unproved(said, [FACT], ["2022-04-06"], ["12345"]) == [missing]


def test_a_number_keeps_its_unit_and_a_name_stands_in_one_fact() -> None:
    assert unproved("48天", ["48小时内"], [], []) == ["48天"]
    assert unproved("「京市民」", ["我在南京", "市民云很好"], [], []) == ["「京市民」"]
    assert unproved("拨 0513-85215110", [], [], ["0513-85215110"]) == []


def test_what_counts_and_what_only_numbers_are_not_the_same() -> None:
    article = "按照第17条办理，第12345号公告。"
    assert unproved("17家银行", [article], [], []) == ["17"]
    assert unproved("第十七条", [article], [], []) == []
    assert unproved("第17条", ["17家银行"], [], []) == ["第17"]
    assert unproved("第5个工作日起可领取，第九天失效", ["第3个工作日，第三天"], [], []) == ["5个工作日", "9天"]
    assert unproved("第30天", ["30天内"], [], []) == []
    assert unproved("第一时间答复，分第2批", ["先后两批"], [], []) == []


def test_a_name_inside_brackets_is_judged_as_a_name_and_not_by_its_figures() -> None:
    assert unproved("「3+11」", ["执行「3+11」「14+7」"], [], []) == []
    assert unproved("「3+12」", ["执行「3+11」「14+7」"], [], []) == ["「3+12」"]
