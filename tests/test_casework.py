"""Staff's side of what could not be answered, through the real parts: Telegram played, the database and CLI real."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import asyncpg
import pytest

from bot import cli, voice
from bot.casework import Refused
from bot.config import TimeSettings
from bot.dialogue import Dialogue
from bot.store import cases
from bot.store.cases import CaseState, Filter
from bot.worktime import Worktime
from tests.conftest import NOW, ROOT, World
from tests.databases import new_database
from tests.line import Citizen, Line, RunningClock, eventually, open_line
from tests.telegram_server import TelegramServer

ALIKE = ("楼下的健身器材坏了半年没人修", "小区楼下健身器材坏了半年了一直没人修", "樓下的健身器材壞了半年沒人修")
OTHER = "社保断缴了怎么补"
Hotline = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def line(dialogue: Dialogue, telegram: TelegramServer, database_url: str) -> AsyncIterator[Line]:
    async with open_line(dialogue, telegram, database_url, RunningClock()) as line:
        yield line


@pytest.fixture
def hotline(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[tuple[int, str, str]]]:
    """`hotline …` beside the running service: exit code, output, errors."""
    monkeypatch.setenv("HOTLINE_DATABASE__URL", database_url)
    monkeypatch.setenv("HOTLINE_STAFF__CHAT_ID", "0")

    async def run(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(cli.main, ["--config", str(ROOT / "config.yaml"), *arguments])
        return code, *capsys.readouterr()

    return run


async def everybody_asks(line: Line, *texts: str) -> list[Citizen]:
    """One citizen for each text, who has got a ticket."""
    citizens = [line.citizen(number) for number in range(1, len(texts) + 1)]
    for citizen, text in zip(citizens, texts, strict=True):
        told = (await citizen.says(text)).text
        assert "编号" in told or "編號" in told
    return citizens


async def work_list(hotline: Hotline, *options: str) -> list[dict[str, object]]:
    code, out, error = await hotline("cases", "list", "--json", *options)
    assert code == 0, error
    found: list[dict[str, object]] = json.loads(out)
    return found


async def test_three_ask_the_same_and_one_answer_reaches_all_and_who_is_not_satisfied_is_on_top_again(
    line: Line, hotline: Hotline
) -> None:
    citizens = await everybody_asks(line, OTHER, *ALIKE)
    other, matter = sorted(await work_list(hotline), key=lambda c: c["count"] != 1)
    assert (matter["state"], matter["count"], matter["askers"], matter["questions"]) == ("new", 3, 3, list(ALIKE))
    assert (await work_list(hotline))[0]["id"] == matter["id"], "the most-asked comes first"

    number = str(matter["id"])
    assert (await hotline("cases", "claim", number, "--as", "管理员"))[0] == 0
    code, out, _ = await hotline("cases", "answer", number, "已报修，三天内修好。", "--as", "管理员", "--yes")
    assert (code, "3 人" in out) == (0, True)
    for citizen, asked in zip(citizens[1:], ALIKE, strict=True):
        heard = await citizen.hears()
        assert asked in heard.text, "each hears their own question again"
        assert list(heard.buttons) in (["满意", "基本满意", "不满意"], ["滿意", "基本滿意", "不滿意"])
    assert "三天內修好" in citizens[3].last.text, "who writes Traditional is answered in Traditional"
    assert [c["id"] for c in await work_list(hotline)] == [other["id"]]

    assert "没答好" in (await citizens[1].taps("不满意")).text
    assert (await citizens[1].says("三天过了还是坏的")).text == voice.TOLD_STAFF
    first = (await work_list(hotline))[0]
    assert (first["id"], first["state"], first["waiting"], first["reopened"]) == (matter["id"], "new", 1, 1)
    _, page, _ = await hotline("cases", "show", number)
    assert "三天过了还是坏的" in page
    assert "已送达" in page

    await hotline("cases", "answer", number, "今天一定修好。", "--as", "管理员", "--yes")
    assert "今天一定修好" in (await citizens[1].hears()).text
    await line.quiet()
    assert len(line.telegram.texts(3)) == len(line.telegram.texts(4)) == 2, "nobody else hears of it again"


async def test_why_it_did_not_satisfy_is_asked_for_a_while_and_swallows_no_question(line: Line) -> None:
    (anna,) = await everybody_asks(line, OTHER)
    await line.service.casework.answer(1, "请找人社局。", "管理员")
    await anna.hears()
    await anna.taps("不满意")
    assert "E办证" in (await anna.says("南京房产证能在网上办吗")).text, "what can be answered is answered"
    line.clock.passes(minutes=20)
    assert "编号" in (await anna.says("养老金怎么认证")).text, "and later it is a new question"


async def test_what_they_say_of_an_answer_goes_when_they_withdraw(line: Line, hotline: Hotline) -> None:
    anna, bert = await everybody_asks(line, *ALIKE[:2])
    await line.service.casework.answer(1, "已报修。", "管理员")
    await anna.hears()
    await bert.hears()
    await anna.taps("不满意")
    await anna.says("我是302的老李，还是坏的")
    assert "老李" in (await hotline("cases", "show", "1"))[1]
    await anna.says("/forget")
    await anna.taps("确定删除")
    assert "老李" not in (await hotline("cases", "show", "1"))[1]
    assert "老李" not in (await hotline("cases", "show", "1", "--json"))[1]
    assert await work_list(hotline) == [], "nobody waits any more"
    await bert.taps("不满意")
    assert [(c["id"], c["waiting"]) for c in await work_list(hotline)] == [(1, 1)], "but whoever is not content does"


async def test_two_answers_within_one_second_both_arrive(line: Line) -> None:
    (anna,) = await everybody_asks(line, OTHER)
    casework = line.service.casework
    await casework.answer(1, "第一次答复。", "管理员")
    await casework.reopen(1, "管理员")
    await casework.answer(1, "第二次答复。", "管理员")
    assert "第一次" in (await anna.hears()).text
    assert "第二次" in (await anna.hears()).text


async def test_one_person_with_two_numbers_hears_once_and_closes_both(line: Line, hotline: Hotline) -> None:
    (anna,) = await everybody_asks(line, ALIKE[0])
    await anna.says(ALIKE[1])
    assert await line.service.casework.answer(1, "已报修。", "管理员") == 1
    assert "编号 1、2" in (await anna.hears()).text
    anna.press("满意")
    await line.quiet()
    assert [c["id"] for c in await work_list(hotline, "--state", "closed")] == [1]


async def test_a_merged_case_keeps_the_city_of_either(line: Line) -> None:
    await everybody_asks(line, OTHER, f"南京{ALIKE[0]}")
    await line.service.casework.merge(2, 1, "管理员")
    assert (await line.service.casework.file(1)).case.region == "南京市"


async def test_numbers_and_denials_are_never_the_same_matter(line: Line) -> None:
    citizens = await everybody_asks(line, "路灯坏了半年没人修", "路灯坏了3年没人修")
    assert len(await line.service.casework.listed(Filter())) == 2
    await citizens[0].says("/forget")
    await citizens[0].taps("确定删除")
    await line.citizen(9).says("路灯坏了4年没人修")
    assert len(await line.service.casework.listed(Filter())) == 2


async def test_an_answer_is_signed_by_a_department_only_if_staff_gave_it_there(line: Line) -> None:
    anna = line.citizen(1)
    await anna.says("南京房产证能在网上办吗")
    await anna.taps("没解决")
    await anna.taps("转人工")
    await line.service.casework.answer(1, "请到窗口办。", "管理员")
    assert "工作人员答复：" in (await anna.hears()).text


async def test_without_a_terminal_nothing_is_sent_unasked(
    line: Line, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await everybody_asks(line, OTHER)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, out, error = await hotline("cases", "answer", "1", "答复", "--as", "管理员")
    assert (code, "没有发送" in error) == (1, True)
    assert "发给 1 人" in out


async def test_a_case_is_closed_when_all_are_content(line: Line, hotline: Hotline) -> None:
    anna, bert = await everybody_asks(line, *ALIKE[:2])
    await hotline("cases", "answer", "1", "已报修。", "--as", "管理员", "--yes")
    for citizen, how in ((anna, "满意"), (bert, "基本满意")):
        assert [c["id"] for c in await work_list(hotline, "--state", "answered")] == [1], "not before all are"
        await citizen.hears()
        citizen.press(how)
        await line.quiet()
    (case,) = await work_list(hotline, "--state", "closed")
    assert (case["id"], case["state"]) == (1, "closed")
    assert voice.GLAD in anna.toasts


async def test_two_claim_at_once_and_the_second_hears_who_was_first(line: Line) -> None:
    await everybody_asks(line, OTHER)
    casework = line.service.casework
    results = await asyncio.gather(casework.claim(1, "安娜"), casework.claim(1, "博特"), return_exceptions=True)
    (refusal,) = [r for r in results if r is not None]
    assert "已由" in str(refusal)
    with pytest.raises(Refused, match=r"安娜|博特"):
        await casework.answer(1, "答复", "卡尔")


async def test_who_withdraws_before_the_answer_gets_none_and_staff_see_that(line: Line, hotline: Hotline) -> None:
    anna, bert = await everybody_asks(line, *ALIKE[:2])
    await anna.says("/forget")
    await anna.taps("确定删除")
    _, page, _ = await hotline("cases", "show", "1")
    assert "(已撤回)" in page
    _, out, _ = await hotline("cases", "answer", "1", "已报修。", "--as", "管理员", "--yes")
    assert "1 人" in out
    assert "已报修" in (await bert.hears()).text
    await line.quiet()
    assert not any("已报修" in text for text in line.telegram.texts(1))


async def test_a_case_nobody_waits_for_any_more_leaves_the_list(line: Line, hotline: Hotline) -> None:
    (anna,) = await everybody_asks(line, OTHER)
    await anna.says("/forget")
    await anna.taps("确定删除")
    assert await work_list(hotline) == []
    assert "已撤回" in (await hotline("cases", "show", "1"))[1]


async def test_an_asker_who_blocked_us_is_seen(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, *ALIKE[:2])
    line.telegram.blocked.add(1)
    await hotline("cases", "answer", "1", "已报修。", "--as", "管理员", "--yes")
    await line.telegram.until(lambda: any("已报修" in text for text in line.telegram.texts(2)))
    await line.telegram.until(lambda: any(c.method == "sendMessage" and c.status == 403 for c in line.telegram.calls))
    for _ in range(100):
        if "对方已屏蔽" in (page := (await hotline("cases", "show", "1"))[1]):
            break
    assert "对方已屏蔽" in page
    assert "已送达" in page


async def test_who_joins_while_the_answer_is_looked_at_stops_it(line: Line) -> None:
    await everybody_asks(line, *ALIKE[:2])
    file = await line.service.casework.file(1)
    await line.citizen(9).says(ALIKE[2])
    with pytest.raises(Refused, match="有人加入"):
        await line.service.casework.answer(1, "已报修。", "管理员", seen=[q.id for q in file.waiting])
    assert (await line.service.casework.answer(1, "已报修。", "管理员")) == 3


async def test_who_asks_while_the_answer_is_being_written_is_not_left_behind(
    dialogue: Dialogue, telegram: TelegramServer, postgresql: str
) -> None:
    """Only PostgreSQL lets both begin: the one who asks waits for the case, and finds it answered."""
    url = await asyncio.to_thread(new_database, postgresql, "answered_meanwhile")
    async with open_line(dialogue, telegram, url, RunningClock()) as line:
        await everybody_asks(line, ALIKE[0])
        staff = await asyncpg.connect(url)
        async with staff.transaction():
            await staff.execute("UPDATE cases SET state = 'answered', answered_by = '安娜' WHERE id = 1")
            telegram.message(9, ALIKE[1])

            async def somebody_waits() -> bool:
                return bool(await staff.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

            await eventually(somebody_waits)
        await staff.close()
        assert "编号 2" in (await line.citizen(9).hears()).text
        assert [f.case.id for f in await line.service.casework.listed(Filter())] == [2]


async def test_who_asks_after_the_answer_opens_a_new_case(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, ALIKE[0])
    await hotline("cases", "answer", "1", "已报修。", "--as", "管理员", "--yes")
    await line.citizen(9).says(ALIKE[1])
    assert [c["id"] for c in await work_list(hotline)] == [2]


async def test_what_is_left_out_of_an_answer_becomes_a_case_of_its_own(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, *ALIKE)
    _, out, _ = await hotline("cases", "answer", "1", "已报修。", "--as", "管理员", "--yes", "--leave-out", "2")
    assert "2 人" in out
    (rest,) = await work_list(hotline)
    assert (rest["id"], rest["questions"]) == (2, [ALIKE[1]])


async def test_cases_are_merged_and_split_and_what_comes_later_follows(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, f"南京{ALIKE[0]}", f"镇江{ALIKE[1]}")
    assert (await hotline("cases", "merge", "1", "2", "--as", "管理员"))[0] == 0
    assert [(c["id"], c["count"]) for c in await work_list(hotline)] == [(2, 2)]
    await line.citizen(8).says(ALIKE[2])
    assert [(c["id"], c["count"]) for c in await work_list(hotline)] == [(2, 3)]
    await hotline("cases", "split", "2", "1", "--as", "管理员")
    found = {c["id"]: (c["region"], c["count"]) for c in await work_list(hotline)}
    assert found == {2: ("镇江市", 2), 3: ("南京市", 1)}
    await line.citizen(9).says(f"南京{ALIKE[1]}")
    assert {c["id"]: c["count"] for c in await work_list(hotline)}[3] == 2


async def test_an_ignored_matter_stays_gone_until_many_more_ask(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str, hotline: Hotline
) -> None:
    async with open_line(dialogue, telegram, database_url, RunningClock(), cases__come_back_after=2) as line:
        await everybody_asks(line, ALIKE[0])
        await hotline("cases", "ignore", "1", "--as", "管理员", "--spam")
        await line.citizen(8).says(ALIKE[1])
        assert await work_list(hotline) == []
        await line.citizen(8).says(ALIKE[0])  # the same person again
        assert await work_list(hotline) == []
        await line.citizen(9).says(ALIKE[2])
        assert [(c["id"], c["askers"]) for c in await work_list(hotline)] == [(1, 3)]
        assert "重新出现" in (await hotline("cases", "show", "1"))[1]


async def test_the_same_matter_in_two_cities_is_two_cases(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, f"南京{ALIKE[0]}", f"镇江{ALIKE[0]}")
    assert sorted(str(c["region"]) for c in await work_list(hotline)) == ["南京市", "镇江市"]


async def test_a_case_is_dispatched_and_sent_back_and_the_citizen_hears_where_it_went(
    line: Line, hotline: Hotline
) -> None:
    (anna,) = await everybody_asks(line, OTHER)
    code, _, error = await hotline("cases", "assign", "1", "没有的部门", "--as", "管理员")
    assert (code, "派单清单里没有" in error) == (1, True)
    await hotline("cases", "assign", "1", "城管大队", "--as", "管理员", "--note", "请看一下")
    due = (await line.service.casework.file(1)).case.due_at
    assert due
    told = (await anna.hears()).text
    when = voice.moment(due.astimezone(NOW.tzinfo))
    assert told == f"您问的「社保断缴了怎么补」（编号 1）已转城管大队，预计{when}前答复。"
    assert (await work_list(hotline, "--department", "city_management"))[0]["department"] == "city_management"
    assert (await hotline("cases", "assign", "1", "--back", "--as", "管理员"))[0] == 1, "a reason is needed"
    await hotline("cases", "assign", "1", "--back", "--note", "不归我们管", "--as", "管理员")
    assert (await work_list(hotline))[0]["department"] == ""
    assert "退单  城管大队：不归我们管" in (await hotline("cases", "show", "1"))[1]


async def test_somebody_who_is_not_on_the_list_can_do_nothing(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, OTHER)
    code, _, error = await hotline("cases", "claim", "1", "--as", "路人")
    assert (code, "staff.people 里没有「路人」" in error) == (1, True)
    assert (await hotline("cases", "claim", "77", "--as", "管理员"))[0] == 1


async def test_a_citizens_number_leads_to_the_case(line: Line, hotline: Hotline) -> None:
    await everybody_asks(line, *ALIKE)
    _, out, _ = await hotline("cases", "show", "3", "--ticket", "--json")
    assert json.loads(out)["id"] == 1


async def test_an_outdated_answer_is_told_to_staff(line: Line, hotline: Hotline) -> None:
    anna = line.citizen(1)
    await anna.says("南京房产证能在网上办吗")
    await anna.taps("没解决")
    await anna.taps("答复过时了")
    (case,) = await work_list(hotline)
    assert (case["reason"], case["department"], case["region"]) == ("outdated", "registration", "南京市")


async def test_status_tells_where_each_number_stands(line: Line, hotline: Hotline) -> None:
    (anna,) = await everybody_asks(line, OTHER)
    await hotline("cases", "claim", "1", "--as", "管理员")
    assert "正在处理" in (await anna.says("/status")).text
    await hotline("cases", "answer", "1", "请找人社局。", "--as", "管理员", "--yes")
    await anna.hears()
    assert "已答复" in (await anna.says("/status")).text


async def test_the_overdue_come_first(line: Line) -> None:
    await everybody_asks(line, OTHER)
    line.clock.passes(days=5)
    await everybody_asks(line, *ALIKE)
    first, second = await line.service.casework.listed(Filter())
    assert (first.case.id, first.case.is_overdue(line.clock())) == (1, True)
    assert not second.case.is_overdue(line.clock())


async def test_what_is_answered_and_never_rated_is_closed_after_a_week(line: Line) -> None:
    await everybody_asks(line, OTHER)
    await line.service.casework.answer(1, "请找人社局。", "管理员")
    line.clock.passes(days=8)
    assert await line.service.casework.close_old() == 1
    assert (await line.service.casework.file(1)).case.state is CaseState.CLOSED


@pytest.mark.parametrize(
    ("hours", "asked", "due"),
    [
        (24, "2026-11-25T10:00", "2026-11-26T10:00"),
        (24, "2026-11-28T12:00", "2026-12-01T09:00"),  # a Saturday counts from Monday's opening on
        (24, "2026-09-30T17:00", "2026-10-08T17:00"),  # the national holidays in between
        (8, "2026-11-25T16:00", "2026-11-26T15:30"),
        (24, "2031-01-03T18:00", "2031-01-07T09:00"),  # a year that no calendar knows yet: plain weekdays
    ],
)
def test_a_deadline_is_in_working_time(hours: int, asked: str, due: str) -> None:
    zone = NOW.tzinfo
    moment, expected = (datetime.fromisoformat(text).replace(tzinfo=zone) for text in (asked, due))
    assert Worktime(TimeSettings(answer_within_hours=hours)).due(moment) == expected


def test_every_state_reason_and_deed_has_a_name_for_staff() -> None:
    assert set(cases.CaseState) == set(voice.CASE_STATES)
    assert set(cases.Reason) == set(voice.REASONS)
    assert set(cases.Deed) == set(voice.DEEDS)


def test_the_command_line_knows_every_state() -> None:
    assert set(cli._CASE_STATES) == set(CaseState)


async def test_a_mistake_in_the_content_does_not_keep_staff_from_answering(
    line: Line, copy_of_ours: World, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    await everybody_asks(line, OTHER)
    copy_of_ours.write("intents/property.yaml", "property.x:\n  titel: 写错了\n")
    monkeypatch.setenv("HOTLINE_DATABASE__URL", database_url)
    command = ["--config", str(copy_of_ours.folder / "config.yaml"), "cases", "answer", "1", "请找人社局。"]
    assert await asyncio.to_thread(cli.main, [*command, "--as", "管理员", "--yes"]) == 0
    assert "请找人社局" in (await line.citizen(1).hears()).text
