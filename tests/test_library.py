"""What staff read in the console: intents, the box to try questions, the record, the figures."""

import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from openpyxl import load_workbook

from bot import voice
from bot.content.load import Content
from bot.dialogue import Dialogue, Outcome, Question, State
from bot.explain import as_text, explained
from bot.store import conversations, questions, record
from bot.store.conversations import Address
from bot.store.engine import Transaction
from bot.store.figures import figures, period
from bot.store.questions import Feedback, NewQuestion, Said
from bot.web import library
from tests.conftest import NOW
from tests.house import Browser, House, open_house
from tests.line import Clock

ONLINE, RED = "property.register_online", "code.red"
ASK, ABOUT_RED = "南京房产证能在网上办吗", "红码能进南通吗"
_NUMBERS = count(1)
NOBODY_KNOWS = "小区门口的路灯坏了半个月没人修"
PAGES = (
    "/staff/intents", f"/staff/intents/{ONLINE}", "/staff/try", f"/staff/try?q={quote(ASK)}", "/staff/questions",
    "/staff/overview",
)  # fmt: skip


@pytest.fixture
async def house(dialogue: Dialogue, database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(dialogue, database_url, tmp_path, Clock()) as house:
        yield house


@pytest.fixture
async def staff(house: House) -> Browser:
    return await house.staff("管理员")


async def on_record(house: House, *asked: dict[str, Any]) -> None:
    """Questions as the service records them, in this order; what is not named is as for ASK, a minute after another."""

    async def work(connection: Transaction) -> None:
        person = await conversations.load(connection, Address("web", 7, 7))
        conversation = person.id or await conversations.save(connection, person, State(), house.clock())
        for n, one in enumerate(asked):
            values = {
                "text": ASK, "intent": ONLINE, "outcome": Outcome.ANSWERED, "region": "南京市", "score": 1.1,
                "asked_at": house.clock() - timedelta(minutes=len(asked) - 1 - n), **one,
            }  # fmt: skip
            feedback, key = values.pop("feedback", None), f"test:{next(_NUMBERS)}"
            reply = Said(0, values["outcome"], "答复").as_json()
            new = NewQuestion(
                key, conversation, above_answer=0.8, above_offer=0.5, content_version="test", reply=reply, **values
            )
            number = await questions.add(connection, new)
            if feedback:
                await questions.rate(connection, number, feedback)

    await house.service.store.write(work)


def lines(browser: Browser) -> list[str]:
    """What the rows of the page's tables say, their heads left out."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", browser.page, re.DOTALL)
    rows = [row for body in bodies for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]


def cells(browser: Browser, start: str) -> dict[str, str]:
    """The cells of the row that begins so, by the names they have on a telephone."""
    rows = re.findall(r"<tr>(.*?)</tr>", browser.page, re.DOTALL)
    (row,) = [r for r in rows if " ".join(unescape(re.sub(r"<[^>]+>", " ", r)).split()).startswith(start)]
    found = re.findall(r'<td data-label="([^"]*)"[^>]*>(.*?)</td>', row, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", cell).split()) for name, cell in found}


def tile(browser: Browser, name: str) -> str:
    """The figure under that name."""
    found = re.search(rf"<li>(?:<a[^>]*>)?{name}(?:</a>)? <strong>([^<]*)</strong>", browser.page)
    assert found, f"{name} is not among the figures: {browser.words}"
    return found[1]


# ---- who may, and how every page is made


async def test_only_staff_come_in(house: House) -> None:
    stranger = house.browser()
    for path in (*PAGES, "/staff/questions.csv", "/staff/questions.xlsx", "/staff/intents/nothing"):
        words = await stranger.opens(path)
        assert stranger.url == f"{house.base}/staff", path
        assert ASK not in words, path


async def test_every_page_does_without_scripts_and_styles_of_its_own(house: House, staff: Browser) -> None:
    await on_record(house, {}, {"outcome": Outcome.UNANSWERED, "intent": ""}, {"feedback": Feedback.UNSOLVED})
    for path in PAGES:
        await staff.opens(path)
        assert staff.status == 200, path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=)", staff.page), path


async def test_what_people_write_is_text_on_every_page(house: House, staff: Browser) -> None:
    evil = "房产证<script>alert(1)</script>\"'><img src=x>"
    await on_record(house, {"text": evil, "region": "<b>", "intent": "<i>"})
    query = urlencode({"q": evil, "region": "<b>", "text": evil, "intent": "<i>"})
    for path in ("/staff/try", "/staff/questions", "/staff/intents", "/staff/overview"):
        for page in (path, f"{path}?{query}", f"{path}?q={quote(evil)}"):
            await staff.opens(page)
            assert staff.status in (200, 400), page
            assert not re.search(r"<script>|<img|<b>|<i>", staff.page), page


# ---- intents


async def test_an_intent_counts_what_it_answered_lately_and_in_all(house: House, staff: Browser) -> None:
    await on_record(house, {"feedback": Feedback.SOLVED}, {"outcome": Outcome.ASK_REGION})
    house.clock.passes(days=29)
    await on_record(house, {}, {"feedback": Feedback.UNSOLVED})
    staff = await house.staff("管理员")
    title = house.service.hotline.dialogue.content.intents[ONLINE].title
    await staff.opens("/staff/intents")
    row = cells(staff, title)
    assert [row[name] for name in ("30 天答", "总共答", "解决了", "没解决", "最近")] == ["3", "3", "1", "1", "刚刚"]
    house.clock.passes(days=1)
    staff = await house.staff("管理员")
    await staff.opens("/staff/intents")
    row = cells(staff, title)
    assert [row[name] for name in ("30 天答", "总共答", "解决了", "没解决")] == ["2", "3", "1", "1"]
    await on_record(house, {"feedback": Feedback.UNSOLVED})
    await staff.opens(f"/staff/intents/{ONLINE}")
    assert [tile(staff, name) for name in ("30 天答复", "解决了", "没解决")] == ["3", "1", "2"]
    assert "33.3%" in staff.words


async def test_intents_are_ordered_by_what_is_asked_for(house: House, staff: Browser, content: Content) -> None:
    red = {"intent": RED, "feedback": Feedback.UNSOLVED}
    await on_record(house, {}, {}, red)
    online, code = content.intents[ONLINE].title, content.intents[RED].title
    for order, first in (("used", online), ("unsolved", code)):
        await staff.opens(f"/staff/intents?sort={order}")
        assert lines(staff)[0].startswith(first), order
    await staff.opens("/staff/intents?sort=unused")
    assert len(lines(staff)) == len(content.intents)
    assert all("没用过" in line for line in lines(staff)[:-2])
    assert [line.startswith((online, code)) for line in lines(staff)[-2:]] == [True, True]


async def test_intents_are_narrowed_by_words_department_and_state(
    house: House, staff: Browser, content: Content
) -> None:
    await on_record(house, {})
    await staff.opens(f"/staff/intents?text={quote(content.intents[RED].phrases[0])}")
    assert [line.split()[0] for line in lines(staff)] == [content.intents[RED].title]
    await staff.opens("/staff/intents?department=registration")
    assert len(lines(staff)) == sum(i.department == "registration" for i in content.intents.values())
    today = house.clock().date()
    expired = [i for i in content.intents.values() if any(a.expired(today) for a in i.answers)]
    words = await staff.opens("/staff/intents?state=expired")
    assert f"已过期 {len(expired)}" in words
    assert len(lines(staff)) == len(expired)
    await staff.opens("/staff/intents?state=unused")
    assert len(lines(staff)) == len(content.intents) - 1
    assert "看全部" in await staff.opens("/staff/intents?text=xyzzy")
    for wrong in ("sort=x", "state=x"):
        await staff.opens(f"/staff/intents?{wrong}")
        assert staff.status == 404, wrong


async def test_what_will_soon_be_over_comes_first(dialogue: Dialogue, tmp_path: Path, content: Content) -> None:
    clock = Clock(NOW.replace(year=2022, month=11, day=10))
    async with open_house(dialogue, f"sqlite:///{tmp_path}/hotline.db", tmp_path, clock) as house:
        staff = await house.staff("管理员")
        await staff.opens("/staff/intents?sort=expiring")
        ends = [a.valid_until for i in content.intents.values() for a in i.answers if a.valid_until > "2022-11-10"]
        assert "2022-12-06" in ends
        assert "快过期" in lines(staff)[0]
        assert "已过期" in lines(staff)[len(ends)]
        assert "过期" not in lines(staff)[-1]
        words = await staff.opens(f"/staff/intents/{RED}")
        assert "到 2022-12-06，还有 26 天" in words
        clock.passes(days=27)
        staff = await house.staff("管理员")
        assert "2022-12-06 过期" in await staff.opens(f"/staff/intents/{RED}")


async def test_every_intent_has_a_page_with_its_answers_and_what_they_stand_on(
    staff: Browser, content: Content
) -> None:
    for key, intent in content.intents.items():
        words = await staff.opens(f"/staff/intents/{key}")
        assert staff.status == 200, key
        for answer in intent.answers:
            assert " ".join(answer.text.split()) in words, key
            for name in answer.facts:
                fact, document = content.fact(name), content.documents[name.partition("/")[0]]
                assert fact
                assert " ".join(fact.statement.split()) in words, name
                assert f"{document.title}（{document.publisher}）" in words, name
        assert all(" ".join(phrase.split()) in words for phrase in intent.phrases), key
        assert all(content.intents[following].title in words for following in intent.next), key
    assert f"/staff/questions?intent={key}" in staff.page


async def test_an_intent_that_is_not_there_is_told_in_words(staff: Browser) -> None:
    for key in ("nothing", "", "a/b", "%00", "<b>"):
        words = await staff.opens(f"/staff/intents/{quote(key)}")
        assert (staff.status, voice.NO_SUCH_PAGE in words) == (404, True), key


# ---- trying a question


@pytest.mark.parametrize("text", [ASK, "房產證能在網上辦嗎", ABOUT_RED, "着火了快来人", "谢谢", "你好", NOBODY_KNOWS])
async def test_trying_shows_what_a_citizen_hears_and_keeps_nothing(house: House, staff: Browser, text: str) -> None:
    words = await staff.opens(f"/staff/try?q={quote(text)}")
    assert await record.rows(house.service.store, None, None) == []
    heard = await house.browser().asks(text)
    told = heard["text"].replace(f"编号 {heard['ticket']}", "编号 ……")
    assert all(" ".join(line.split()) in words for line in told.split("\n"))
    assert all(choice["title"] in words for choice in heard["choices"])
    assert voice.ENDED[heard["outcome"]] in words
    await staff.opens("/staff/cases")
    assert len(re.findall("data-case=", staff.page)) == bool(heard["ticket"])


async def test_trying_says_why_as_the_command_line_does(house: House, staff: Browser, dialogue: Dialogue) -> None:
    words = await staff.opens(f"/staff/try?q={quote(ABOUT_RED)}")
    found = explained(dialogue, dialogue.step(Question(ABOUT_RED, house.clock()), State())[0])
    assert found.ranked
    assert found.confidence is not None
    for said in (found.read, found.why, f"{found.confidence:.2f}", *(found.places or ())):
        assert said in words
        assert said in as_text(found)
    for near, line in zip(found.ranked, lines(staff), strict=True):
        assert line == f"{near.title} {near.kind} {near.label} {near.score:.2f} {near.phrase} {near.likeness:.2f}"
    assert f"直接答 > {found.above_answer:.2f}，给选项 > {found.above_offer:.2f}" in words


async def test_trying_for_somebody_who_lives_somewhere(staff: Browser) -> None:
    text = quote("房产证能在网上办吗")
    assert "请问您问的是哪里" in await staff.opens(f"/staff/try?q={text}")
    assert "镇易登" in await staff.opens(f"/staff/try?q={text}&region={quote('镇江')}")
    words = await staff.opens(f"/staff/try?q={text}&region={quote('火星')}")
    assert (staff.status, "不认识地区「火星」" in words) == (400, True)
    assert "市民看到的" not in words
    assert "写一句" in await staff.opens("/staff/try")


async def test_what_personal_data_is_left_of_a_tried_question_is_what_would_be_kept(staff: Browser) -> None:
    await staff.opens(f"/staff/try?q={quote('我的手机号 13812345678 房产证网上办')}")
    bubble = re.search(r'<li class="citizen">(.*?)</li>', staff.page, re.DOTALL)
    assert bubble
    assert "13812345678" not in bubble[1]


# ---- the record


async def test_the_record_shows_each_question_once_newest_first(house: House, staff: Browser) -> None:
    await on_record(house, *({"text": f"第 {n} 问"} for n in range(1, 121)))
    seen, path = [], "/staff/questions"
    while path:
        await staff.opens(path)
        assert len(lines(staff)) <= library.MOST_LISTED
        seen += [int(found) for found in re.findall(r"第 (\d+) 问<?\n?", staff.page)]
        later = re.search(r'href="([^"]*)" rel="next"', staff.page)
        path = f"/staff/questions{unescape(later[1])}" if later else ""
    assert list(dict.fromkeys(seen)) == list(range(120, 0, -1))
    assert "回到最新" in staff.words


async def test_the_record_says_how_a_question_ended(house: House, staff: Browser) -> None:
    heard = await house.browser().asks(NOBODY_KNOWS)
    assert heard["ticket"] == 1
    await on_record(house, {"feedback": Feedback.SOLVED}, {"text": "红码", "intent": RED, "score": 9.0})
    await staff.opens("/staff/questions")
    exact, solved, unanswered = lines(staff)
    assert "逐字相同" in exact
    assert all(word in solved for word in (ASK, "已答复", "1.10", "南京市", "解决了"))
    assert all(word in unanswered for word in (NOBODY_KNOWS, "未能答复", "事项 1"))
    await staff.opens(re.findall(r'href="(/staff/cases/\d+)"', staff.page)[0])
    assert NOBODY_KNOWS in staff.words


async def test_the_record_is_narrowed_by_every_field(house: House, staff: Browser) -> None:
    await on_record(
        house,
        {"text": "甲问房产证"},
        {"text": "乙問房產證", "outcome": Outcome.ASK_REGION, "region": ""},
        {"text": "丙问", "intent": RED, "region": "南通市", "feedback": Feedback.UNSOLVED},
        {"text": "丁50%问", "asked_at": NOW.replace(hour=0) - timedelta(days=2)},
    )
    day = NOW.date()
    for query, found in (
        ({}, "丁丙乙甲"),
        ({"text": "房产证"}, "乙甲"),
        ({"text": "房產證"}, "乙甲"),
        ({"text": "50%"}, "丁"),
        ({"text": "5_%"}, ""),
        ({"outcome": "ask_region"}, "乙"),
        ({"intent": RED}, "丙"),
        ({"region": "南通"}, "丙"),
        ({"feedback": "unsolved"}, "丙"),
        ({"since": day}, "丙乙甲"),
        ({"until": day - timedelta(days=1)}, "丁"),
        ({"until": day - timedelta(days=3)}, ""),
        ({"since": day - timedelta(days=2), "until": day - timedelta(days=2)}, "丁"),
        ({"since": day - timedelta(days=1), "until": day - timedelta(days=1)}, ""),
        ({"intent": ONLINE, "outcome": "answered", "since": day}, "甲"),
        ({"before": 3}, "乙甲"),
    ):
        words = await staff.opens(f"/staff/questions?{urlencode(query)}")
        assert "".join(re.findall("[甲乙丙丁]", " ".join(lines(staff)))) == found, query
        assert ("看全部" in words) is (not found), query
        if "before" not in query:  # a table has no pages
            table = await staff.opens(f"/staff/questions.csv?{urlencode(query)}")
            assert sorted(re.findall("[甲乙丙丁]", table)) == sorted(found), query


@pytest.mark.parametrize(
    "query",
    ["outcome=x", "feedback=x", "since=x", "until=2026-13-01", "since=0001-01-01", "until=9999-12-31", "before=x",
     "before=-1", f"before={'9' * 30}"],
)  # fmt: skip
async def test_what_no_form_sends_is_told_in_words(staff: Browser, query: str) -> None:
    words = await staff.opens(f"/staff/questions?{query}")
    assert (staff.status, voice.NO_SUCH_PAGE in words) == (404, True)


async def test_what_is_far_back_is_looked_for_further_back(
    house: House, staff: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_record(house, {"text": "很久以前问的"}, *({} for _ in range(12)))
    monkeypatch.setattr(record, "LOOKED_THROUGH", 5)
    path, times = f"/staff/questions?text={quote('很久以前')}", 0
    while "很久以前问的" not in " ".join(lines(await opened(staff, path))):
        assert "继续往前找" in staff.words
        later = re.search(r'href="([^"]*)" rel="next"', staff.page)
        assert later
        path, times = f"/staff/questions{unescape(later[1])}", times + 1
    assert times == 2
    assert "继续往前找" not in staff.words


async def opened(browser: Browser, path: str) -> Browser:
    await browser.opens(path)
    return browser


async def test_forgotten_words_are_gone_and_the_rest_stays(house: House, staff: Browser) -> None:
    citizen = house.browser()
    await citizen.asks(ASK)
    await citizen.posts("/forget")
    await staff.opens("/staff/questions")
    (line,) = lines(staff)
    assert "内容已删除" in line
    assert "已答复" in line
    assert ASK not in staff.page


async def test_an_empty_record_says_what_will_be_there(staff: Browser) -> None:
    assert "还没有人提问" in await staff.opens("/staff/questions")


async def test_tables_hold_the_same_questions_and_no_cell_is_a_formula(house: House, staff: Browser) -> None:
    evil = ["=cmd|' /C calc'!A0", "@SUM(A1)", "＝1+1", "-2+3"]
    await on_record(house, *({"text": text} for text in evil), {"text": "红码", "intent": RED})
    await staff.opens(f"/staff/questions.csv?intent={ONLINE}")
    assert staff.headers["Content-Disposition"].endswith('filename="questions-2026-11-22.csv"')
    assert staff.headers["Cache-Control"] == "no-store"
    assert staff.page.startswith("\ufeff编号,时间,提问,结果")
    assert re.findall(r"^\d+,2026-11-22 0\d:\d\d:00,(.*?),answered", staff.page, re.MULTILINE) == [
        f"'{text}" for text in evil
    ]
    async with staff.session.get(f"{house.base}/staff/questions.xlsx?intent={ONLINE}") as answer:
        rows = list(load_workbook(io.BytesIO(await answer.read())).active.values)
    assert rows[0][:3] == ("编号", "时间", "提问")
    assert [row[2] for row in rows[1:]] == [f"'{text}" for text in evil]
    await staff.opens("/staff/questions.pdf")
    assert staff.status == 404


async def test_a_table_in_parts_is_whole(house: House, staff: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_IN_A_PART", 3)
    await on_record(house, *({"text": f"第 {n} 问"} for n in range(1, 8)))
    await staff.opens("/staff/questions.csv")
    assert re.findall(r"第 (\d) 问", staff.page) == list("1234567")


async def test_a_book_that_would_be_too_large_is_told_before_it_is_made(
    house: House, staff: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "MOST_IN_A_BOOK", 2)
    await on_record(house, {}, {})
    async with staff.session.get(f"{house.base}/staff/questions.xlsx") as answer:
        assert answer.status == 200
    await on_record(house, {"text": "第三问"})
    words = await staff.opens("/staff/questions.xlsx")
    assert (staff.status, "xlsx 放不下" in words, "第三问" in words) == (409, True, True)


# ---- the figures


async def test_the_overview_counts_what_the_statistics_count(house: House, staff: Browser) -> None:
    hotline = house.service.hotline
    citizen = house.browser()
    for text in (ASK, ABOUT_RED, NOBODY_KNOWS, "谢谢"):
        await citizen.asks(text)
    await on_record(house, *({"asked_at": NOW - timedelta(days=3)} for _ in range(14)))
    await staff.opens("/staff/overview")
    since, until = period(NOW.date(), hotline.config.zone)
    day = await figures(house.service.store, since, until)
    assert (day.received, day.answered, day.unanswered, day.opened) == (4, 2, 1, 1)
    assert [tile(staff, name) for name in ("收到提问", "提问的人", "交工作人员", "新增事项", "现在未办结")] == [
        "4", "1", "1", "1", "1",
    ]  # fmt: skip
    assert tile(staff, "机器人答复率") == "50.0%"
    assert "前 7 天日均 2.0" in staff.words
    assert "前 7 天 100.0%" in staff.words
    for row in (
        "直接答复 2 50.0%",
        "未能答复 1 25.0%",
        "问候闲谈 1 25.0%",
        "南京市 1",
        "还没定 1",
        "2026-11-19 14 14 0",
    ):
        assert row in lines(staff), row
    assert '<svg role="img"' in staff.page
    assert "19 日收到 14，" in staff.page


async def test_the_overview_of_another_day(house: House, staff: Browser) -> None:
    await on_record(house, {"asked_at": NOW - timedelta(days=9)})
    await staff.opens("/staff/overview?day=2026-11-13")
    assert tile(staff, "收到提问") == "1"
    assert "2026-11-13（周五）" in staff.words
    assert 'href="?day=2026-11-12"' in staff.page
    assert 'href="?day=2026-11-14"' in staff.page
    assert "截至" not in staff.words
    words = await staff.opens("/staff/overview?day=2026-11-12")
    assert "这一天没有收到提问" in words
    assert "截至 11-22 09:00" in await staff.opens("/staff/overview")
    for wrong in ("x", "2026-02-30", "0001-01-01", "9999-12-31"):
        await staff.opens(f"/staff/overview?day={wrong}")
        assert staff.status == 404, wrong


async def test_what_rises_and_what_is_late_leads_to_its_page(house: House, staff: Browser, content: Content) -> None:
    await house.browser().asks(NOBODY_KNOWS)
    house.clock.passes(days=10)
    staff = await house.staff("管理员")
    await on_record(house, {}, {}, {})
    await staff.opens("/staff/overview")
    assert f"{content.intents[ONLINE].title} 3 0.0" in lines(staff)
    assert f'href="/staff/intents/{ONLINE}"' in staff.page
    assert any(line.startswith(f"1：{NOBODY_KNOWS}") for line in lines(staff))
    assert 'href="/staff/cases/1"' in staff.page
    assert tile(staff, "现在超时") == "1"


async def test_the_links_of_the_charts_lead_to_the_questions_they_count(house: House, staff: Browser) -> None:
    await on_record(house, {"outcome": Outcome.ASK_REGION})
    await on_record(house, {}, {}, {"intent": RED, "region": "南通市"}, {"asked_at": NOW - timedelta(days=1)})
    await staff.opens("/staff/overview")
    links = re.findall(
        r'<td><a href="(/staff/questions[^"]*)">([^<]*)</a></td><td class="number">(\d+)</td>', staff.page
    )
    assert len(links) == 4
    for where, name, number in links:
        await staff.opens(unescape(where))
        assert len(lines(staff)) == int(number), name
