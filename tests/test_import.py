"""A table of questions and answers becomes drafts that a person reviews; the content becomes such a table again."""

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from bot.app import build_dialogue, read_content
from bot.cli import main
from bot.commands.drafts import _Progress
from bot.config import load_config
from bot.dialogue import Outcome, Question
from bot.drafts import drafts, written
from bot.errors import HotlineError
from bot.faq import Entry, Faq, Spot, read_faq
from tests.conftest import NOW, ROOT, World

HEAD = "问题,答复,部门,地区\n"
ROWS = (
    "房产证丢了怎么补,请到窗口补办，3个工作日办好。,登记中心,南京市\n"
    "房产证遗失补办,请到窗口补办，3个工作日办好。,登记中心,南京市\n"
    "大厅在哪里,在城东路1号。,登记中心,\n"
)


@pytest.fixture
def take(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Imports a file of this name and content: exit code, what is told, and the drafts as plain YAML."""
    monkeypatch.chdir(world.folder)

    def run(name: str, content: str | bytes, *options: str) -> tuple[int, str, dict[str, Any]]:
        (world.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        code = main(["import", name, *options])
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return code, out.out + out.err, intents_of(world.folder / ".data/drafts")

    return run


def intents_of(folder: Path) -> dict[str, Any]:
    files = [p for p in sorted(folder.glob("*.yaml")) if not p.name.startswith("imported-")]
    return {k: v for p in files for k, v in yaml.load(p.read_text(encoding="utf-8"), yaml.BaseLoader).items()}


def phrases_of(found: dict[str, Any]) -> list[list[str]]:
    return [intent["phrases"] for intent in found.values()]


def go_live(world: World) -> None:
    """What the reviewer does: names the publisher and moves both files."""
    for path in sorted((world.folder / ".data/drafts").glob("*.yaml")):
        is_document = path.name.startswith("imported-")
        text = path.read_text(encoding="utf-8")
        if is_document:
            assert 'publisher: ""' in text
            text = text.replace('publisher: ""', "publisher: 登记中心")
        (world.folder / ("knowledge" if is_document else "intents") / path.name).write_text(text, encoding="utf-8")


def book(**sheets: list[list[object]]) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


class TestDrafts:
    def test_rows_with_the_same_answer_are_one_intent_with_several_phrases(self, take) -> None:
        code, told, found = take("faq.csv", HEAD + ROWS)
        assert code == 0
        assert phrases_of(found) == [["房产证丢了怎么补", "房产证遗失补办"], ["大厅在哪里"]]
        first, second = found.values()
        assert first["department"] == "registration"
        assert first["answers"][0]["region"] == "南京市"
        assert "region" not in second["answers"][0]
        assert "读了 3 行:用上 3 行(其中 0 行是重复的),没有用上 0 行;做成 2 个意图、3 条问法" in told

    def test_the_same_answer_from_another_department_is_another_intent(self, take, world: World) -> None:
        world.write(
            "intents/departments.yaml",
            "registration: {name: 登记中心, handles: 甲}\nother: {name: 民政局, handles: 乙}\n",
        )
        found = take("faq.csv", HEAD + "甲怎么办,去窗口。,登记中心,\n乙怎么办,去窗口。,民政局,\n")[2]
        assert [intent["department"] for intent in found.values()] == ["registration", "other"]

    def test_answers_for_several_places_are_one_intent_where_the_same_was_asked(self, take) -> None:
        rows = "遗失补办,去城东。,登记中心,南京市\n怎么补证,去城东。,登记中心,南京市\n遗失补办？,去城西。,登记中心,江苏省\n遗失补办,打电话。,登记中心,\n"
        (intent,) = take("faq.csv", HEAD + rows)[2].values()
        assert intent["phrases"] == ["遗失补办", "怎么补证"]
        assert [a.get("region", "") for a in intent["answers"]] == ["南京市", "江苏省", ""]

    def test_nothing_goes_live_until_a_person_moves_it_and_then_it_answers(self, take, world: World, check) -> None:
        take("faq.csv", HEAD + ROWS)
        code, lines = check(world)
        assert (code, lines) == (0, [])
        go_live(world)
        code, lines = check(world)
        assert code == 0, lines
        config = load_config(world.folder / "config.yaml")
        reply, _ = build_dialogue(config, read_content(config)[0]).step(Question("南京房产证丢了怎么补", NOW))
        assert reply.outcome is Outcome.ANSWERED
        assert "3个工作日" in reply.text
        assert "faq（登记中心）" in reply.text

    def test_an_answer_without_its_publisher_is_not_let_live(self, take, world: World, check) -> None:
        take("faq.csv", HEAD + ROWS)
        for path in (world.folder / ".data/drafts").glob("*.yaml"):
            shutil.copy(path, world.folder / ("knowledge" if path.name.startswith("imported-") else "intents"))
        code, lines = check(world)
        assert code == 1
        assert [line for line in lines if "提醒" not in line] == [
            "knowledge/imported-faq.yaml:5: publisher:不能为空;请填写,或删掉这一行"
        ]

    def test_a_fact_says_from_which_rows_of_which_file_it_is(self, take, world: World) -> None:
        take("faq.csv", HEAD + ROWS)
        facts = yaml.safe_load((world.folder / ".data/drafts/imported-faq.yaml").read_text(encoding="utf-8"))["facts"]
        assert [fact["where"] for fact in facts.values()] == ["faq.csv 第 2–3 行", "faq.csv 第 4 行"]
        assert facts["row_2"]["statement"] == "请到窗口补办，3个工作日办好。"

    def test_what_a_reviewer_should_look_at_stands_above_the_intent(self, take, world: World) -> None:
        take("faq.csv", HEAD + "大厅在哪里,在城东。,登记中新,\n")
        text = (world.folder / ".data/drafts/faq.yaml").read_text(encoding="utf-8")
        assert re.search(r"^# 第 2 行:没有部门「登记中新」;是不是想写「登记中心」\?\n\"?faq\.row_2", text, re.MULTILINE)

    def test_a_draft_that_somebody_works_on_is_not_written_over(self, take, world: World) -> None:
        take("faq.csv", HEAD + ROWS)
        draft = world.folder / ".data/drafts/faq.yaml"
        draft.write_text("mine: 1\n", encoding="utf-8")
        code, told, _ = take("faq.csv", HEAD + ROWS)
        assert code == 1
        assert "已经有了" in told
        assert draft.read_text(encoding="utf-8") == "mine: 1\n"

    @pytest.mark.parametrize("to", ["intents/faq.yaml", "knowledge/faq.yaml", "intents/../intents/faq.yaml", "faq.txt"])
    def test_a_draft_cannot_be_put_where_it_would_be_live(self, take, world: World, to: str) -> None:
        code, _, _ = take("faq.csv", HEAD + ROWS, "--to", to)
        assert code == 1
        assert sorted(p.name for p in (world.folder / "intents").iterdir()) == [
            "departments.yaml",
            "own.yaml",
            "regions.yaml",
            "urgent.yaml",
        ]

    def test_it_may_be_put_elsewhere(self, take, world: World) -> None:
        assert take("faq.csv", HEAD + ROWS, "--to", "review/mine.yaml")[0] == 0
        assert {p.name for p in (world.folder / "review").iterdir()} == {"mine.yaml", "imported-mine.yaml"}

    def test_a_chinese_file_name_gives_ids_as_content_has_them(self, take, world: World) -> None:
        found = take("常见问题.csv", HEAD + ROWS)[2]
        assert all(re.fullmatch(r"[a-z0-9_]+\.row_\d+", key) for key in found)

    def test_ids_that_content_has_already_are_not_used_again(self, take, world: World) -> None:
        world.change("intents/own.yaml", "hall.open:", "faq.row_2:")
        assert "faq.row_2" not in take("faq.csv", HEAD + ROWS)[2]

    def test_a_large_file_becomes_parts_that_the_bot_can_read(self, world: World) -> None:
        entries = [Entry(Spot(n), f"第{n}个问题怎么办", f"第{n}个答复。" + "说明" * 50) for n in range(2, 202)]
        content = read_content(load_config(world.folder / "config.yaml"))[0]
        made = drafts(Faq("big.csv", entries), content, 100, lambda what, done, total: None)
        parts = written(made, "big.csv", "big", (), 20_000, NOW.date())
        assert len(parts) > 3
        assert max(len(text.encode()) for part in parts for text in (part.intents, part.facts)) < 20_000
        every = [yaml.safe_load(part.intents) for part in parts]
        assert sum(map(len, every)) == 200
        for part, intents in zip(parts, every, strict=True):
            known = {f"{part.document}/{name}" for name in yaml.safe_load(part.facts)["facts"]}
            assert {fact for i in intents.values() for a in i["answers"] for fact in a["facts"]} == known


class TestPointedOut:
    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("抵押登记怎么办,去窗口。,登记中心,", ["已经是「loan.remote」的问法"]),
            ("房子抵押要去现场吗呢,去窗口。,登记中心,", ["太像", "loan.remote", "房子抵押要去现场吗"]),
            ("新房怎么办证,去窗口。,登记中新,", ["没有部门「登记中新」", "「登记中心」"]),
            ("新房怎么办证,去窗口。,,", ["没有部门", "待定"]),
            ("新房怎么办证,去窗口。,登记中心,南金市", ["没有地区「南金市」", "「南京市」"]),
            ("新房怎么办证,去窗口。,登记中心,合肥", ["「合肥市」还不在 regions.yaml 里"]),
            ("南京新房怎么办证,去窗口。,登记中心,", ["地名「南京」", "地区写「南京市」"]),
            ("我是13812345678怎么办证,去窗口。,登记中心,", ["问题里的«手机号»已遮盖"]),
            ("新房怎么办证,打13812345678找老王。,登记中心,", ["答复里的«手机号»已遮盖"]),
        ],
    )
    def test_what_only_a_person_can_put_right_is_said_with_its_row(self, take, row: str, words: list[str]) -> None:
        code, told, _ = take("faq.csv", HEAD + row + "\n")
        assert code == 0
        (line,) = [line for line in told.splitlines() if line.startswith("faq.csv:")]
        assert line.startswith("faq.csv:2: 提醒:")
        for word in words:
            assert word in line

    def test_a_row_that_needs_nothing_is_not_mentioned(self, take) -> None:
        assert "faq.csv:" not in take("faq.csv", HEAD + "新房怎么办证,去窗口。,登记中心,南京\n")[1]

    @pytest.mark.parametrize("other", ["新房怎么办证呀", "新房怎么办证"])
    def test_questions_that_two_rows_answer_differently_are_said_once(self, take, other: str) -> None:
        told = take("faq.csv", HEAD + f"新房怎么办证,去窗口。,登记中心,\n{other},别来。,登记中心,\n")[1]
        lines = [line for line in told.splitlines() if line.startswith("faq.csv:")]
        assert len(lines) == 1
        assert lines[0].startswith("faq.csv:3: ")
        assert "第 2 行" in lines[0]

    def test_the_same_thing_in_many_rows_is_one_line(self, take) -> None:
        rows = "".join(
            f"第{n}件完全不同的{word}事,答复{n}。,民政局,\n" for n, word in enumerate(("甲乙丙", "子丑寅", "天地玄"))
        )
        told = take("faq.csv", HEAD + rows)[1]
        (line,) = [line for line in told.splitlines() if "民政局" in line]
        assert "共 3 行" in line

    def test_personal_data_reaches_no_draft(self, take, world: World) -> None:
        rows = "我是13812345678怎么办证,打13912345678找老王，身份证320102199003078888。,登记中心,\n"
        take("faq.csv", HEAD + rows)
        for path in (world.folder / ".data/drafts").iterdir():
            assert not re.search(r"\d{11}", path.read_text(encoding="utf-8"))

    def test_questions_that_mean_the_same_are_found_where_the_phrases_are_learnt(
        self, take, check, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bot.drafts.SAME_MEANING", 0.9)  # this encoder knows letters only
        row = "不见面抵押不见面抵押,去窗口。,登记中心,\n不见面抵押不见面抵押不见面抵押,别来。,登记中心,\n"
        told = take("other.csv", HEAD + row)[1]
        assert "太像" not in told
        assert "只比较了字面" in told
        check(world)  # learns the phrases
        told = take("faq.csv", HEAD + row)[1]
        assert re.search("faq.csv:2: .*太像", told)
        assert re.search("faq.csv:3: .*第 2 行.*太像", told)
        assert "太像" in told
        assert "loan.remote" in told
        assert "只比较了字面" not in told

    def test_synonyms_are_read_as_one(self, take, world: World) -> None:
        world.write("intents/synonyms.yaml", "押房子: 抵押登记\n")
        assert "已经是「loan.remote」的问法" in take("faq.csv", HEAD + "押房子怎么办,去窗口。,登记中心,\n")[1]


class TestRowsThatCannotBeUsed:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (",去窗口。,登记中心,", "没有问题"),
            ("怎么办证,,登记中心,", "没有答复"),
            ("？？？,去窗口。,登记中心,", "没有文字"),
            ('"怎么办证,去窗口。,登记中心,', "引号"),
            ('怎么办证,"去"窗口。,登记中心,', "引号"),
            ("怎么\ufffd证,去窗口。,登记中心,", "读不出的字"),
        ],
    )
    def test_each_is_listed_with_its_reason_and_the_others_are_kept(self, take, row: str, reason: str) -> None:
        code, told, found = take("faq.csv", f"{HEAD}{row}\n{ROWS}")
        assert code == 0
        (line,) = [line for line in told.splitlines() if "没有用上:" in line]
        assert line.startswith("faq.csv:2: ")
        assert reason in line
        assert phrases_of(found) == [["房产证丢了怎么补", "房产证遗失补办"], ["大厅在哪里"]]
        assert "读了 4 行:用上 3 行" in told

    def test_a_day_that_is_none_is_a_reason_too(self, take) -> None:
        head = "问题,答复,有效期至\n"
        code, told, found = take(
            "faq.csv", head + "甲怎么办,去。,2025-13-01\n乙怎么办,来。,2025年12月31日\n丙怎么办,走。,2025/1\n"
        )
        assert code == 0
        assert "faq.csv:2: 没有用上:有效期「2025-13-01」不是日期" in told
        assert [i["answers"][0]["valid_until"] for i in found.values()] == ["2025-12-31", "2025-01"]

    def test_every_row_is_counted_as_used_or_not(self, take) -> None:
        rows = ROWS + ",空,,\n\n" + '"坏,坏,坏\n' + "房产证丢了怎么补,请到窗口补办，3个工作日办好。,登记中心,南京市\n"
        told = take("faq.csv", HEAD + rows)[1]
        assert "读了 6 行:用上 4 行(其中 1 行是重复的),没有用上 2 行" in told

    def test_a_file_without_a_usable_row_writes_nothing_and_says_so(self, take, world: World) -> None:
        code, told, _ = take("faq.csv", HEAD + ",去窗口。,,\n")
        assert code == 1
        assert "faq.csv:2: 没有用上" in told
        assert not (world.folder / ".data/drafts").exists()

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("faq.csv", "题目,内容\n甲,乙\n", "找不到表头"),
            ("faq.csv", "", "找不到表头"),
            ("faq.xls", "x", "另存为"),
            ("faq.xlsx", "not a book", "读不出来"),
            ("faq.xlsx", book(甲=[["题目", "内容"], ["一", "二"]]), "找不到表头"),
        ],
    )
    def test_a_file_that_is_no_such_table_is_one_line(self, take, name: str, content: str | bytes, words: str) -> None:
        code, told, _ = take(name, content)
        assert code == 1
        assert words in told
        assert told.count("\n") == 1

    def test_a_missing_file_is_one_line(self, world: World, monkeypatch, capsys) -> None:
        monkeypatch.chdir(world.folder)
        assert main(["import", "nowhere.csv"]) == 1
        assert "nowhere.csv" in capsys.readouterr().err


class TestTables:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
    def test_csv_is_read_in_every_encoding_that_offices_use(self, take, encoding: str) -> None:
        assert len(take("faq.csv", (HEAD + ROWS).encode(encoding))[2]) == 2

    @pytest.mark.parametrize(
        "head",
        [
            "问题,答复,部门,地区",
            "question,answer,department,region",
            "Question , Answer ,Department,Region",
            "标准问题,回复：,承办部门,区域",
        ],
    )
    def test_headings_may_be_chinese_or_english(self, take, head: str) -> None:
        first = next(iter(take("faq.csv", f"{head}\n{ROWS}")[2].values()))
        assert first["answers"][0]["region"] == "南京市"

    @pytest.mark.parametrize("sign", ["\t", ";"])
    def test_columns_may_be_parted_by_other_signs(self, take, sign: str) -> None:
        assert len(take("faq.csv", (HEAD + ROWS).replace(",", sign))[2]) == 2

    def test_other_columns_and_lines_above_the_headings_are_left_alone(self, take) -> None:
        text = "2026年常见问题,,\n\n序号,答复,备注,问题\n1,去窗口。,内部,怎么办证\n"
        assert phrases_of(take("faq.csv", text)[2]) == [["怎么办证"]]

    def test_line_ends_of_every_system_and_texts_of_several_lines(self, take) -> None:
        text = '问题,答复\r\n怎么办证,"第一步。 \r\n\r\n第二步。"\r\n"怎么\n过户",来。\r\n'
        found = take("faq.csv", text)[2]
        assert phrases_of(found) == [["怎么办证"], ["怎么 过户"]]
        assert next(iter(found.values()))["answers"][0]["text"] == "第一步。\n第二步。"

    def test_a_spreadsheet_with_numbers_days_and_several_sheets_loses_nothing(self, take) -> None:
        content = book(
            一=[["问题", "答复", "有效期至"], ["电话是多少", 12345, date(2027, 1, 2)], ["几楼", 3.0, None]],
            二=[["说明", None], [None, "问题", "答复"], [None, "怎么去", "坐车。"], [None, "没有答复的", None]],
            三=[["别的", "东西"]],
            空=[],
        )
        code, told, found = take("faq.xlsx", content)
        assert code == 0
        assert phrases_of(found) == [["电话是多少"], ["几楼"], ["怎么去"]]
        assert [i["answers"][0]["text"] for i in found.values()] == ["12345", "3", "坐车。"]
        assert next(iter(found.values()))["answers"][0]["valid_until"] == "2027-01-02"
        assert "faq.xlsx:二:4: 没有用上:没有答复" in told
        assert "faq.xlsx:三:1: 没有用上:这张表没有「问题」「答复」表头" in told
        assert "空" not in told.replace("填满", "")

    def test_what_an_export_marked_against_formulas_is_read_as_it_was(self, take) -> None:
        found = take("faq.csv", HEAD + "'=红码是什么,'-1度。,登记中心,\n")[2]
        assert phrases_of(found) == [["=红码是什么"]]
        assert next(iter(found.values()))["answers"][0]["text"] == "-1度。"

    @pytest.mark.parametrize(
        "bad",
        [
            "a: b",
            "- 项",
            "#号",
            "'引",
            '"引',
            "{花}",
            "[方]",
            "*星",
            "&和",
            "!叹",
            "%百",
            "@号",
            "`撇",
            "~",
            "null",
            "true",
            "12:30",
            "a #b",
            "：",
            "末尾:",
            "多\u2028行",
        ],
    )
    def test_any_text_comes_out_as_it_went_in(self, world: World, bad: str) -> None:
        content = read_content(load_config(world.folder / "config.yaml"))[0]
        entry = Entry(Spot(2), f"{bad}怎么办{bad}", f"{bad}\n第二行", f"{bad}", f"{bad}", bad)
        made = drafts(Faq("f.csv", [entry]), content, 100, lambda what, done, total: None)
        (part,) = written(made, "f.csv", "f", (), 1_000_000, NOW.date())
        (intent,) = yaml.load(part.intents, yaml.BaseLoader).values()
        assert intent["phrases"] == [f"{bad}怎么办{bad}"]
        assert intent["answers"][0]["text"] == f"{bad}\n第二行"
        assert intent["title"] == bad

    def test_ten_thousand_rows_take_seconds_and_progress_is_told(self, world: World) -> None:
        lines = [
            f"第{n}件事{n * 7919 % 10007}怎么办{n * 104729 % 9973},答复{n // 3}。,登记中心,南京" for n in range(10_000)
        ]
        path = world.write("big.csv", "问题,答复,部门,地区\n" + "\n".join(lines) + "\n")
        content = read_content(load_config(world.folder / "config.yaml"))[0]
        told: list[tuple[str, int, int]] = []
        before = datetime.now(NOW.tzinfo)
        faq = read_faq(path, lambda *how_far: told.append(how_far))
        made = drafts(faq, content, 92, lambda *how_far: told.append(how_far))
        assert (datetime.now(NOW.tzinfo) - before).total_seconds() < 60
        assert made.phrases == 10_000
        assert {what for what, _, _ in told} == {"读表格", "整理", "找相近的问法"}
        assert ("整理", 10_000, 10_000) in told
        assert ("找相近的问法", 10_000, 10_000) in told


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(is_terminal: bool) -> str:
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda: is_terminal, raising=False)
        monkeypatch.setattr("sys.stderr", stream)
        bar = _Progress()
        for n in range(1, 1001):
            bar.tell("整理", n, 1000)
        bar.clear()
        return stream.getvalue()

    assert shown(False) == ""
    assert "整理 1,000 / 1,000" in shown(True)
    assert shown(True).count("整理") < 10
    assert "\n" not in shown(True)


class TestContentAsATable:
    @pytest.fixture
    def export(self, world: World, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., str]:
        monkeypatch.chdir(world.folder)

        def run(*options: str) -> str:
            assert main(["export", "--content", *options]) == 0
            out = capsys.readouterr()
            return str(out.out)

        return run

    def test_it_has_a_row_for_each_phrase_and_answer(self, export) -> None:
        lines = export().splitlines()
        assert lines[0] == "意图,标题,部门,问题,地区,答复,事实,出处,有效期至,到期日是估计的"
        assert (
            lines[1]
            == "loan.remote,抵押登记,登记中心,抵押登记怎么办,南京市,南京市有17家银行可以办。,paper/loan,一份报道（一家报社），2022-04-06,,"
        )
        assert len(lines) == 7

    def test_json_has_an_object_for_each_intent(self, export) -> None:
        first, second = json.loads(export("--format", "json"))
        assert first["id"] == "loan.remote"
        assert first["phrases"] == ["抵押登记怎么办", "房子抵押要去现场吗", "不见面抵押"]
        assert first["answers"][0]["sources"] == ["一份报道（一家报社），2022-04-06"]
        assert second["answers"][0]["region"] == ""

    @pytest.mark.parametrize("kind", ["csv", "xlsx", "json"])
    def test_the_ending_decides_the_format(self, export, world: World, kind: str) -> None:
        export(f"all.{kind}")
        assert (world.folder / f"all.{kind}").stat().st_size > 100

    def test_questions_are_still_exported_without_the_option_and_not_as_json(
        self, world: World, monkeypatch, capsys
    ) -> None:
        monkeypatch.chdir(world.folder)
        main(["migrate"])
        capsys.readouterr()
        assert main(["export"]) == 0
        assert capsys.readouterr().out.startswith("编号,时间,提问")
        assert main(["export", "--format", "json"]) == 1
        assert "csv、xlsx" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_exported_table_imported_again_makes_the_same_questions_and_answers(
    content, config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--config", str(ROOT / "config.yaml"), "export", "--content", f"all.{kind}"]) == 0
    table, nobody = read_faq(Path(f"all.{kind}")), lambda what, done, total: None
    again = drafts(table, content, 100, nobody)
    assert (again.known, again.intents, again.notes) == (again.rows, [], []), "there is nothing to do about it"
    retitled = replace(table, entries=[replace(entry, title=f"{entry.title}吗") for entry in table.entries[:3]])
    assert drafts(retitled, content, 100, nobody).known == 0
    made = drafts(table, replace(content, intents={}), 100, nobody)
    (part,) = written(made, f"all.{kind}", "all", (), 10_000_000, NOW.date())

    def said(intents: Any) -> list[object]:
        return sorted(
            (
                i["title"],
                i["department"],
                sorted(i["phrases"]),
                sorted(
                    (
                        a.get("region", ""),
                        a["text"],
                        a.get("valid_until", ""),
                        str(a.get("expiry_known", "true")).lower(),
                    )
                    for a in i["answers"]
                ),
            )
            for i in intents
        )

    ours = [i.model_dump() for i in content.intents.values()]
    assert said(yaml.load(part.intents, yaml.BaseLoader).values()) == said(ours)
    assert not made.unusable


def test_what_cannot_be_read_names_the_cure() -> None:
    with pytest.raises(HotlineError, match="另存为"):
        read_faq(ROOT / "README.md")
