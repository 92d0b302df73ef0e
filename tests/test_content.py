"""The shipped content: complete for its part of the catalogue, and never more than its sources say."""

import re

import pytest

from bot.cli import main
from tests.conftest import ROOT

ANSWERS = {
    "property.register_online": {
        "南京市",
        "常州市",
        "镇江市",
        "昆山市",
        "灌南县",
        "沛县",
        "连云港市",
        "广西壮族自治区",
    },
    "property.mortgage": {"南京市", "常州市"},
    "property.window_open": {"连云港市", "贵港市", "梧州市", "广西壮族自治区", "贾汪区", "洪泽区"},
    "property.lookup": {"泰兴市", "常州市", "南京市", "沛县"},
    "property.vr_survey": {"常州高新区"},
    "property.papers_missing": {"灌南县"},
    "property.company_help": {"南京市", "泰兴市", "东台市", "连云区"},
    "property.court_seizure": {"连云港市"},
    "property.counter_service": {"南京市"},
    "hotline.about": {"", "通州区"},
    "hotline.what_happens": {"", "通州区"},
    "hotline.performance": {"通州区"},
    "hotline.property": {"常州市", "连云港市"},
    "hotline.xingfeng": {"连云港市"},
    "dispatch.who_handles": {""},
    "grid.app": {"通州区"},
    **{f"code.{c}": {"南通市"} for c in ("red", "yellow", "green_star", "green", "which", "drivers")},
    "entry.from_elsewhere": {"海门区", "通州区"},
    "travel.may_i_go": {"", "通州区"},
    "factory.staff_entry": {"海门区"},
    "company.checklist": {"海门区"},
    "company.trouble": {"海门区"},
    "company.testing_survey": {"通州区"},
    "compound.gate": {"海门区", "武汉市"},
    "compound.supplies": {"连云港市", "宿城区"},
    "compound.renovation": {"如皋市"},
    "wuhan.lockdown_dates": {"武汉市"},
    "gatherings.cards": {"海门区"},
    "rules.3_11": {"镇江市"},
    "checkpoint.duty": {"大丰区", "锡山区", "金坛区"},
    "calls.door_to_door": {"通州区", "扬州市", "大丰区", "宜兴市", "阜宁县", "镇江市", "无锡市"},
    "sampling.where": {"淮安市", "泰州市", "海门区", "通州区"},
    "vaccination.where": {"淮安市", "海门区"},
    "hardship.help": {"新沂市", "建湖县", "淮阴区"},
    "hospital.designated": {"广西壮族自治区"},
    "isolation.sites": {"南京市", "梁溪区", "武汉市"},
    "map.epidemic": {"常州市", "武汉市", "南京市"},
    "volunteer.join": {"海门区", "连云港市", "苏州市"},
    "city.illegal_building": {"海门区"},
    "fishing.illegal": {"通州区"},
    "fishing.restocking": {"通州区"},
    "forest.entry": {"连云港市"},
    "inspection.wildlife": {"容县"},
    "land.project": {"江苏省", "武汉市"},
    "land.auction": {"武汉市"},
    "approvals.one_window": {"武汉市"},
    "works.new_projects": {"武汉市"},
    "planning.life_circle": {"武汉市"},
    "works.quarterly_list": {"如皋市"},
    "training.lost_land": {"如皋市"},
    "summer.childcare": {"如皋市"},
}
OVER_CLAIMS = [
    "全程非接触",
    "不用到场",
    "贷款时一并办理",
    "大厅开着",
    "当场解决",
    "发改委领取",
    "社区报到登记",
    "沛县不动产」",
    "报给指挥中心",
]
NOT_OURS = ["爱游戏", "yujingqiu", "63971479", "cnmn"]
OFFICIALESE = ["予以", "进行办理", "温馨提示", "！", "点击这里"]


def test_hotline_check_passes(capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    code = main(["check"])
    out = capsys.readouterr().out
    assert code == 0, out
    assert re.search(r"检查题 \d+ 道", out)


def test_every_row_of_the_catalogue_has_its_answers(content) -> None:
    assert {k: {a.region for a in i.answers} for k, i in content.intents.items()} == ANSWERS


def test_every_intent_has_twenty_phrases_by_different_writers(content) -> None:
    assert min(len(set(i.phrases)) for i in content.intents.values()) >= 20


def test_there_are_shadow_topics_and_background_lines_enough(content) -> None:
    assert len(content.topics) >= 50
    assert sum(len(t.phrases) >= 5 for t in content.topics.values()) >= 50
    assert 60 <= len(content.background) <= 100


@pytest.mark.parametrize("words", [*OVER_CLAIMS, *NOT_OURS, *OFFICIALESE])
def test_no_answer_claims_what_no_source_says(content, words: str) -> None:
    assert not [k for k, i in content.intents.items() for a in i.answers if words in a.text]


def test_answers_fit_a_phone(content) -> None:
    assert max(len(a.text) for i in content.intents.values() for a in i.answers) <= 250


def test_rules_that_are_over_say_until_when(content) -> None:
    dates = {a.valid_until for k, i in content.intents.items() if k.startswith("code.") for a in i.answers}
    assert dates == {"2022-12-06", "2022-06-28"}


def test_buttons_are_short(content) -> None:
    assert max(len(i.title) for i in content.intents.values()) <= 12


def test_phrases_name_no_place_but_where_it_is_the_matter(content, dialogue) -> None:
    named = {
        k: found.mentions
        for k, i in content.intents.items()
        for p in i.phrases
        if k != "wuhan.lockdown_dates" and (found := dialogue.gazetteer.find(p)).mentions
    }
    assert named == {}
