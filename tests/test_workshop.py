"""Admins at work: from a case to knowledge, files edited in the browser, history and taking back."""

import asyncio
import errno
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import edition
from bot.dialogue import Dialogue
from bot.edition import Files
from bot.errors import HotlineError
from bot.rehearsal import Verdict
from bot.text import normalise
from tests.conftest import World
from tests.house import Browser
from tests.test_reload import CHECKS, NEW, Office, open_office

PEOPLE = "staff: {people: [{name: 管理员, role: admin}, {name: 安娜, role: staff}]}\n"
UNKNOWN, OTHERWISE = "小区的充电桩由谁来装", "想装个充电桩该找哪个"


@pytest.fixture
async def office(world: World, tmp_path: Path) -> AsyncIterator[Office]:
    world.write("intents/checks/own.yaml", CHECKS)
    world.write("intents/background.yaml", "lines:\n  - 今天天气不错\n")
    settings = world.folder / "config.yaml"
    world.write("config.yaml", settings.read_text("utf-8") + PEOPLE)
    async with open_office(world, tmp_path) as office:
        yield office


async def an_answered_case(office: Office) -> Browser:
    """A citizen's question handed to staff and answered; the citizen."""
    citizen = office.browser()
    await citizen.asks(UNKNOWN)
    await citizen.posts("/ask", {"text": "", "staff": "1"})
    await office.service.casework.answer(1, "请带3份材料到大厅。", "管理员")
    return citizen


def lesson(**more: str) -> dict[str, str]:
    return {
        "kind": "intent",
        "key": "charging.install",
        "title": "装充电桩",
        "department": "registration",
        "region": "",
        "phrases": f"{UNKNOWN}\n装充电桩要什么手续",
        "checks": "请问充电桩怎么装才行",
        **more,
    }


async def test_what_an_admin_teaches_is_live_with_its_source(office: Office) -> None:
    await an_answered_case(office)
    admin = await office.staff("管理员")
    await admin.opens("/staff/cases/1/learn")
    assert UNKNOWN in admin.page
    await admin.posts("/staff/cases/1/learn", lesson())
    assert "已上线" in admin.words, admin.words
    said = await office.browser().asks("装充电桩要什么手续")
    assert (said["outcome"], said["intent"]) == ("answered", "charging.install")
    assert "请带3份材料到大厅。" in said["text"]
    assert said["source"]["title"] == "工作人员的答复"
    latest = (await office.history())[0]
    assert (latest.who, latest.why) == ("管理员", "事项 1")
    assert (office.world.folder / "knowledge/staff.yaml").exists()


async def test_staff_propose_and_an_admin_decides(office: Office) -> None:
    await an_answered_case(office)
    anna, admin = await office.staff("安娜"), await office.staff("管理员")
    await anna.posts("/staff/cases/1/learn", lesson(checks=""))
    assert (anna.status, "再用别的说法" in anna.words) == (409, True)
    assert "装充电桩要什么手续" in anna.page, "what was written is kept"
    await anna.posts("/staff/cases/1/learn", lesson())
    assert "待管理员同意" in anna.words
    await anna.posts(
        "/staff/cases/1/learn", lesson(key="charging.other", title="别的", kind="refuse", phrases="火星上的桩")
    )
    await anna.posts("/staff/learn", {"pick": "1"})
    assert (anna.status, "管理员" in anna.words) == (403, True)
    await admin.opens("/staff/learn")
    assert admin.values("pick") == ["1", "2"]
    await admin.posts("/staff/learn", [("pick", "2"), ("reject", "1"), ("why", "太少见")])
    await admin.posts("/staff/learn", {"pick": "1"})
    assert "1 条已上线" in admin.words
    assert "没有采纳" in await anna.opens("/staff/cases/1/learn")


async def test_of_a_batch_the_bad_ones_are_left_out_with_their_reason(office: Office) -> None:
    await an_answered_case(office)
    anna, admin = await office.staff("安娜"), await office.staff("管理员")
    await anna.posts("/staff/cases/1/learn", lesson())
    await anna.posts(
        "/staff/cases/1/learn",
        lesson(key="fire.drill", title="着火", phrases="楼上着火了\n楼下着火了", checks="家里着火怎么报"),
    )
    await anna.posts(
        "/staff/cases/1/learn",
        lesson(kind="phrase", intent="hall.open", phrases="周末开不开", checks="窗口礼拜天有人么"),
    )
    await admin.posts("/staff/learn", [("pick", "1"), ("pick", "2"), ("pick", "3")])
    assert "2 条已上线，1 条没有上线" in admin.words
    assert "家里着火怎么报" in admin.words
    assert (await office.browser().asks("装充电桩要什么手续"))["intent"] == "charging.install"
    assert (await office.browser().asks("周末开不开"))["intent"] == "hall.open"


async def test_of_a_batch_of_which_a_part_failed_half_way_the_other_part_is_noted_as_live(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_answered_case(office)
    anna, admin = await office.staff("安娜"), await office.staff("管理员")
    wrong = {"kind": "phrase", "intent": "loan.remote", "phrases": "大厅几点开门呀", "checks": "窗口上班没有呢"}
    await anna.posts("/staff/cases/1/learn", lesson())
    await anna.posts("/staff/cases/1/learn", lesson(**wrong))
    go_live, live = office.reloader._go_live, list[Files]()

    async def then_the_process_dies(*change: Any) -> None:
        await go_live(*change)
        live.append(change[0])

    async def judged(files: Files) -> Verdict:
        if live:
            raise HotlineError("试运行的进程意外结束;改动没有上线")
        return await rehearse(files)

    rehearse = office.reloader._judged
    monkeypatch.setattr(office.reloader, "_go_live", then_the_process_dies)
    monkeypatch.setattr(office.reloader, "_judged", judged)
    await admin.posts("/staff/learn", [("pick", "1"), ("pick", "2")])
    assert "charging.install" in office.service.hotline.dialogue.content.intents
    assert "1 条已上线，1 条没有上线" in admin.words
    assert "意外结束" in admin.words
    await admin.opens("/staff/learn")
    assert admin.values("pick") == ["2"]


async def test_a_file_is_edited_checked_tried_and_saved_in_the_browser(office: Office) -> None:
    admin, name = await office.staff("管理员"), "/staff/content/intents/own.yaml"
    await admin.opens(name)
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    (opened,) = admin.values("opened")
    draft = text.replace("    - 今天有人吗在窗口\n", f"    - 今天有人吗在窗口\n    - {NEW}\n")
    await admin.posts(name, {"text": draft, "opened": opened, "try": "1", "q": NEW})
    assert "大厅暂停。" in admin.words
    assert (await office.browser().asks(NEW))["outcome"] != "answered", "a draft is only tried"
    await admin.posts(name, {"text": draft, "opened": opened, "check": "1"})
    assert "可以上线" in admin.words
    assert f"+ - {NEW}" in re.sub(r"\s+", " ", admin.words)
    broken = draft.replace("[paper/loan]", "[paper/lone]")
    await admin.posts(name, {"text": broken, "opened": opened, "save": "1"})
    assert (admin.status, "第 11 行（own.yaml）" in admin.words) == (409, True)
    assert "paper/lone" in admin.page, "what was written is kept"
    await admin.posts(name, {"text": draft.replace("\n", "\r\n"), "opened": opened, "save": "1", "why": "常有人问"})
    assert "已上线" in admin.words
    assert (office.world.folder / "intents/own.yaml").read_text("utf-8") == draft
    assert (await office.browser().asks(NEW))["outcome"] == "answered"
    assert (await office.history())[0].why == "常有人问"


async def test_of_two_admins_the_second_sees_what_the_first_did(office: Office) -> None:
    first, second = await office.staff("管理员"), await office.staff("管理员")
    name = "/staff/content/intents/own.yaml"
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    await second.opens(name)
    (opened,) = second.values("opened")
    await first.posts(name, {"text": text.replace("大厅开门", "大厅何时开"), "opened": opened, "save": "1"})
    assert "已上线" in first.words
    mine = text.replace("抵押登记\n", "房子抵押\n")
    await second.posts(name, {"text": mine, "opened": opened, "save": "1"})
    assert (second.status, "别人改过" in second.words) == (409, True)
    assert "房子抵押" in second.page, "mine is kept"
    assert "大厅何时开" in second.words, "theirs is shown"
    (opened,) = second.values("opened")
    both = mine.replace("大厅开门", "大厅何时开")
    await second.posts(name, {"text": both, "opened": opened, "save": "1"})
    assert "已上线" in second.words


async def test_what_went_live_is_listed_with_its_differences_and_taken_back(office: Office) -> None:
    admin, anna = await office.staff("管理员"), await office.staff("安娜")
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    await admin.opens("/staff/content/intents/own.yaml")
    (opened,) = admin.values("opened")
    draft = text.replace("    - 今天有人吗在窗口\n", f"    - 今天有人吗在窗口\n    - {NEW}\n")
    await admin.posts("/staff/content/intents/own.yaml", {"text": draft, "opened": opened, "save": "1"})
    assert "管理员" in await anna.opens("/staff/history")
    assert NEW in await anna.opens("/staff/history/2")
    await anna.posts("/staff/history/1/undo")
    assert anna.status == 403
    await admin.posts("/staff/history/1/undo")
    assert "退回版本 1" in admin.words
    assert (office.world.folder / "intents/own.yaml").read_text("utf-8") == text
    assert (await office.browser().asks(NEW))["outcome"] != "answered"
    assert office.reloader.trouble is None
    (aside,) = (office.service.config.web.secret_file.parent / "undone").glob("*/intents/own.yaml")
    assert NEW in aside.read_text("utf-8"), "what was undone is kept aside"


async def test_where_the_folders_cannot_be_written_nothing_goes_live_and_nothing_typed_is_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_answered_case(office)
    admin, name, first = await office.staff("管理员"), "/staff/content/intents/own.yaml", office.reloader.version
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    await admin.opens(name)
    (opened,) = admin.values("opened")

    def read_only(path: Path, mode: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(edition, "replacing", read_only)
    draft = text.replace("    - 今天有人吗在窗口\n", f"    - 今天有人吗在窗口\n    - {NEW}\n")
    await admin.posts(name, {"text": draft, "opened": opened, "save": "1"})
    assert (admin.status, "写不进文件" in admin.words, NEW in admin.page) == (409, True, True)
    await admin.posts("/staff/cases/1/learn", lesson())
    assert "写不进文件" in admin.words
    assert office.reloader.version == first
    assert len(await office.history()) == 1


async def test_what_fails_on_the_way_leaves_files_and_answers_as_they_were(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, name = await office.staff("管理员"), "/staff/content/intents/own.yaml"
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    draft = text.replace("    - 今天有人吗在窗口\n", f"    - 今天有人吗在窗口\n    - {NEW}\n")
    await admin.opens(name)
    await admin.posts(name, {"text": draft, "opened": admin.values("opened")[0], "save": "1"})
    live = office.reloader.version

    async def full(files: Files) -> Dialogue:
        raise HotlineError("换不上新内容(OSError);请重新启动 hotline serve")

    monkeypatch.setattr(office.reloader, "_taken_over", full)
    await admin.posts("/staff/history/1/undo")
    assert (admin.status, "没有退回：换不上新内容" in admin.words) == (409, True)
    await admin.opens(name)
    later = draft.replace("大厅开门", "大厅何时开")
    await admin.posts(name, {"text": later, "opened": admin.values("opened")[0], "save": "1"})
    assert (admin.status, "没有上线：换不上新内容" in admin.words, "大厅何时开" in admin.page) == (409, True, True)
    assert (office.world.folder / "intents/own.yaml").read_text("utf-8") == draft
    assert office.reloader.version == live
    assert office.reloader.trouble is None


async def test_what_somebody_saves_while_it_fails_on_the_way_stays(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, name = await office.staff("管理员"), "/staff/content/intents/own.yaml"
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    theirs = text.replace("大厅开门", "大厅何时开")

    async def fails_later(files: Files) -> Dialogue:
        office.world.write("intents/own.yaml", theirs)
        raise HotlineError("换不上新内容(OSError);请重新启动 hotline serve")

    await admin.opens(name)
    mine = text.replace("抵押登记\n", "房子抵押\n")
    with monkeypatch.context() as patched:
        patched.setattr(office.reloader, "_taken_over", fails_later)
        await admin.posts(name, {"text": mine, "opened": admin.values("opened")[0], "save": "1"})
    assert (admin.status, "房子抵押" in admin.page) == (409, True)
    assert (office.world.folder / "intents/own.yaml").read_text("utf-8") == theirs


async def test_a_file_that_is_too_large_is_not_opened(office: Office) -> None:
    path, admin = office.world.folder / "intents/own.yaml", await office.staff("管理员")
    path.write_text(path.read_text("utf-8") + "# 长\n" * 500_000, "utf-8")
    await office.refuses("own.yaml:1: 文件超过")
    await admin.opens("/staff/content/intents/own.yaml")
    assert (admin.status, "文件太大" in admin.words) == (409, True)


async def test_what_an_editor_saves_while_the_gate_runs_is_not_overwritten(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, name = await office.staff("管理员"), "/staff/content/intents/own.yaml"
    text = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    await admin.opens(name)
    rehearse, theirs = office.reloader.rehearse, text.replace("大厅开门", "大厅何时开")

    async def meanwhile(files: Files) -> Verdict:
        office.world.write("intents/own.yaml", theirs)
        return await rehearse(files)

    monkeypatch.setattr(office.reloader, "rehearse", meanwhile)
    mine = text.replace("抵押登记\n", "房子抵押\n")
    await admin.posts(name, {"text": mine, "opened": admin.values("opened")[0], "save": "1"})
    assert (admin.status, "刚被别人改过" in admin.words, "房子抵押" in admin.page) == (409, True, True)
    assert (office.world.folder / "intents/own.yaml").read_text("utf-8") == theirs


async def test_a_file_in_another_encoding_is_not_opened_and_nothing_lost_in_it_is_answered(office: Office) -> None:
    path, name = office.world.folder / "intents/own.yaml", "/staff/content/intents/own.yaml"
    text = path.read_text("utf-8")
    path.write_bytes(text.encode("gbk"))
    await office.refuses("own.yaml:", "UTF-8")
    admin = await office.staff("管理员")
    await admin.opens(name)
    assert (admin.status, "另存为 UTF-8" in admin.words) == (409, True)
    await admin.posts(name, {"text": text.replace("大厅开门", "大厅何时开"), "opened": "", "save": "1"})
    assert (admin.status, "另存为 UTF-8" in admin.words, "大厅何时开" in admin.page) == (409, True, True)
    path.write_text(text, "utf-8")
    await office.until(lambda: office.reloader.trouble is None)
    await admin.opens(name)
    lost = text.replace("大厅暂停。", "大厅暂停�")
    await admin.posts(name, {"text": lost, "opened": admin.values("opened")[0], "save": "1"})
    assert (admin.status, "读坏的字" in admin.words) == (409, True)


async def test_a_change_that_is_not_wanted_any_more_is_given_up_in_the_browser(office: Office) -> None:
    path, admin = office.world.folder / "intents/own.yaml", await office.staff("管理员")
    text = path.read_text("utf-8")
    path.write_text("oops: [", "utf-8")
    await office.refuses("own.yaml")
    await admin.opens("/staff/content")
    (where,) = re.findall(r'action="(/staff/history/\d+/undo)"', admin.page)
    await admin.posts(where, {})
    assert path.read_text("utf-8") == text
    await office.until(lambda: office.reloader.trouble is None)
    assert len(await office.history()) == 1


async def test_what_two_admins_decide_at_once_is_told_to_the_second(office: Office) -> None:
    await an_answered_case(office)
    anna, first, second = [await office.staff(who) for who in ("安娜", "管理员", "管理员")]
    await anna.posts("/staff/cases/1/learn", lesson())
    await first.posts("/staff/learn", {"pick": "1", "approve": "1"})
    assert "1 条已上线。" in first.words
    await second.posts("/staff/learn", {"pick": "1", "reject": "1"})
    assert (second.status, "已经处理过了" in second.words) == (409, True)
    await second.posts("/staff/learn", {"pick": "1", "approve": "1"})
    assert "0 条已上线，1 条已经处理过了。" in second.words
    await anna.posts("/staff/cases/1/learn", lesson(key="charging.other"))
    await second.posts("/staff/learn", [("pick", "1"), ("pick", "2"), ("reject", "1")])
    assert (second.status, "1 条不采纳，其余已经处理过了" in second.words) == (409, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [({"title": "找张三13812345678"}, "标题里有手机号"), ({"title": "苏A12345的车"}, "标题里有车牌号")],
)
async def test_nobodys_data_is_taught(office: Office, more: dict[str, str], words: str) -> None:
    await an_answered_case(office)
    admin = await office.staff("管理员")
    await admin.posts("/staff/cases/1/learn", lesson(**more))
    assert (admin.status, words in admin.words) == (409, True), admin.words


async def test_what_is_saved_while_the_bot_is_taught_is_not_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_answered_case(office)
    admin = await office.staff("管理员")
    rehearse, rehearsing = office.reloader.rehearse, asyncio.Event()

    async def noticed(files: Files) -> Verdict:
        rehearsing.set()  # the folders have been read
        return await rehearse(files)

    monkeypatch.setattr(office.reloader, "rehearse", noticed)
    teaching = asyncio.create_task(admin.posts("/staff/cases/1/learn", lesson()))
    await rehearsing.wait()
    office.world.write("intents/mine.yaml", "oops: [\n")
    await teaching
    assert "已上线" in admin.words
    assert (office.world.folder / "intents/mine.yaml").exists()


@pytest.mark.parametrize("path", ["../config.yaml", "knowledge/../../config.yaml", "intents/none.yaml", "own.yaml"])
async def test_only_content_can_be_opened(office: Office, path: str) -> None:
    admin = await office.staff("管理员")
    await admin.opens(f"/staff/content/{path}")
    assert admin.status == 404
    anna = await office.staff("安娜")
    await anna.opens("/staff/content/intents/own.yaml")
    assert anna.status == 403


async def test_a_phrase_and_an_answer_are_changed_from_a_small_form(office: Office) -> None:
    admin = await office.staff("管理员")
    await admin.posts(
        "/staff/edit/hall.open", {"phrases": NEW, "remove": "今天有人吗在窗口", "answer": "大厅还在暂停。"}
    )
    assert "请看一遍差别" in admin.words
    for line in (f"+ - {NEW}", "- - 今天有人吗在窗口", "+ - text: 大厅还在暂停。"):
        assert normalise(line) in normalise(admin.words)
    assert (await office.browser().asks(NEW))["outcome"] != "answered"


async def test_an_answer_of_several_lines_stays_one_and_gets_a_last_day(office: Office) -> None:
    admin, form = (
        await office.staff("管理员"),
        {"region": "南京市", "answer": "第一行。\r\n第二行。", "valid_until": ""},
    )
    await admin.posts("/staff/edit/loan.remote", form)
    for line in ("+ text: |-", "+ 第一行。", "+ 第二行。"):
        assert normalise(line) in normalise(admin.words), admin.words
    first = office.reloader.version
    office.world.change("intents/own.yaml", "text: 南京市有17家银行可以办。", 'text: "南京市有17家银行可以办。"')
    await office.until(lambda: office.reloader.version != first)
    same = office.service.hotline.dialogue.content.intents["loan.remote"].answers[0].text
    await admin.posts("/staff/edit/loan.remote", {**form, "answer": same})
    assert "没有改动" in admin.words
    await admin.posts("/staff/edit/loan.remote", {**form, "answer": same, "valid_until": "2027-12"})
    assert "+ valid_until: 2027-12" in re.sub(r"\s+", " ", admin.words)
    assert '- text: "南京市' not in re.sub(r"\s+", " ", admin.words)


async def test_a_draft_is_tried_for_a_city_as_people_call_it(office: Office) -> None:
    admin, name = await office.staff("管理员"), "/staff/content/intents/own.yaml"
    await admin.opens(name)
    draft = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    await admin.posts(
        name,
        {"text": draft, "opened": admin.values("opened")[0], "try": "1", "q": "房子抵押要去现场吗", "region": "南京"},
    )
    assert "17家银行" in admin.words, admin.words


async def test_the_health_of_the_content_shows_what_to_mend_first(office: Office) -> None:
    citizen = office.browser()
    await citizen.asks("大厅几点开门")
    anna = await office.staff("安娜")
    words = await anna.opens("/staff/health")
    assert "2 个意图" in words
    assert "没有检查题" in words
    assert "抵押登记" in words
