"""What the health of the content says, and in which order."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bot.app import build_dialogue, read_content
from bot.cli import main
from bot.config import load_config
from bot.content.models import Check
from bot.dialogue import Choice, Dialogue, Outcome, Reply
from bot.gate import Grade, Graded
from bot.health import Harm, Health, IntentHealth, health, weekly_line
from bot.matching.leave_one_out import left_out
from bot.matching.matcher import Kind
from bot.matching.space import RIDGE, RIDGE_WEIGHT, kernel
from bot.store.engine import Store
from bot.store.usage import Used
from tests.conftest import World
from tests.test_store import ANNA, ask, talk

TODAY = date(2022, 5, 1)
"""A month after the world's only document."""


def open_world(world: World) -> Dialogue:
    config = load_config(world.folder / "config.yaml")
    return build_dialogue(config, read_content(config)[0])


@pytest.fixture
def examined(world: World) -> Callable[..., Health]:
    """The health of a world: check questions as (what is expected, how it ended, what was answered), and usage."""

    def run(*checks: tuple[str, Grade, str], usage: dict[str, Used] | None = None, today: date = TODAY) -> Health:
        graded = [
            Graded(f"own/{n}", Check(ask=f"问题{n}", expect=expect), Reply(Outcome.ANSWERED, "答", got), grade)
            for n, (expect, grade, got) in enumerate(checks, 1)
        ]
        return health(open_world(world), graded, usage, today)

    return run


def of(found: Health, intent: str) -> IntentHealth:
    return next(one for one in found.intents if one.intent == intent)


def harms(one: IntentHealth) -> set[Harm]:
    return {trouble.harm for trouble in one.troubles}


def says(one: IntentHealth, *words: str) -> bool:
    return any(all(word in str(trouble) for word in words) for trouble in one.troubles)


GOOD = (("loan.remote", Grade.RIGHT, "loan.remote"), ("hall.open", Grade.RIGHT, "hall.open"))
STEADY = """
{key}:
  title: {title}
  department: registration
  phrases: [{words}怎么办, {words}要怎么办, {words}该怎么办, 怎么办{words}]
  answers: [{{text: 大厅暂停。, facts: [paper/hours]}}]
"""


def steady(key: str, title: str, words: str) -> str:
    """An intent whose phrases hold each other up."""
    return STEADY.format(key=key, title=title, words=words).lstrip("\n")


class TestPhrasesLeftOut:
    @pytest.fixture
    def more(self, world: World) -> World:
        """With enough phrases for some to stray."""
        lonely = "lone.one:\n  title: 孤\n  department: registration\n  phrases: [公积金怎么取]\n  answers: [{text: 大厅暂停。, facts: [paper/hours]}]\n"
        world.write("intents/more.yaml", steady("house.lost", "遗失", "房产证丢了") + lonely)
        world.write("intents/background.yaml", "lines: [今天天气怎么样, 放一首歌]\n")
        world.change("intents/own.yaml", "- 大厅几点开门", "- 房产证丢了怎么办呢")
        return world

    def test_of_few_the_share_that_strays_is_what_the_thresholds_are_made_from(self, more: World) -> None:
        matcher = open_world(more).matcher
        found = [one for one in left_out(matcher) if one.phrase.label != "lone.one"]
        forecast = matcher.index.forecast.wrong
        assert len(found) == len(forecast)
        assert sum(not one.is_right for one in found) == (forecast > -1).sum() > 0

    def test_of_many_each_leads_where_a_ridge_without_it_would_lead(self, more: World, monkeypatch) -> None:
        monkeypatch.setattr("bot.matching.leave_one_out.REFITTED_UP_TO", 0)
        matcher = open_world(more).matcher
        index, phrases = matcher.index, matcher.phrases
        labels = np.array([list(matcher.labels).index(p.label) for p in phrases])
        found = {one.phrase: one for one in left_out(matcher)}
        assert len(found) == sum(p.kind is Kind.INTENT for p in phrases) == 11
        for row, phrase in enumerate(phrases):
            rest = index.learnt[index.learnt != row]
            targets = np.zeros((len(rest), len(matcher.labels)))
            for at, learnt in enumerate(rest):
                if learnt < len(phrases):
                    targets[at, labels[learnt]] = 1
            gram = kernel(index.rows[rest] @ index.rows[rest].T) + RIDGE * np.eye(len(rest))
            likeness = index.rows @ index.rows[row]
            ridge = kernel(likeness[rest]) @ np.linalg.solve(gram, targets)
            others = [
                np.flatnonzero((labels == k) & (np.arange(len(phrases)) != row)) for k in range(len(matcher.labels))
            ]
            scores = [max(likeness[o], default=-1) + RIDGE_WEIGHT * ridge[k] for k, o in enumerate(others)]
            best = int(np.argmax(scores))
            assert found[phrase].first.label == matcher.labels[best]
            assert found[phrase].lead == pytest.approx(scores[best] - scores[labels[row]], abs=1e-3)

    def test_one_that_would_lead_elsewhere_is_named_with_its_rival(self, world: World, examined) -> None:
        world.write(
            "intents/more.yaml", steady("house.lost", "遗失", "房产证丢了") + steady("car.fine", "罚单", "停车罚单缴费")
        )
        world.write("intents/synonyms.yaml", "红本本: 房产证\n")
        world.change("intents/own.yaml", "- 大厅几点开门", "- 红本本丢了怎么办呢")
        found = of(examined(*GOOD), "hall.open")
        assert found.left_out_right < found.phrases == 3
        assert found.rivals["house.lost"] >= 1
        worst = next(c for c in found.confusions if c.rival == "house.lost")
        assert worst.phrase == "红本本丢了怎么办呢"  # as it was written, not as it is read
        assert worst.like == "房产证丢了怎么办"
        assert says(found, "3 条问法", "house.lost")

    def test_a_single_phrase_is_told_as_such(self, world: World, examined) -> None:
        world.change("intents/own.yaml", "    - 窗口上班没有\n    - 今天有人吗在窗口\n", "")
        found = of(examined(*GOOD), "hall.open")
        assert found.harm is Harm.UNSTEADY
        assert says(found, "只有 1 条问法")

    def test_the_single_phrase_of_a_member_of_a_family_is_held_up_by_the_others(self, world: World, examined) -> None:
        world.write(
            "intents/more.yaml",
            steady("a.b", "甲", "房产证丢了")
            + steady("a.c", "乙", "房产证破了").replace(
                "[房产证破了怎么办, 房产证破了要怎么办, 房产证破了该怎么办, 怎么办房产证破了]", "[房产证破了怎么办]"
            ),
        )
        world.write("intents/families.yaml", "a:\n  members: {a.b: {}, a.c: {}}\n")
        found = of(examined(*GOOD), "a.c")
        assert (found.phrases, found.left_out_share) == (1, 1.0)
        assert Harm.UNSTEADY not in harms(found)


class TestCheckQuestions:
    def test_a_wrong_one_counts_against_the_intent_that_should_have_answered(self, examined) -> None:
        found = examined(("loan.remote", Grade.WRONG, "hall.open"), GOOD[1])
        assert found.intents[0].intent == "loan.remote"
        assert found.intents[0].checks_wrong[0].got == "answered hall.open"
        assert not of(found, "hall.open").checks_wrong

    def test_an_answer_where_there_should_be_none_counts_against_the_one_that_gave_it(self, examined) -> None:
        found = examined(*GOOD, ("unanswered", Grade.WRONG, "hall.open"))
        assert found.intents[0].intent == "hall.open"
        assert of(found, "hall.open").checks == 2

    def test_choices_where_nothing_should_be_offered_count_against_the_first_one_offered(self, world: World) -> None:
        offered = Reply(Outcome.CHOICES, "哪一件", choices=(Choice("大厅开门", "hall.open"),))
        graded = [Graded("own/1", Check(ask="社保", expect="unanswered"), offered, Grade.NEAR)]
        assert of(health(open_world(world), graded, None, TODAY), "hall.open").checks_near == ("社保",)

    def test_a_missed_emergency_is_about_no_intent_and_is_not_lost(self, examined) -> None:
        found = examined(*GOOD, ("urgent", Grade.WRONG, ""))
        assert [stray.ask for stray in found.strays] == ["问题3"]
        assert "求救" in weekly_line(found)

    def test_none_at_all_is_said(self, examined) -> None:
        found = examined(GOOD[0])
        assert says(of(found, "hall.open"), "没有检查题")
        assert not says(of(found, "loan.remote"), "没有检查题")

    def test_few_that_are_one_tap_away_are_not_worth_a_word(self, examined) -> None:
        near = ("hall.open", Grade.NEAR, "")
        assert says(of(examined(*GOOD, near), "hall.open"), "差一步")
        assert not says(of(examined(*GOOD, *[GOOD[1]] * 10, near), "hall.open"), "差一步")


class TestDates:
    def test_an_answer_that_is_over_is_worse_while_people_still_ask(self, world: World, examined) -> None:
        world.change("intents/own.yaml", "facts: [paper/hours]", "facts: [paper/hours]\n      valid_until: 2022-04-10")
        asked = of(examined(*GOOD, usage={"hall.open": Used(recently=3, in_all=3)}), "hall.open")
        unasked = of(examined(*GOOD, usage={"hall.open": Used(in_all=9)}), "hall.open")
        assert Harm.OUTDATED in harms(asked)
        assert says(asked, "3 次")
        assert Harm.OUTDATED not in harms(unasked)
        assert says(unasked, "已过期")

    @pytest.mark.parametrize(("last", "told"), [("2022-05-31", True), ("2022-06-01", False), ("2022-05-01", True)])
    def test_an_answer_is_told_of_in_its_last_thirty_days(self, world: World, examined, last: str, told: bool) -> None:
        world.change("intents/own.yaml", "facts: [paper/hours]", f"facts: [paper/hours]\n      valid_until: {last}")
        found = of(examined(*GOOD), "hall.open")
        assert bool(found.expiring) is told
        assert says(found, last) is told
        assert not found.expired

    @pytest.mark.parametrize(("today", "old"), [(date(2023, 4, 6), False), (date(2023, 4, 7), True)])
    def test_a_source_is_old_after_a_year(self, examined, today: date, old: bool) -> None:
        found = of(examined(*GOOD, today=today), "hall.open")
        assert bool(found.old_sources) is old
        assert says(found, "2022-04-06", "超过一年") is old


class TestUsage:
    @pytest.mark.parametrize(
        ("solved", "unsolved", "told"), [(3, 2, True), (2, 2, False), (0, 4, False), (8, 2, False), (0, 5, True)]
    )
    def test_complaints_count_where_votes_are_enough_and_many_say_so(self, examined, solved, unsolved, told) -> None:
        usage = {"hall.open": Used(0, 20, solved, unsolved), "loan.remote": Used(0, 20)}
        assert (Harm.UNSOLVED in harms(of(examined(*GOOD, usage=usage), "hall.open"))) is told

    def test_never_used_is_said_only_where_there_is_a_record(self, examined) -> None:
        assert says(of(examined(*GOOD, usage={"loan.remote": Used(in_all=1)}), "hall.open"), "从没用过")
        for nothing in (None, {}):
            assert not says(of(examined(*GOOD, usage=nothing), "hall.open"), "从没用过")
        assert not says(of(examined(*GOOD, usage={"hall.open": Used(in_all=1)}), "hall.open"), "从没用过")


def test_what_hurts_citizens_most_comes_first(world: World) -> None:
    world.change("intents/own.yaml", "- 大厅几点开门", "- 房产证丢了怎么办呢")
    world.write(
        "intents/more.yaml",
        steady("e.untidy", "戊", "公积金提取")
        + steady("a.wrong", "甲", "房产证丢了")
        + steady("c.outdated", "丙", "停车罚单缴费").replace(
            "facts: [paper/hours]", "facts: [paper/hours], valid_until: 2022-04"
        )
        + steady("b.unsolved", "乙", "居住证续签")
        + steady("b.complaints", "丁", "小区噪音投诉"),
    )
    expected = ("a.wrong", "a.wrong", "b.unsolved", "c.outdated", "b.complaints", "loan.remote", "hall.open")
    grades = {0: Grade.WRONG}
    graded = [
        Graded(
            f"own/{n}", Check(ask=f"问{n}", expect=key), Reply(Outcome.ANSWERED, "答", key), grades.get(n, Grade.RIGHT)
        )
        for n, key in enumerate(expected)
    ]
    usage = {"b.unsolved": Used(1, 9, 1, 9), "b.complaints": Used(5, 9, 5, 5), "c.outdated": Used(7, 7)}
    usage |= {key: Used(50, 50) for key in ("a.wrong", "e.untidy", "loan.remote", "hall.open")}
    found = health(open_world(world), graded, usage, TODAY)
    order = [one.intent for one in found.intents]
    assert order[:4] == ["a.wrong", "b.unsolved", "b.complaints", "c.outdated"]
    assert order.index("hall.open") < order.index("e.untidy")
    assert [one.harm for one in found.intents] == sorted(one.harm for one in found.intents)
    first, second = weekly_line(found).splitlines()
    assert "7 个意图" in first
    assert "2 个常被评「没解决」" in first
    assert "甲(检查题答错 1 道)" in second
    assert "戊" not in second


def test_facts_that_no_answer_names_are_listed(world: World, examined) -> None:
    assert examined().unused_facts == ()
    world.change("knowledge/paper.yaml", "facts:", "facts:\n  spare: {where: 文末, statement: 另有说明。}")
    assert examined().unused_facts == ("paper/spare",)


def test_content_in_good_health_is_one_short_line_for_the_chat(world: World, examined) -> None:
    world.write("intents/own.yaml", steady("a.b", "甲", "房产证丢了") + steady("c.d", "乙", "停车罚单缴费"))
    found = examined(("a.b", Grade.RIGHT, "a.b"), ("c.d", Grade.RIGHT, "c.d"))
    assert [one.troubles for one in found.intents] == [(), ()]
    assert weekly_line(found) == "内容体检(5 月 1 日):2 个意图,没有要紧的。"


class TestCommand:
    @pytest.fixture
    def hotline(self, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        monkeypatch.chdir(world.folder)
        world.write(
            "intents/checks/own.yaml",
            "- {ask: 南京抵押登记怎么弄, expect: hall.open}\n- {ask: 着火啦, expect: urgent}\n",
        )

        def run(*options: str) -> tuple[int, str, str]:
            code = main(["check", "--health", *options])
            out = capsys.readouterr()
            return code, out.out, out.err

        return run

    def test_each_intent_is_one_line_at_its_place_with_what_to_do(self, hotline, world: World) -> None:
        code, out, _ = hotline()
        lines = out.splitlines()
        assert code == 0
        assert lines[0].startswith(
            "intents/own.yaml:12: hall.open:检查题答错 1 道,「南京抵押登记怎么弄」应为 hall.open"
        )
        assert "补问法" in lines[0]
        assert sum(line.startswith("intents/own.yaml:") for line in lines) == 2
        assert "2 个意图" in out
        assert "没有提问记录" in out
        assert not (world.folder / ".data").exists()  # looking makes no database

    def test_json_has_everything(self, hotline) -> None:
        found: dict[str, Any] = json.loads(hotline("--json")[1])
        first = found["intents"][0]
        assert first["intent"] == "hall.open"
        assert first["harm"] == "wrong"
        assert first["troubles"][0]["cure"]
        assert first["used"] is None
        assert found["checks"] == {"right": 1, "near": 0, "wrong": 1}

    def test_json_without_health_is_refused_in_one_line(self, world: World, monkeypatch, capsys) -> None:
        monkeypatch.chdir(world.folder)
        assert main(["check", "--json"]) == 1
        assert "--health" in capsys.readouterr().err

    def test_usage_comes_from_the_record(self, hotline, world: World, capsys) -> None:
        url = f"sqlite:///{world.folder}/hotline.db"
        world.write("config.yaml", f"matching: {{encoder: lexical, cache: cache}}\ndatabase: {{url: '{url}'}}\n")
        now = datetime.now(UTC)

        async def fill() -> None:
            store = Store(url)
            await store.migrate()
            for n, age in enumerate((1, 29, 31)):
                at = now - timedelta(age)
                await ask(store, await talk(store, ANNA), f"t:{n}", intent="hall.open", asked_at=at)
            await store.close()

        asyncio.run(fill())
        found = json.loads(hotline("--json")[1])
        used = {one["intent"]: one["used"] for one in found["intents"]}
        assert (used["hall.open"]["recently"], used["hall.open"]["in_all"]) == (2, 3)
        assert used["loan.remote"]["in_all"] == 0
        assert "没有提问记录" not in hotline()[1]

    def test_a_database_that_cannot_be_read_costs_only_the_usage(self, hotline, world: World) -> None:
        (world.folder / ".data").mkdir()
        (world.folder / ".data/hotline.db").touch()
        code, out, err = hotline()
        assert code == 0
        assert "hall.open:检查题答错" in out
        assert "hotline migrate" in err

    def test_content_that_cannot_run_is_told_as_check_does(self, hotline, world: World) -> None:
        world.change("intents/own.yaml", "answers:", "answres:")
        code, _, err = hotline()
        assert code == 1
        assert err.startswith("intents/own.yaml:")
