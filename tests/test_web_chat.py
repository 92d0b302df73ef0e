"""Citizens' chat page as people use it: a real browser, the real process, staff on the command line."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import count

import pytest
import pytest_asyncio
from playwright.async_api import Request, Route, expect

from bot import voice
from bot.dialogue import Dialogue
from tests.browser import PHONE, Comes, Site, Visitor, door, open_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK, SOURCE, NEXT = "南京房产证能在网上办吗", "出处：江苏自然资源系统抗疫纪实", "抵押登记网上办"
WHERE, WHICH, EXPIRED = "房产证能在网上办吗", "过户登记要去哪", "绿码带星去南通要核酸吗"
TICKET = "已交给工作人员，编号"
NUMBERS = count()
WHAT = (
    "健身器材", "自来水管", "电梯", "公交站牌", "图书馆的空调", "游泳池", "路灯", "垃圾桶", "体育馆", "红绿灯", "井盖", "幼儿园滑梯",
    "停车位", "宽带", "天桥", "下水道", "充电桩", "菜市场的秤", "公厕", "铁轨", "喷泉", "雕像", "篮球架", "烟囱", "信箱", "门禁", "水塔",
)  # fmt: skip
PAGES = ("/", "/topics", "/city", "/status", "/privacy")


def unknown() -> str:
    """A question that we have no answer to, each time another: alike ones would share a case."""
    return f"{WHAT[next(NUMBERS) % len(WHAT)]}坏了半年没人修找谁"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(dialogue: Dialogue, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all; that somebody else asked before must make no difference. (`dialogue` has the matcher fitted.)"""
    async with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def comes(site: Site) -> AsyncIterator[Comes]:
    async with door(site) as comes:
        yield comes


async def ticket_of(visitor: Visitor) -> int:
    """The number that the last thing said names."""
    await visitor.hears(TICKET)
    found = re.search(r"编号 (\d+)", await visitor.last.inner_text())
    assert found
    return int(found[1])


# ---- asking


async def test_a_citizen_asks_and_is_answered_with_the_source_on_the_same_page(comes: Comes) -> None:
    anna = await comes()
    await anna.says(ASK)
    await anna.hears("E办证", SOURCE)
    await expect(anna.last.locator(".source")).to_contain_text("2022-04-06")
    assert await anna.buttons() == [NEXT, "解决了", "没解决"]
    assert await anna.stayed()
    assert await anna.page.locator("#text").input_value() == ""
    await expect(anna.page.locator("#text")).to_be_focused()


async def test_an_example_is_asked_by_pressing_it(comes: Comes) -> None:
    anna = await comes()
    await anna.presses(ASK)
    await anna.hears("E办证")
    assert await anna.page.locator(".examples").count() == 0
    assert await anna.stayed()


async def test_an_answer_that_is_over_says_so_before_anything_else(comes: Comes) -> None:
    anna = await comes()
    await anna.says(EXPIRED)
    first = anna.last.locator(".bubble p").first
    await expect(first).to_have_class("warning")
    await expect(first).to_contain_text("⚠️ 以下是 2021 年 8 月的规定")


@pytest.mark.parametrize("by_button", [True, False], ids=["by button", "by typing"])
async def test_a_matter_and_then_a_city_are_chosen(comes: Comes, by_button: bool) -> None:
    async def chooses(label: str) -> None:
        await (anna.presses(label) if by_button else anna.says(label))

    anna = await comes()
    await anna.says(WHICH)
    assert await anna.buttons() == ["网上办不动产登记", "外地来要做什么", "小区大门进出", "都不是"]
    await chooses("网上办不动产登记")
    await anna.hears("请问您问的是哪里")
    assert "镇江市" in await anna.buttons()
    await chooses("镇江市")
    await anna.hears("镇易登")
    await anna.says("南京呢")
    await anna.hears("E办证")
    assert await anna.stayed()
    assert await anna.page.get_by_role("button", name="镇江市").count() == 0, (
        "buttons that have done their work are gone"
    )


async def test_a_city_that_was_told_is_not_asked_for_again(comes: Comes) -> None:
    anna = await comes()
    await anna.opens("/city")
    await anna.page.get_by_label("市或县").fill("火星")
    await anna.presses("记住")
    await expect(anna.told).to_contain_text("我不认识「火星」")
    await anna.page.get_by_label("市或县").fill("镇江")
    await anna.presses("记住")
    await expect(anna.page.locator("main")).to_contain_text("我记着您在镇江市")
    await anna.opens()
    await anna.says(WHERE)
    await anna.hears("镇易登")
    await anna.page.get_by_role("link", name="镇江市").click()
    await anna.presses("忘掉城市")
    await expect(anna.page.locator("main")).to_contain_text("记住城市后")


async def test_a_matter_is_picked_from_the_list_of_all(comes: Comes) -> None:
    anna = await comes()
    await anna.page.get_by_role("link", name="能问什么").click()
    await anna.presses("网上办不动产登记")
    await anna.hears("请问您问的是哪里")


async def test_a_call_for_help_is_told_whom_to_call(comes: Comes, site: Site) -> None:
    anna = await comes()
    await anna.says("我家着火了怎么办")
    await anna.hears("119")
    await anna.page.locator("#text").fill("着火了快来人")
    await anna.presses("转人工")
    await anna.hears("119")
    assert not [row for row in await site.record("着火了") if row.case_id], "nobody waits for an office to open"


# ---- what became of it


async def test_who_was_helped_says_so_once(comes: Comes, site: Site) -> None:
    anna = await comes()
    await anna.says(ASK)
    await anna.presses("解决了")
    await expect(anna.last.locator(".note")).to_have_text(voice.GLAD)
    assert await anna.buttons() == [NEXT]
    assert (await site.record(ASK))[-1].feedback == "solved"


async def test_who_was_not_helped_gets_a_person_and_a_number(comes: Comes, site: Site) -> None:
    anna = await comes()
    await anna.says(ASK)
    await anna.presses("没解决")
    await anna.hears("要把「南京房产证能在网上办吗」交给工作人员来答吗")
    assert await anna.buttons() == [NEXT, "转人工", "答复过时了"]
    await anna.last.get_by_role("button", name="转人工").click()
    ticket = await ticket_of(anna)
    await anna.hears("已交给工作人员")
    assert await anna.buttons() == [NEXT]
    assert await anna.stayed()
    (question,) = (row for row in await site.record() if row.id == ticket)
    assert (question.text, question.feedback, question.case_id is not None) == (ASK, "unsolved", True)


async def test_a_question_goes_straight_to_staff(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    await anna.presses("转人工")
    await expect(anna.told).to_have_text(voice.NOTHING_TO_HAND_OVER_HERE)
    await anna.page.locator("#text").fill(asked)
    await anna.presses("转人工")
    await anna.hears("好的，已交给工作人员")
    await expect(anna.told).to_have_count(0)
    assert (await site.case_of(await ticket_of(anna)))["reason"] == "human"


async def test_an_answer_of_staff_appears_by_itself_and_is_rated(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    await anna.says(asked)
    await anna.hears("这个问题我还答不准")
    ticket = await ticket_of(anna)
    await on_the_command_line(site, ticket, "已报修，三天内修好。")
    await anna.hears(asked, "已报修，三天内修好。", within=3)
    await expect(anna.last).to_have_class("staff")
    assert await anna.buttons() == ["满意", "基本满意", "不满意"]
    await anna.presses("满意")
    await expect(anna.last.locator(".note")).to_contain_text("您的评价：满意")
    assert await anna.buttons() == []
    assert await anna.stayed()
    case = await site.case_of(ticket)
    assert (case["state"], case["tickets"][0]["satisfaction"]) == ("closed", "satisfied")


async def test_who_is_not_satisfied_is_asked_why_and_answered_again(comes: Comes, site: Site) -> None:
    anna = await comes()
    await anna.says(unknown())
    ticket = await ticket_of(anna)
    await site.answers(ticket, "请看网站。")
    await anna.hears("请看网站。")
    await anna.presses("不满意")
    await expect(anna.last.locator(".note")).to_have_text(voice.WHY_NOT)
    assert await anna.buttons() == []
    await anna.says("网站上没有写")
    await anna.hears(voice.TOLD_STAFF)
    case = await site.case_of(ticket)
    assert (case["state"], case["reopened"], case["waiting"]) == ("new", 1, 1)
    assert [t["why"] for t in case["tickets"]] == ["网站上没有写"]
    await site.answers(ticket, "请打物业电话。")
    await anna.hears("请打物业电话。")
    assert await anna.buttons() == ["满意", "基本满意", "不满意"]
    assert await anna.page.get_by_role("button", name="满意", exact=True).count() == 1, "only the last one is rated"
    assert await anna.stayed()


async def test_all_who_asked_the_same_hear_the_answer_each_on_their_own_page(comes: Comes, site: Site) -> None:
    asked = unknown()
    people = [await comes() for _ in range(3)]
    for person in people:
        await person.says(asked)
    await site.answers(await ticket_of(people[0]), "已报修。")
    await asyncio.gather(*(person.hears("已报修。", within=3) for person in people))
    stranger = await comes()
    assert "已报修" not in await stranger.page.content()


async def test_who_closed_the_page_finds_the_answer_the_next_day_and_an_open_page_hears_of_it_by_itself(
    comes: Comes, site: Site
) -> None:
    """Over a night in which the server was restarted."""
    anna, bert, asked = await comes(), await comes(), unknown()
    await anna.says(asked)
    ticket = await ticket_of(anna)
    await bert.says(unknown())
    cookies = await anna.page.context.storage_state()
    await anna.page.context.close()
    await on_the_command_line(site, ticket, "明天来修。")
    assert await delivery(site, ticket) == "queued"
    assert voice.WAITS_TO_BE_SEEN in await site.command("cases", "show", str(ticket), "--ticket")
    assert await site.stop() == 0
    a_day_passes(site)
    await site.open()
    assert await delivery(site, ticket) == "queued", "it waits for the page"

    again = await comes(storage_state=cookies)
    await again.hears(asked, "明天来修。")
    assert await again.buttons() == ["满意", "基本满意", "不满意"]
    assert await delivery(site, ticket) == "sent"
    await again.presses("基本满意")
    await expect(again.last.locator(".note")).to_contain_text("基本满意")

    await site.answers(await ticket_of(bert), "修好了。")
    await bert.hears("修好了。", within=10)
    assert await bert.stayed()


async def on_the_command_line(site: Site, ticket: int, text: str) -> None:
    case = str((await site.case_of(ticket))["id"])
    assert "发给 1 人" in await site.command("cases", "answer", case, text, "--as", "管理员", "--yes")


async def delivery(site: Site, ticket: int) -> str:
    """Where staff read that the answer stands."""
    (question,) = (await site.case_of(ticket))["tickets"]
    return str(question["delivery"])


def a_day_passes(site: Site) -> None:
    """For whatever is on record."""
    with closing(sqlite3.connect(site.database.removeprefix("sqlite:///"))) as connection, connection:
        for table, columns in (("questions", ("asked_at", "replied_at")), ("outbox", ("created_at", "due_at"))):
            for column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, '-1 day')"
                )


async def test_a_page_hears_the_answer_after_the_proxy_in_front_was_out_of_order(comes: Comes, site: Site) -> None:
    """A browser gives up for good where a stream is answered with an error."""

    async def out_of_order(route: Route) -> None:
        await route.fulfill(status=502)

    anna = await comes()
    await anna.page.clock.install()
    await anna.page.route("**/events*", out_of_order)
    await anna.says(unknown())
    ticket = await ticket_of(anna)
    await site.answers(ticket, "修好了。")
    await anna.page.unroute("**/events*")
    await anna.page.clock.fast_forward("01:00")
    await anna.hears("修好了。", within=5)


async def test_a_view_that_comes_late_takes_away_nothing_that_was_said_since(comes: Comes, site: Site) -> None:
    fetched = asyncio.Event()

    async def late(route: Route) -> None:
        view = await route.fetch()
        fetched.set()
        await asyncio.sleep(1)
        await route.fulfill(response=view)

    anna = await comes()
    await anna.says(unknown())
    await anna.page.route("**/log", late)
    await site.answers(await ticket_of(anna), "已报修。")
    await fetched.wait()
    await anna.page.locator("#text").fill(ASK)
    await anna.page.locator("#text").press("Enter")
    await anna.hears("E办证")
    await asyncio.sleep(1.5)
    await anna.hears("E办证")
    await expect(anna.page.locator("#log > li.staff")).to_contain_text("已报修。")


# ---- twice


async def test_pressing_twice_and_reloading_ask_once(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    await anna.page.locator("#text").fill(asked)
    await anna.page.get_by_role("button", name="发送").dblclick()
    await anna.hears(TICKET)
    await anna.page.reload()
    await anna.hears(TICKET)
    assert len(await site.record(asked)) == 1


async def test_what_is_sent_again_because_the_reply_was_lost_is_asked_once(comes: Comes, site: Site) -> None:
    """The question arrived; the network went before the reply."""

    async def lose_the_reply(route: Route) -> None:
        await route.fetch()
        await route.abort()

    anna, asked = await comes(), unknown()
    await anna.page.route("**/ask", lose_the_reply)
    await anna.page.locator("#text").fill(asked)
    await anna.page.locator("#text").press("Enter")
    await expect(anna.told).to_contain_text("网络不通")
    assert len(await site.record(asked)) == 1
    await anna.page.unroute("**/ask")
    await anna.page.locator("#text").press("Enter")
    await anna.hears(TICKET)
    assert len(await site.record(asked)) == 1
    await anna.says(asked)
    assert len(await site.record(asked)) == 2, "asked again on purpose"


# ---- without scripts, or with few


async def plainly(visitor: Visitor, text: str, send: str = "发送") -> None:
    await visitor.page.locator("#text").fill(text)
    await visitor.presses(send)


async def test_without_scripts_the_whole_story_goes_by_plain_forms(comes: Comes, site: Site) -> None:
    anna, asked = await comes(java_script_enabled=False), unknown()
    await plainly(anna, WHICH)
    await anna.presses("网上办不动产登记")
    await anna.presses("镇江市")
    await anna.hears("镇易登", "出处：")
    await anna.presses("解决了")
    await expect(anna.last.locator(".note")).to_have_text(voice.GLAD)
    await plainly(anna, ASK)
    await anna.presses("没解决")
    await anna.last.get_by_role("button", name="转人工").click()
    await anna.hears("已交给工作人员，编号")
    await plainly(anna, "", "转人工")
    await plainly(anna, "")
    await expect(anna.told).to_have_text(voice.NOTHING_WRITTEN)
    await plainly(anna, asked)
    ticket = await ticket_of(anna)
    await site.answers(ticket, "已报修。")
    await anna.page.reload()
    await anna.hears("已报修。")
    await anna.presses("不满意")
    await expect(anna.last.locator(".note")).to_have_text(voice.WHY_NOT)
    await plainly(anna, "还没有人来")
    await anna.hears(voice.TOLD_STAFF)
    await anna.page.get_by_role("link", name="我的编号").click()
    await expect(anna.page.locator("main")).to_contain_text(asked)
    await anna.page.get_by_role("button", name="繁體").click()
    await expect(anna.page.locator("h1")).to_have_text("我的編號")


async def test_without_scripts_pressing_twice_and_reloading_ask_once(comes: Comes, site: Site) -> None:
    anna, asked = await comes(java_script_enabled=False), unknown()
    await anna.page.locator("#text").fill(asked)
    await anna.page.get_by_role("button", name="发送").dblclick(no_wait_after=True)
    await anna.hears(TICKET)
    for _ in range(2):
        await anna.page.reload()
        await anna.hears(TICKET)
    await anna.page.go_back()
    await anna.page.go_forward()
    await anna.hears(TICKET)
    assert len(await site.record(asked)) == 1


async def test_a_form_that_is_posted_again_asks_once(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    form = {"text": asked, "key": await anna.page.locator("#ask [name=key]").input_value()}
    for _ in range(3):
        answer = await anna.page.context.request.post(f"{site.base}/ask", form=form)
        assert asked in await answer.text()
    assert len(await site.record(asked)) == 1


@pytest.mark.parametrize("missing", ["SubmitEvent.prototype.submitter", "AbortSignal.timeout"])
async def test_a_browser_that_lacks_something_still_asks_and_presses(comes: Comes, missing: str) -> None:
    """Citizens' phones are old."""
    anna = await comes()
    await forgets(anna, missing)
    await plainly(anna, ASK)
    await anna.hears("E办证")
    await anna.presses("解决了")
    await anna.hears(voice.GLAD)
    await expect(anna.told).to_have_count(0)


async def test_where_enter_cannot_send_it_begins_a_line(comes: Comes) -> None:
    anna = await comes()
    await forgets(anna, "HTMLFormElement.prototype.requestSubmit")
    await anna.page.locator("#text").fill(ASK)
    await anna.page.locator("#text").press("Enter")
    assert await anna.page.locator("#text").input_value() == f"{ASK}\n"
    await anna.presses("发送")
    await anna.hears("E办证")


async def forgets(visitor: Visitor, what: str) -> None:
    """Makes a browser an older one."""
    of, _, name = what.rpartition(".")
    await visitor.page.context.add_init_script(f"delete {what}")
    await visitor.opens()
    assert await visitor.page.evaluate(f"'{name}' in {of}") is False


# ---- by keyboard


async def test_everything_is_done_by_keyboard(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    keyboard = anna.page.keyboard
    await expect(anna.page.locator("#text")).to_be_focused()
    await keyboard.type(f"{asked[:-2]}")
    await keyboard.press("Shift+Enter")
    await keyboard.type(asked[-2:])
    assert await anna.page.locator("#text").input_value() == f"{asked[:-2]}\n{asked[-2:]}"
    assert await anna.page.locator("#log > li").count() == 1
    await keyboard.press("Enter")
    await anna.hears(TICKET)
    assert len(await site.record(f"{asked[:-2]}\n{asked[-2:]}")) == 1
    await keyboard.type(ASK)
    await keyboard.press("Enter")
    await anna.hears("E办证")
    await keyboard.press("Shift+Tab")
    assert await focused(anna) == "没解决"
    await keyboard.press("Shift+Tab")
    assert await focused(anna) == "解决了"
    await keyboard.press("Enter")
    await anna.hears(voice.GLAD)


async def test_the_whole_page_is_walked_with_tab_and_one_sees_where_one_is(comes: Comes) -> None:
    anna = await comes()
    await anna.says(ASK)
    await anna.page.locator("body").evaluate(
        "body => { document.activeElement.blur(); window.getSelection().removeAllRanges(); }"
    )
    await anna.page.reload()
    await anna.page.evaluate("document.activeElement.blur()")
    walked = []
    for _ in range(20):
        await anna.page.keyboard.press("Tab")
        walked.append(await focused(anna))
        if walked[-1]:
            outline = await anna.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"nobody sees that {walked[-1]} has the focus"
    for label in (
        "12345 智能问答",
        "能问什么",
        "我的编号",
        "南京市",
        "隐私",
        "繁體",
        "解决了",
        "没解决",
        "发送",
        "转人工",
    ):
        assert label in walked, walked


async def test_the_first_tab_leads_past_the_head(comes: Comes) -> None:
    anna = await comes()
    for path in PAGES[1:]:
        await anna.opens(path)
        await anna.page.keyboard.press("Tab")
        assert await focused(anna) == "跳到正文"
        assert await anna.page.locator(".skip").bounding_box() is not None
        await anna.page.keyboard.press("Enter")
        await anna.page.wait_for_url("**#main")  # the browser goes there in its own time


async def test_enter_that_ends_the_writing_of_a_character_sends_nothing(comes: Comes) -> None:
    """With Pinyin and other input methods it chooses a character."""
    anna = await comes()
    await anna.page.locator("#text").fill("fangchan")
    await anna.page.locator("#text").dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    await asyncio.sleep(0.3)
    assert await anna.page.locator("#log > li").count() == 1
    assert await anna.page.locator("#text").input_value() == "fangchan"


async def focused(visitor: Visitor) -> str:
    text: str = await visitor.page.evaluate("document.activeElement.textContent.trim()")
    return "" if await visitor.page.evaluate("document.activeElement === document.body") else text


# ---- in their script


async def test_who_comes_from_taiwan_reads_traditional_from_the_first_word(comes: Comes) -> None:
    anna = await comes(locale="zh-TW")
    assert await anna.page.locator("html").get_attribute("lang") == "zh-Hant"
    await expect(anna.page.locator("#welcome")).to_contain_text("您好，這裡是 12345 的自動問答")
    for path in PAGES[1:]:
        await anna.opens(path)
        words = await anna.page.locator("body").inner_text()
        assert set(words) & set("这个问题编号复还没说发") == set(), path
    await anna.opens()
    await anna.says("南京房產證能在網上辦嗎")
    await anna.hears("出處：", "抗疫紀實")
    assert (await anna.buttons())[-2:] == ["解決了", "沒解決"]


async def test_who_switches_to_traditional_reads_it_everywhere_until_they_switch_back(comes: Comes) -> None:
    anna = await comes()
    await anna.says(ASK)
    await anna.presses("繁體")
    assert await anna.page.locator("html").get_attribute("lang") == "zh-Hant"
    await expect(anna.page.locator("#text")).to_have_attribute("placeholder", "要辦的事，和所在的城市")
    await anna.says(EXPIRED)
    await anna.hears("現行規定請撥 12345", "出處：")
    await anna.presses("沒解決")
    await anna.hears("交給工作人員來答嗎")
    await anna.opens("/privacy")
    await expect(anna.page.locator("h1")).to_have_text("您的信息")
    await expect(anna.page.locator("main")).to_contain_text("刪除")
    await anna.presses("简体")
    assert anna.page.url.endswith("/privacy")
    assert await anna.page.locator("html").get_attribute("lang") == "zh-Hans"
    await anna.opens()
    await anna.says(ASK)
    await anna.hears(SOURCE)


async def test_staffs_answer_comes_in_the_readers_script(comes: Comes, site: Site) -> None:
    anna = await comes(locale="zh-TW")
    await anna.says("頤和路的梧桐樹倒了誰來處理")
    await anna.hears("已交給工作人員，編號")
    ticket = int(re.findall(r"編號 (\d+)", await anna.last.inner_text())[0])
    await site.answers(ticket, "请联系园林局。")
    await anna.hears("請聯")
    assert await anna.buttons() == ["滿意", "基本滿意", "不滿意"]


# ---- for every eye, on every screen


async def furnish(visitor: Visitor, site: Site) -> None:
    """Everything that a conversation can hold."""
    await visitor.opens()
    await visitor.says(EXPIRED)
    await visitor.presses("没解决")
    await visitor.hears("交给工作人员来答吗")
    await visitor.says(ASK)
    await visitor.presses("解决了")
    await visitor.says(unknown())
    ticket = await ticket_of(visitor)
    await site.answers(ticket, "已报修。" * 20)
    await visitor.hears("已报修。")
    await visitor.says("a" * 300 + "房产证" * 20)
    await visitor.says("南京")
    await visitor.says(WHICH)


async def everywhere(visitor: Visitor) -> AsyncIterator[str]:
    """Opens each page that citizens see, one after the other."""
    for path in (*PAGES, "/privacy?forgotten", "/nowhere", "/staff", "/staff/in/x"):
        await visitor.opens(path)
        if "/privacy" in path:
            await visitor.page.locator("summary").click()
        if path == "/city":
            yield path
            await visitor.page.get_by_label("市或县").fill("火星")
            await visitor.presses("记住")
            await expect(visitor.told).to_be_visible()
        if path == "/":
            yield path
            await visitor.presses("发送")
            await expect(visitor.told).to_be_visible()
        yield path


async def test_axe_finds_nothing_on_any_page_by_day_or_night(comes: Comes, site: Site) -> None:
    anna = await comes()
    for is_new in (True, False):
        if not is_new:
            await furnish(anna, site)
        async for path in everywhere(anna):
            papers = []
            for scheme in ("light", "dark"):
                await anna.page.emulate_media(color_scheme=scheme)
                assert await anna.troubles() == [], (path, scheme, is_new)
                papers.append(await anna.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert len(set(papers)) == 2, "night looks another way"


async def test_nothing_is_wider_than_a_small_phone(comes: Comes, site: Site) -> None:
    anna = await comes(viewport=PHONE, has_touch=True, is_mobile=True)
    assert await anna.overflow() <= 0
    await furnish(anna, site)
    async for path in everywhere(anna):
        assert await anna.overflow() <= 0, path
        for button in await anna.page.get_by_role("button").all():
            box = await button.bounding_box()
            assert box is None or box["height"] >= 32, f"{await button.text_content()} on {path} is hard to hit"


async def test_a_new_reply_is_in_view_and_the_field_below_hides_nothing_of_it(comes: Comes) -> None:
    anna = await comes(viewport=PHONE)
    for question in (ASK, EXPIRED, "房产证怎么查档案"):
        await anna.says(question)
    box, field = await anna.last.bounding_box(), await anna.page.locator("#ask").bounding_box()
    assert box is not None
    assert field is not None
    assert box["y"] + box["height"] <= field["y"] + 1
    assert field["y"] + field["height"] <= PHONE["height"] + 1


async def test_a_long_question_is_seen_whole_while_it_is_written(comes: Comes) -> None:
    anna = await comes(viewport=PHONE)
    field = anna.page.locator("#text")
    before = await field.bounding_box()
    await field.fill("一\n二\n三\n四")
    after = await field.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > 2 * before["height"]


async def test_only_what_is_new_is_read_out(comes: Comes) -> None:
    """A screen reader reads what is put into the log; what stood there before stays the same element."""
    anna = await comes()
    await anna.says(ASK)
    await anna.page.evaluate("document.querySelectorAll('#log > li').forEach((item, n) => { item.seen = n; })")
    await anna.says(EXPIRED)
    seen = await anna.page.evaluate("[...document.querySelectorAll('#log > li')].map((item) => item.seen ?? null)")
    assert seen == [0, 1, 2, None, None]
    assert await anna.page.locator("[role=log] #log").count() == 1


# ---- their own things


async def test_the_list_of_numbers_says_how_far_each_is(comes: Comes, site: Site) -> None:
    anna = await comes()
    await anna.opens("/status")
    await expect(anna.page.locator("main")).to_contain_text(voice.NO_TICKETS)
    await anna.opens()
    asked, tickets = [unknown(), unknown()], []
    for text in asked:
        await anna.says(text)
        tickets.append(await ticket_of(anna))
    await site.answers(tickets[0], "已报修。")
    await anna.page.get_by_role("link", name="我的编号").click()
    listed = await anna.page.locator(".tickets li").all_inner_texts()
    assert [
        str(number) in line and text in line
        for number, text, line in zip(tickets[::-1], asked[::-1], listed, strict=True)
    ] == [True, True]
    assert voice.STATES["new"] in listed[0]
    assert voice.ANSWERED in listed[1]


async def test_who_deletes_their_words_starts_anew(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    await anna.says(asked)
    ticket = await ticket_of(anna)
    await anna.page.get_by_role("link", name="隐私").click()
    await expect(anna.page.locator("main")).to_contain_text("保存 180 天")
    await expect(anna.button("确定删除")).to_be_hidden()
    await anna.page.locator("summary").click()
    await anna.presses("确定删除")
    await expect(anna.told).to_have_text(voice.FORGOTTEN)
    assert await site.record(asked) == []
    assert (await site.case_of(ticket))["state"] == "withdrawn"
    await anna.opens()
    assert await anna.page.locator("#log > li").count() == 1
    await anna.says(ASK)
    await anna.hears("E办证")
    assert await anna.page.locator("#log > li").count() == 3
    await anna.opens("/status")
    await expect(anna.page.locator("main")).to_contain_text(voice.NO_TICKETS)


async def test_two_pages_of_one_browser_are_one_conversation(comes: Comes, site: Site) -> None:
    anna = await comes()
    await anna.says(unknown())
    second = await comes(of=anna)
    await second.hears(TICKET)
    await site.answers(await ticket_of(second), "已报修。")
    await anna.hears("已报修。", within=3)
    await second.hears("已报修。", within=3)


# ---- when things are bad


async def test_without_a_network_it_says_so_and_keeps_what_was_typed(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    await anna.says(ASK)
    await anna.page.context.set_offline(True)
    await anna.page.locator("#text").fill(asked)
    await anna.page.locator("#text").press("Enter")
    await expect(anna.told).to_have_text("网络不通，您写的还在，请再发一次。")
    assert await anna.page.locator("#text").input_value() == asked
    await anna.presses("解决了")
    await expect(anna.told).to_have_count(1)
    await anna.page.context.set_offline(False)
    await anna.page.locator("#text").press("Enter")
    await anna.hears(TICKET)
    await expect(anna.told).to_have_count(0)
    assert await anna.page.locator("#text").input_value() == ""
    assert len(await site.record(asked)) == 1
    await site.answers(await ticket_of(anna), "已报修。")
    await anna.hears("已报修。", within=8)
    assert await anna.stayed()


async def test_while_the_database_is_busy_it_says_so_and_keeps_what_was_typed(comes: Comes, site: Site) -> None:
    anna, asked = await comes(), unknown()
    with closing(sqlite3.connect(site.database.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await anna.page.locator("#text").fill(asked)
        await anna.page.locator("#text").press("Enter")
        await expect(anna.told).to_have_text(voice.UNAVAILABLE, timeout=30_000)
        other.execute("ROLLBACK")
    assert await anna.page.locator("#text").input_value() == asked
    await anna.page.locator("#text").press("Enter")
    await anna.hears(TICKET)
    await expect(anna.told).to_have_count(0)
    assert len(await site.record(asked)) == 1


async def test_the_first_view_is_less_than_100_kilobytes_and_all_from_us(comes: Comes, site: Site) -> None:
    context = await site.browser.new_context(locale="zh-CN")
    page, seen = await context.new_page(), list[Request]()
    page.on("requestfinished", lambda request: seen.append(request))
    await page.goto(site.base, wait_until="networkidle")
    sizes = [await request.sizes() for request in seen]
    total = sum(s["responseBodySize"] + s["responseHeadersSize"] for s in sizes)
    assert 5_000 < total < 100_000, {request.url: size for request, size in zip(seen, sizes, strict=True)}
    assert all(request.url.startswith(site.base) for request in seen)
    await context.close()
