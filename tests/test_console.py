"""Staff at work in the console: the work list, a case, and two at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.dialogue import Dialogue
from tests.conftest import ROOT
from tests.house import Browser, House, open_house
from tests.test_casework import ALIKE, OTHER

PEOPLE = """
  people: [{name: 安娜, role: staff}, {name: 博特, role: admin}]
  canned: [{name: 已修, text: 已安排维修，三天内修好。}]
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    text = (ROOT / "config.yaml").read_text("utf-8")
    before, _, rest = text.partition("staff:\n")
    file = tmp_path / "config.yaml"
    file.write_text(before + "staff:\n" + PEOPLE.lstrip("\n") + rest[rest.index("\nreport:\n") :], "utf-8")
    return file


@pytest.fixture
async def house(dialogue: Dialogue, database_url: str, tmp_path: Path, settings_file: Path) -> AsyncIterator[House]:
    async with open_house(dialogue, database_url, tmp_path, file=settings_file) as house:
        yield house


async def everybody_asks(house: House, *texts: str) -> list[Browser]:
    """Each in a browser of their own."""
    citizens = [house.browser() for _ in texts]
    for citizen, text in zip(citizens, texts, strict=True):
        assert (await citizen.asks(text))["ticket"]
    return citizens


async def test_one_answer_from_the_case_page_reaches_everybody_who_asked(house: House) -> None:
    citizens = await everybody_asks(house, *ALIKE)
    anna = await house.staff("安娜")
    assert ALIKE[0] in anna.words
    assert "3 人" in anna.words
    await anna.opens("/staff/cases/1")
    assert all(wording in anna.words for wording in ALIKE)
    await anna.posts("/staff/cases/1/claim")
    assert "已认领（安娜）" in anna.words
    await anna.posts("/staff/cases/1/preview", {"text": "已报修，三天内修好。"})
    assert "发给 3 人？" in anna.words
    assert all(wording in anna.words for wording in ALIKE)
    sent = [("text", "已报修，三天内修好。"), *(("seen", number) for number in anna.values("seen"))]
    await anna.posts("/staff/cases/1/answer", sent)
    assert "答复已发出" in anna.words
    assert anna.words.count("待查看") == 3
    for citizen, wording in zip(citizens, ALIKE, strict=True):
        page = await citizen.opens("/")
        assert wording in page
        assert "三天" in page
        assert "基本" in page  # 满意度
    assert "待查看" not in await anna.opens("/staff/cases/1")


async def test_who_joins_after_the_preview_is_shown_before_anything_is_sent(house: House) -> None:
    await everybody_asks(house, *ALIKE[:2])
    anna = await house.staff("安娜")
    await anna.posts("/staff/cases/1/preview", {"text": "已报修。"})
    seen = anna.values("seen")
    (late,) = await everybody_asks(house, ALIKE[2])
    await anna.posts("/staff/cases/1/answer", [("text", "已报修。"), *(("seen", number) for number in seen)])
    assert anna.status == 409
    assert "再看一遍" in anna.words
    assert ">已报修。</textarea>" in anna.page, "what was written is kept"
    assert "已报修" not in await late.opens("/")


async def test_a_question_that_asks_something_else_is_left_out_and_gets_a_case_of_its_own(house: House) -> None:
    citizens = await everybody_asks(house, *ALIKE[:2])
    anna = await house.staff("安娜")
    await anna.posts("/staff/cases/1/preview", {"text": "已报修。", "out": "2"})
    assert "发给 1 人？" in anna.words
    parts = [
        ("text", "已报修。"),
        *(("seen", n) for n in anna.values("seen")),
        *(("out", n) for n in anna.values("out")),
    ]
    await anna.posts("/staff/cases/1/answer", parts)
    assert "已报修。" in await citizens[0].opens("/")
    assert "已报修。" not in await citizens[1].opens("/")
    assert ALIKE[1] in await anna.opens("/staff/cases/2")


async def test_the_second_to_claim_hears_who_was_first(house: House) -> None:
    await everybody_asks(house, OTHER)
    anna, bert = await house.staff("安娜"), await house.staff("博特")
    await anna.posts("/staff/cases/1/claim")
    await bert.posts("/staff/cases/1/claim")
    assert bert.status == 409
    assert "事项 1 已由安娜认领" in bert.words
    assert "安娜已认领" in await bert.opens("/staff/cases/1")


async def test_a_dispatched_case_tells_the_citizen_where_it_went(house: House) -> None:
    (citizen,) = await everybody_asks(house, OTHER)
    anna = await house.staff("安娜")
    await anna.posts("/staff/cases/1/assign", {"department": "city_management", "note": "请看现场"})
    assert "已派单" in anna.words
    assert "城管大队：请看现场" in anna.words
    assert "已转城管大队" in await citizen.opens("/")
    await anna.posts("/staff/cases/1/back", {"note": ""})
    assert (anna.status, "退单要写理由" in anna.words) == (409, True)
    await anna.posts("/staff/cases/1/back", {"note": "不归我们管"})
    assert "还没定" in anna.words


async def test_everything_else_that_is_done_to_a_case_stands_in_its_history(house: House) -> None:
    await everybody_asks(house, OTHER, *ALIKE)
    anna = await house.staff("安娜")
    await anna.posts("/staff/cases/1/note", {"note": "问过社区"})
    await anna.posts("/staff/cases/2/split", {"out": "4"})
    await anna.posts("/staff/cases/3/merge", {"into": "2"})
    assert "并入事项 2" in anna.words
    await anna.posts("/staff/cases/1/ignore", {"note": "重复", "spam": "1"})
    assert "垃圾信息：重复" in anna.words
    await anna.posts("/staff/cases/1/reopen", {"note": "还是要答"})
    for step in ("备注 问过社区", "忽略", "重新处理 还是要答"):
        assert step in anna.words
    await anna.posts("/staff/cases/1/merge", {"into": "一"})
    assert "请写要并入的事项号码" in anna.words
    await anna.posts("/staff/cases/2/split")
    assert "请先勾选" in anna.words


async def test_the_list_is_narrowed_and_finds_a_citizens_number(house: House) -> None:
    await everybody_asks(house, *ALIKE, OTHER)
    anna = await house.staff("安娜")
    for query, found, hidden in (
        ("text=4", OTHER, ALIKE[0]),
        ("reason=human", "没有符合条件的事项", OTHER),
        ("mine=1", "没有符合条件的事项", OTHER),
        ("overdue=1", "没有符合条件的事项", OTHER),
        ("state=new", OTHER, "没有符合"),
        ("state=answered", "没有符合条件的事项", OTHER),
    ):
        words = await anna.opens(f"/staff/cases?{query}")
        assert found in words, query
        assert hidden not in words, query
    await anna.opens("/staff/cases?state=oops")
    assert (anna.status, "没有这个页面" in anna.words) == (404, True)
    await anna.opens("/staff/cases/99")
    assert anna.status == 404


async def test_a_ready_reply_is_put_into_the_draft(house: House) -> None:
    await everybody_asks(house, OTHER)
    anna = await house.staff("安娜")
    await anna.opens("/staff/cases/1?canned=%E5%B7%B2%E4%BF%AE")
    assert "已安排维修，三天内修好。</textarea>" in anna.page


async def test_a_similar_case_that_was_answered_helps_with_the_next_one(house: House) -> None:
    await everybody_asks(house, ALIKE[0])
    await house.service.casework.answer(1, "已报修，三天内修好。", "安娜")
    await everybody_asks(house, ALIKE[1])
    anna = await house.staff("安娜")
    words = await anna.opens("/staff/cases/2")
    assert "相似的已答复事项" in words
    assert "已报修，三天内修好。" in words


async def test_what_a_citizen_asked_before_stands_beside_their_question(house: House) -> None:
    citizen = house.browser()
    await citizen.asks("南京房产证能在网上办吗")
    await citizen.asks(OTHER)
    anna = await house.staff("安娜")
    words = await anna.opens("/staff/cases/1")
    assert "之前问过" in words
    assert "南京房产证能在网上办吗" in words


async def test_an_answer_in_simplified_is_shown_as_who_writes_traditional_will_see_it(house: House) -> None:
    await everybody_asks(house, *ALIKE)
    anna = await house.staff("安娜")
    await anna.posts("/staff/cases/1/preview", {"text": "请联系维修。"})
    assert "請聯繫維修" in anna.words or "請聯絡維修" in anna.words
