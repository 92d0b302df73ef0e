"""`hotline check`: one line for each mistake, where it stands and how to put it right."""

import pytest

from bot.cli import main
from bot.content.models import Check
from bot.dialogue import Choice, Outcome, Reply
from bot.gate import grade as grade_of


def test_good_content_has_no_problem(world, check) -> None:
    assert check(world) == (0, [])


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "words"),
    [
        ("own.yaml", "phrases:", "pharses:", 4, "「phrases」"),
        ("own.yaml", "department: registration", "department: registratoin", 3, "「registration」"),
        ("own.yaml", "paper/loan", "paper/laon", 11, "「paper/loan」"),
        ("own.yaml", "region: 南京市", "region: 南金市", 9, "「南京市」"),
        ("own.yaml", "17家", "18家", 10, "18"),
        ("own.yaml", "17家银行可以办", "17家银行有「不用跑」", 10, "「不用跑」"),
        ("own.yaml", "大厅暂停", "大厅从2020年3月3日起暂停", 20, "2020年3月3日"),
        ("own.yaml", "大厅暂停", "大厅暂停，电话010-63971479", 20, "010-63971479"),
        ("own.yaml", "大厅暂停", "发证二千二百六十四份", 20, "2264"),
        ("own.yaml", "大厅几点开门", "不见面抵押", 16, "loan.remote"),
        ("own.yaml", "facts: [paper/hours]", "facts: [paper/hours]\n  next: [loan.remoet]", 22, "「loan.remote」"),
        ("own.yaml", "hall.open:", "loan.remote:", 12, "重复"),
        ("own.yaml", "title: 抵押登记", "标题: 抵押登记", 2, "是不是想写「title」"),
        (
            "own.yaml",
            "抵押登记\n  department: registration",
            "抵押登记\n  department: 登记中心",
            3,
            "的键「registration」",
        ),
        ("own.yaml", "facts: [paper/loan]", "facts: [paper/loan，paper/hours]", 11, "英文逗号"),
        ("own.yaml", "facts: [paper/loan]", "facts: [loan]", 11, "「paper/loan」"),
        ("own.yaml", "facts: [paper/loan]", "facts: [daily/loan]", 11, "knowledge/ 里没有 daily.yaml"),
        ("own.yaml", "text: 大厅暂停。", "text: {发证2,263份: x}", 20, "一句文字"),
        ("own.yaml", "facts: [paper/loan]", "facts: [paper/loan]\n      valid_until: 2022-4", 12, "日期"),
        ("own.yaml", "facts: [paper/loan]", "facts: [paper/loan]\n      expiry_known: 也许", 12, "true"),
        ("own.yaml", "- 大厅几点开门", "- {大厅: 几点}", 16, "一句文字"),
        ("regions.yaml", "parent: 江苏省", "parent: 江苏", 1, "「江苏省」"),
        ("regions.yaml", "江苏省: {}", "江苏省: {parent: 南京市}", 1, "绕回"),
        ("regions.yaml", "江苏省: {}", "江苏省: {aliases: [南京]}", 1, "同时指"),
    ],
)
def test_a_mistake_gives_one_line_with_its_place_and_cure(world, check, file, old, new, line, words) -> None:
    world.change(f"intents/{file}", old, new)
    code, lines = check(world)
    assert code == 1
    errors = [text for text in lines if "提醒" not in text]
    assert len(errors) == 1
    assert errors[0].startswith(f"intents/{file}:{line}: ")
    assert words in errors[0]


def test_missing_answers_are_an_error_at_the_intent(world, check) -> None:
    world.write(
        "intents/more.yaml",
        "a.b:\n  title: 甲\n  department: registration\n  phrases: [一二三四, 五六七八, 九十百千]\n",
    )
    assert check(world) == (1, ["intents/more.yaml:1: a.b.answers:缺少这一项;请补上"])


def test_few_phrases_long_titles_and_long_answers_are_only_warnings(world, check) -> None:
    world.write(
        "intents/more.yaml",
        f"""
        a.b:
          title: 一个放不进按钮的长长长长标题
          department: registration
          phrases: [怎么查档案]
          answers:
            - {{text: {"大厅" * 130}, facts: [paper/hours]}}
        """,
    )
    code, lines = check(world)
    assert code == 0
    assert len(lines) == 3
    assert all("提醒" in line for line in lines)


def test_ten_mistakes_in_our_own_content_are_ten_lines(copy_of_ours, check) -> None:
    world = copy_of_ours
    world.change("intents/property.yaml", "department: registration", "department: registry")
    world.change("intents/property.yaml", "region: 镇江市", "region: 真江市")
    world.change("intents/property.yaml", "17家银行", "19家银行")
    world.change("intents/property.yaml", "「融E办」", "「融E贷」")
    world.change("intents/hotline.yaml", "  answers:", "  anwsers:")
    world.change("intents/epidemic.yaml", "jiangsu-2022/dafeng-checkpoints", "jiangsu-2022/dafeng-checkpoint")
    world.change(
        "intents/code.yaml", "next: [code.which, entry.from_elsewhere]", "next: [code.witch, entry.from_elsewhere]"
    )
    world.change("intents/families.yaml", "otherwise: code.which", "otherwise: code.purple")
    world.change("knowledge/wuhan-2020.yaml", "published: 2020-04-09", "published: 2020-4-9")
    world.change("intents/regions.yaml", "南京市: {parent: 江苏省", "南京市: {parnt: 江苏省")
    code, lines = check(world)
    errors = [line for line in lines if "提醒" not in line]
    assert code == 1
    assert len(errors) == 10, errors


def test_a_broken_file_hides_no_other_mistake_and_invents_none(world, check) -> None:
    world.change("knowledge/paper.yaml", "facts:", "\tfacts:")
    world.change("intents/own.yaml", "department: registration", "department: registraton")
    code, lines = check(world)
    assert code == 1
    assert [line.split(": ")[0] for line in lines] == ["intents/own.yaml:3", "knowledge/paper.yaml:4"]


def test_a_missing_folder_is_one_line(world, check) -> None:
    world.write("config.yaml", "content: {intents: nowhere}\n")
    code, lines = check(world)
    assert code == 1
    assert len(lines) == 1
    assert "content.intents" in lines[0]


def test_a_missing_file_is_named_and_nothing_else_is_blamed(world, check) -> None:
    (world.folder / "intents/regions.yaml").unlink()
    code, lines = check(world)
    assert code == 1
    assert lines == [line for line in lines if "缺少 regions.yaml" in line]


def test_a_missing_intent_that_many_checks_expect_is_one_line(world, check) -> None:
    world.write("intents/checks/own.yaml", "".join(f"- {{ask: 问题{n}, expect: gone.away}}\n" for n in "甲乙丙丁"))
    code, lines = check(world)
    assert code == 1
    assert len(lines) == 1
    assert "共 4 道" in lines[0]


def test_an_emergency_sentence_like_a_phrase_is_a_warning_and_no_crash(world, check) -> None:
    world.change("intents/urgent.yaml", "words: [着火]", "words: [着火], phrases: [抵押登记怎么办呀, 抵押登记怎么办]")
    code, lines = check(world)
    assert code == 0
    assert any("太像" in line for line in lines)


def test_parents_in_a_circle_are_told_with_check_questions_too(world, check) -> None:
    world.change("intents/regions.yaml", "江苏省: {}", "江苏省: {parent: 南京市}")
    world.write("intents/checks/own.yaml", "- {ask: 着火啦, expect: urgent}\n")
    code, lines = check(world)
    assert code == 1
    assert "绕回" in lines[0]


@pytest.mark.parametrize(
    ("check_line", "reply", "grade"),
    [
        ({"expect": "a"}, {"outcome": "answered", "intent": "a", "region": "南京市"}, "right"),
        ({"expect": "a", "region": "南京市"}, {"outcome": "answered", "intent": "a", "region": "常州市"}, "wrong"),
        ({"expect": "a", "region": "general"}, {"outcome": "answered", "intent": "a"}, "right"),
        ({"expect": "a"}, {"outcome": "answered", "intent": "b"}, "wrong"),
        ({"expect": "a"}, {"outcome": "answered", "intent": "b", "also": ("a",)}, "right"),
        ({"expect": "a"}, {"outcome": "choices", "choices": "a"}, "near"),
        ({"expect": "a"}, {"outcome": "choices", "choices": "b"}, "wrong"),
        ({"expect": "a"}, {"outcome": "ask_region", "intent": "a", "choices": "a"}, "near"),
        ({"expect": "a"}, {"outcome": "unanswered"}, "wrong"),
        ({"expect": "unanswered"}, {"outcome": "unanswered"}, "right"),
        ({"expect": "unanswered"}, {"outcome": "choices", "choices": "a"}, "near"),
        ({"expect": "unanswered"}, {"outcome": "answered", "intent": "a"}, "wrong"),
        ({"expect": "unanswered"}, {"outcome": "ask_region", "intent": "a", "choices": "a"}, "wrong"),
        ({"expect": "urgent", "number": "119"}, {"outcome": "urgent", "intent": "119"}, "right"),
        ({"expect": "urgent", "number": "119"}, {"outcome": "urgent", "intent": "110"}, "wrong"),
        ({"expect": "ask_region", "intent": "a"}, {"outcome": "ask_region", "intent": "a", "choices": "a"}, "right"),
        ({"expect": "ask_region", "intent": "a"}, {"outcome": "ask_region", "intent": "b", "choices": "b"}, "wrong"),
        ({"expect": "ask_region", "intent": "a"}, {"outcome": "answered", "intent": "a"}, "wrong"),
    ],
)
def test_grades(check_line: dict[str, str], reply: dict[str, object], grade: str) -> None:
    choices = tuple(Choice("", intent) for intent in str(reply.pop("choices", "")))
    said = Reply(Outcome(str(reply.pop("outcome"))), "话", choices=choices, **reply)
    assert grade_of(Check(ask="问", **check_line), said) == grade


def test_a_phrase_that_another_intent_nearly_has_is_a_warning(world, check) -> None:
    world.change("intents/own.yaml", "大厅几点开门", "房子抵押要去现场么")
    world.write("config.yaml", "content: {near_duplicate: 80}\nmatching: {encoder: lexical}\n")
    code, lines = check(world)
    assert code == 0
    assert "太像" in lines[0]


class TestCheckQuestions:
    def test_a_wrong_one_is_an_error_at_its_line(self, world, check) -> None:
        world.write(
            "intents/checks/own.yaml",
            "- {ask: 南京抵押登记怎么办, expect: hall.open}\n- {ask: 着火啦, expect: urgent}\n",
        )
        code, lines = check(world)
        assert code == 1
        assert lines == [
            line for line in lines if line.startswith("intents/checks/own.yaml:1: ") and "应为 hall.open" in line
        ]

    def test_a_known_failure_is_let_pass_until_it_comes_right(self, world, check) -> None:
        world.write(
            "intents/checks/own.yaml", "- {ask: 南京抵押登记怎么办, expect: hall.open, known_failure: 以后再说}\n"
        )
        assert check(world) == (0, [])
        world.write("intents/checks/own.yaml", "- {ask: 着火啦, expect: urgent, known_failure: 以后再说}\n")
        code, lines = check(world)
        assert code == 1
        assert "known_failure" in lines[0]

    def test_one_that_is_itself_a_phrase_proves_nothing(self, world, check) -> None:
        world.write("intents/checks/own.yaml", "- {ask: 抵押登记怎么办？, expect: loan.remote}\n")
        code, lines = check(world)
        assert code == 1
        assert "证明不了" in lines[0]

    def test_unknown_intents_and_places_are_named(self, world, check) -> None:
        world.write(
            "intents/checks/own.yaml",
            "- {ask: 甲乙丙, expect: lone.remote}\n- {ask: 丁戊己, expect: hall.open, region: 南金}\n",
        )
        code, lines = check(world)
        assert code == 1
        assert "loan.remote" in lines[0]
        assert "南金" in lines[1]


def test_expired_answers_are_one_summary_line_and_all_with_the_option(world, check, capsys) -> None:
    world.change("intents/own.yaml", "facts: [paper/loan]", "facts: [paper/loan]\n      valid_until: 2022-04")
    assert check(world) == (0, [])
    code, lines = check(world, "--expired")
    assert code == 0
    assert len(lines) == 1
    assert "2022-04" in lines[0]


def test_the_curve_shows_what_other_targets_would_give(world, check, capsys) -> None:
    world.write(
        "intents/checks/all.yaml",
        "- {ask: 抵押要去现场不, expect: loan.remote}\n- {ask: 社保断了, expect: unanswered}\n",
    )
    main(["check", "--curve", "picture.svg"]) if check(world)[0] == 0 else pytest.fail("the content is good")
    out = capsys.readouterr().out
    assert out.count("%") >= 4 * 8
    assert "现在的设置" in out
    picture = (world.folder / "picture.svg").read_text()
    assert "answered right" in picture
    assert "<script" not in picture
