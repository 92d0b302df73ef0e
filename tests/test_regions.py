"""Which place a question is about, and whose answer is given there."""

import pytest

from bot.content.models import Answer, Intent
from bot.content.regions import Fit, Gazetteer, Role
from bot.text import fold


@pytest.fixture(scope="module")
def gazetteer(content) -> Gazetteer:
    return Gazetteer(content.regions)


def intent(*regions: str) -> Intent:
    answers = tuple(Answer(region=r, text="答", facts=("a/b",)) for r in regions)
    return Intent(title="事", department="d", phrases=("问",), answers=answers)


def resolved(gazetteer: Gazetteer, what: Intent, text: str, remembered: str = "") -> tuple[str, str, tuple[str, ...]]:
    r = gazetteer.resolve(what, gazetteer.find(fold(text), remembered), remembered)
    return str(r.fit), r.region, r.options


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("南京房产证", [("南京市", "at")]),
        ("連雲港線下窗口", [("连云港市", "at")]),
        ("连云港灌南的厂房", [("灌南县", "at")]),
        ("从上海回海门", [("上海市", "from"), ("海门区", "to")]),
        ("从苏州去南通要核酸吗", [("苏州市", "from"), ("南通市", "to")]),
        ("上海开车到如皋", [("上海市", "from"), ("如皋市", "to")]),
        ("去过扬州，现在回通州", [("扬州市", "from"), ("通州区", "to")]),
        ("我在北京通州", [("北京市通州区", "at")]),
        ("我在通州", [("通州区", "at")]),
        ("江宁怎么办", [("江宁区", "at")]),
        ("花果山能进吗", [("连云港市", "at")]),
        ("风险地区到海门来的人", [("海门区", "to")]),
        ("常州新北区远程看房", [("新北区", "at")]),
        ("合肥抵押登记", [("合肥市", "at")]),
        ("延边的房子", [("延边朝鲜族自治州", "at")]),
        ("我在通州，近期能去苏州吗", [("通州区", "at"), ("苏州市", "to")]),
        ("我搬到镇江了", [("镇江市", "at")]),
        ("在上海想回海门", [("上海市", "at"), ("海门区", "to")]),
        ("在扬州回来要报备吗", [("扬州市", "from")]),
        ("杨州的商铺", [("扬州市", "at")]),
        ("去苏州路上码变红了", [("苏州市", "to")]),
        ("无锡路上卡口查车", [("无锡市", "at")]),
        ("金坛路口拦着查车", [("金坛区", "at")]),
    ],
)
def test_places_are_found_with_their_role(gazetteer: Gazetteer, text: str, places: list[tuple[str, str]]) -> None:
    assert [(m.region, str(m.role)) for m in gazetteer.find(fold(text)).mentions] == places


@pytest.mark.parametrize(
    "text",
    [
        "南京路上",
        "北京时间",
        "镇江香醋多少钱",
        "公安局在哪",
        "长治久安",
        "你好",
        "中山路堵车",
        "市中心",
        "今年稻子大丰收",
        "孩子一高兴化学都不写了",
        "非常熟悉",
        "什么时候解开封控",
        "市里大兴土木",
        "沙发选长沙发",
    ],
)
def test_what_only_looks_like_a_place_is_none(gazetteer: Gazetteer, text: str) -> None:
    assert gazetteer.find(text).mentions == ()


def test_the_place_is_taken_out_of_the_question(gazetteer: Gazetteer) -> None:
    assert gazetteer.find("南京的房产证能在网上办吗").rest == "房产证能在网上办吗"
    assert gazetteer.find("从上海回海门要隔离吗").rest == "从外地回要隔离吗"


def test_a_named_system_stays_in_the_question_and_carries_its_place(gazetteer: Gazetteer) -> None:
    found = gazetteer.find(fold("融E办怎么用"))
    assert found.rest == "融e办怎么用"
    assert found.hints == ("常州市",)


class TestWhoseAnswer:
    def test_a_district_falls_back_to_its_city_and_a_city_to_its_province(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("南通市", "常州市"), "海门红码") == ("answer", "南通市", ())
        assert resolved(gazetteer, intent("江苏省", "湖北省"), "江宁") == ("answer", "江苏省", ())

    def test_the_nearest_answer_above_wins(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("连云港市", "灌南县"), "灌南") == ("answer", "灌南县", ())

    def test_a_city_gets_its_only_district_s_answer_and_is_asked_when_there_are_several(
        self, gazetteer: Gazetteer
    ) -> None:
        assert resolved(gazetteer, intent("海门区", "武汉市"), "南通") == ("answer", "海门区", ())
        assert resolved(gazetteer, intent("海门区", "通州区"), "南通") == ("ask", "", ("海门区", "通州区"))

    def test_no_place_and_several_answers_ask_but_one_answer_is_given(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("南京市", "常州市"), "怎么办") == ("ask", "", ("南京市", "常州市"))
        assert resolved(gazetteer, intent("南通市"), "怎么办") == ("answer", "南通市", ())

    @pytest.mark.parametrize("place", ["北京", "合肥", "香港", "义乌", "乌鲁木齐", "苏州", "洪泽"])
    def test_a_place_without_content_never_gets_another_city_s_answer(self, gazetteer: Gazetteer, place: str) -> None:
        assert resolved(gazetteer, intent("南京市", "常州市"), f"{place}房产证") == ("none", "", ())
        assert resolved(gazetteer, intent("", "常州市"), f"{place}房产证") == ("answer", "", ())

    def test_the_destination_of_coming_counts(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("海门区", "通州区"), "从通州回海门") == ("answer", "海门区", ())

    def test_a_place_without_content_never_beats_one_with(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("南京市", "常州市"), "我人在上海，南京的房子") == ("answer", "南京市", ())

    def test_a_named_place_beats_the_remembered_one(self, gazetteer: Gazetteer) -> None:
        both = intent("南京市", "常州市")
        assert resolved(gazetteer, both, "怎么办", "南京市") == ("answer", "南京市", ())
        assert resolved(gazetteer, both, "常州怎么办", "南京市") == ("answer", "常州市", ())


class TestNamesThatSeveralCitiesShare:
    def test_it_is_asked_which_one_where_one_of_them_has_an_answer(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("南京市", "常州市"), "鼓楼区的房子") == ("ask", "", ("南京市",))

    def test_another_word_or_the_remembered_city_tells(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("南京市", "常州市"), "南京鼓楼区的房子") == ("answer", "南京市", ())
        assert resolved(gazetteer, intent("南京市", "常州市"), "鼓楼区的房子", "南京市") == ("answer", "南京市", ())

    def test_where_none_of_them_has_an_answer_it_is_nobody_s(self, gazetteer: Gazetteer) -> None:
        assert resolved(gazetteer, intent("南京市", "常州市"), "朝阳区的房子") == ("none", "", ())


def test_where_one_comes_from_never_decides(gazetteer: Gazetteer) -> None:
    found = gazetteer.find("从南京回来要报备吗")
    assert [m.role for m in found.mentions] == [Role.FROM]
    assert gazetteer.named(found) == ()
    assert gazetteer.resolve(intent("南京市", "常州市"), found).fit is Fit.ASK
