"""A staff member's morning in the console: a real browser, the real process, citizens beside it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from bot.dialogue import Dialogue
from tests.browser import PHONE, Comes, Site, Visitor, door, open_site
from tests.test_casework import ALIKE, OTHER

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = (
    "/staff/cases",
    "/staff/cases?state=answered",
    "/staff/cases/1",
    "/staff/cases/1/learn",
    "/staff/intents",
    "/staff/intents/property.register_online",
    "/staff/try?q=绿码带星去南通要核酸吗",
    "/staff/questions",
    "/staff/overview",
    "/staff/content",
    "/staff/content/intents/departments.yaml",
    "/staff/learn",
    "/staff/history",
    "/staff/history/1",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(dialogue: Dialogue, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all tests. (`dialogue` has the matcher fitted.)"""
    async with open_site(tmp_path_factory.mktemp("console")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def comes(site: Site) -> AsyncIterator[Comes]:
    async with door(site) as comes:
        yield comes


async def signs_in(visitor: Visitor) -> Visitor:
    """With a link from the command line."""
    link = (await visitor.site.command("link", "--as", "管理员")).strip()
    await visitor.page.goto(link)
    await visitor.presses("登录")
    await expect(visitor.page.get_by_role("heading", name="待办")).to_be_visible()
    await visitor.page.evaluate("window.since = 'the first view'")
    return visitor


async def test_a_morning_from_the_printed_link_to_the_answer_on_the_citizens_page(comes: Comes, site: Site) -> None:
    staff = await comes()
    link = next(line for line in site.stdout.splitlines() if "/staff/in/" in line).rpartition("：")[2]
    await staff.page.goto("http" + link.rpartition("http")[2])
    await staff.presses("登录")
    await expect(staff.page.locator(".empty")).to_contain_text("没有要办的事项")
    await staff.page.evaluate("window.since = 'the first view'")
    citizens = [await comes() for _ in ALIKE]
    for citizen, wording in zip(citizens, ALIKE, strict=True):
        await citizen.says(wording)
    case = staff.page.locator(".cases li").first
    await expect(case).to_contain_text(ALIKE[0], timeout=5000)
    await expect(case).to_contain_text("3 人", timeout=5000)
    assert await staff.stayed(), "the list is fresh without a reload"
    await staff.page.keyboard.press("j")
    await staff.page.keyboard.press("Enter")
    await staff.presses("认领")
    await expect(staff.page.locator("#told")).to_contain_text("已认领")
    await staff.page.locator("#text").fill("已报修，三天内修好。")
    await staff.presses("预览")
    await expect(staff.page.get_by_role("heading", name="发给 3 人？")).to_be_visible()
    await staff.presses("发送")
    await expect(staff.page.locator("#told")).to_contain_text("答复已发出")
    for citizen in citizens:
        await citizen.hears("三天")
        assert await citizen.stayed()
    await citizens[0].presses("不满意")
    await staff.page.goto(site.base + "/staff/cases")
    await expect(staff.page.locator(".cases li").first).to_contain_text("有人不满意")


async def test_a_case_that_changes_under_ones_hands_says_so_and_keeps_what_was_written(
    comes: Comes, site: Site
) -> None:
    citizen, staff = await comes(), await signs_in(await comes())
    await citizen.says(OTHER)
    number = await site.case_of(int((await citizen.last.inner_text()).partition("编号 ")[2].partition("。")[0]))
    await staff.page.goto(f"{site.base}/staff/cases/{number['id']}")
    await staff.page.locator("#text").fill("写到一半")
    await asyncio.sleep(1)
    await site.command("cases", "note", str(number["id"]), "我来问问", "--as", "管理员")
    await expect(staff.page.locator("#stale")).to_be_visible(timeout=5000)
    await expect(staff.page.locator("#text")).to_have_value("写到一半")


async def test_signing_out_ends_it_everywhere_and_the_open_page_is_told(comes: Comes, site: Site) -> None:
    one, other = await signs_in(await comes()), await signs_in(await comes())
    await one.presses("退出")
    await expect(one.page.get_by_role("heading", name="工作人员登录")).to_be_visible()
    await other.page.goto(site.base + "/staff/cases")
    await expect(other.page.get_by_role("heading", name="工作人员登录")).to_be_visible()


async def test_axe_finds_nothing_on_any_page_of_the_console_by_day_or_night(comes: Comes, site: Site) -> None:
    staff = await signs_in(await comes())
    for path in PAGES:
        await staff.page.goto(site.base + path)
        for scheme in ("light", "dark"):
            await staff.page.emulate_media(color_scheme=scheme)
            assert await staff.troubles() == [], (path, scheme)


async def test_no_page_of_the_console_is_wider_than_a_small_phone(comes: Comes, site: Site) -> None:
    staff = await signs_in(await comes(viewport=PHONE, has_touch=True, is_mobile=True))
    for path in PAGES:
        await staff.page.goto(site.base + path)
        assert await staff.overflow() <= 0, path


async def test_the_console_works_without_scripts(comes: Comes, site: Site) -> None:
    staff = await comes(java_script_enabled=False)
    link = (await site.command("link", "--as", "管理员")).strip()
    await staff.page.goto(link)
    await staff.presses("登录")
    await staff.page.goto(site.base + "/staff/cases?state=all")
    await staff.page.locator(".cases a").last.click()
    await staff.page.get_by_label("给同事看").fill("没有脚本也行")
    await staff.presses("写下")
    await expect(staff.page.locator(".history")).to_contain_text("没有脚本也行")
