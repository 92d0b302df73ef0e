"""Conversations over the real content: what citizens say and hear."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.dialogue import Outcome, Question, State
from bot.text import Script
from tests.conftest import NOW, Chat


def test_a_green_code_with_a_star_needs_a_report_of_48_hours(chat: Chat) -> None:
    reply = chat.says("绿码带星去南通要核酸吗")
    assert reply.outcome is Outcome.ANSWERED
    assert chat.hears("48小时内", "阴性", "出处：", "2021-08")
    assert reply.text.startswith("⚠️ 以下是 2021 年 8 月的规定")
    assert reply.expired


def test_the_city_is_asked_for_once_and_then_remembered(chat: Chat) -> None:
    assert chat.says("房产证能在网上办吗").outcome is Outcome.ASK_REGION
    assert "镇江市" in chat.buttons
    chat.says("镇江")
    assert chat.hears("镇易登")
    chat.says("那网上怎么办理房产证")
    assert chat.hears("镇易登")


def test_a_button_may_be_typed_as_number_or_words(chat: Chat) -> None:
    chat.says("抵押登记不想跑一趟")
    assert chat.buttons == ["南京市", "常州市"]
    chat.says("2")
    assert chat.hears("融E办", "8类")


def test_a_place_that_was_not_among_the_buttons_is_honestly_refused(chat: Chat) -> None:
    chat.says("房产证能在网上办吗")
    assert chat.says("合肥").outcome is Outcome.UNANSWERED
    assert chat.hears("合肥市", "12345")


def test_another_city_never_gets_our_answer(chat: Chat) -> None:
    reply = chat.says("北京房产证网上怎么办")
    assert reply.outcome is Outcome.UNANSWERED
    assert not any(name in reply.text for name in ("苏小登", "镇易登", "E办证", "江苏"))


def test_who_writes_traditional_is_answered_in_traditional(chat: Chat) -> None:
    chat.says("連雲港線下窗口還辦業務嗎")
    assert chat.hears("連雲港市", "暫時", "出處")
    chat.says("12345")  # nothing to tell the script by: it is remembered
    assert chat.state.script is Script.TRADITIONAL


@pytest.mark.parametrize(
    "text", ["我家着火了", "我家著火了", "南京路有人晕倒了快来", "有人拿刀砍人！", "救命啊有人打我", "出车祸了"]
)
def test_an_emergency_comes_before_everything_else(chat: Chat, text: str) -> None:
    reply = chat.says(text)
    assert reply.outcome is Outcome.URGENT
    assert reply.intent in reply.text[:20]


@pytest.mark.parametrize("text", ["110千伏线路离我家太近", "120平的房子", "着火点是多少度", "梦见房子着火是什么意思"])
def test_what_only_sounds_like_an_emergency_is_none(chat: Chat, text: str) -> None:
    assert chat.says(text).outcome is not Outcome.URGENT


@pytest.mark.parametrize(
    "text", ["社保断缴了怎么补", "明天天气怎么样", "护照丢了", "房产证丢了怎么补办", "红码几天能转绿"]
)
def test_what_the_documents_do_not_hold_is_not_answered(chat: Chat, text: str) -> None:
    assert chat.says(text).outcome in {Outcome.UNANSWERED, Outcome.CHOICES}


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("红码能进南通吗", "code.red"),
        ("黄码进南通", "code.yellow"),
        ("绿码带*去南通", "code.green_star"),
        ("绿码不带星能进南通吗", "code.green"),
        ("绿码没有星号能进南通吗", "code.green"),
        ("绿码星号也没有，进南通要什么", "code.green"),
        # doubtful: every rule is told, never the permissive one alone
        ("绿码带型号进南通", "code.which"),
        ("绿码带兴号能进南通吗", "code.which"),
        ("绿码后面有个东西，能进南通吗", "code.which"),
        ("皇码能进南通吗", "code.which"),
        ("红码变成绿码了，能进南通吗", "code.which"),
        ("绿码带星号没有核酸能进南通吗", "code.which"),
    ],
)
def test_the_deciding_word_picks_the_rule_and_doubt_never_the_permissive_one(
    chat: Chat, text: str, intent: str
) -> None:
    reply = chat.says(text)
    if reply.outcome is Outcome.ANSWERED:
        assert reply.intent == intent
    else:
        assert intent == "code.which"


def test_two_questions_in_one_message_are_both_answered(chat: Chat) -> None:
    reply = chat.says("南京房产证能在网上办吗？12345晚上有人接吗？")
    assert reply.outcome is Outcome.ANSWERED
    assert chat.hears("E办证", "白天夜里")
    assert reply.also == ("hotline.about",)


def test_of_two_questions_the_one_that_needs_a_city_is_offered(chat: Chat) -> None:
    chat.says("12345晚上有人接吗？房产证能在网上办吗？")
    assert chat.hears("白天夜里", "请问您问的是哪里")
    chat.says("镇江")
    assert chat.hears("镇易登")


def test_a_follow_up_is_only_offered_where_there_is_something_to_say(chat: Chat) -> None:
    reply = chat.says("南京房产证能在网上办吗")
    assert "property.mortgage" in {c.intent for c in reply.follow_ups}
    assert "property.window_open" not in {c.intent for c in reply.follow_ups}


def test_a_bare_city_asks_the_same_for_there(chat: Chat) -> None:
    chat.says("南京抵押登记能在网上办吗")
    assert chat.hears("17家")
    chat.says("那常州呢")
    assert chat.hears("融E办")
    assert chat.state.region == "常州市"
    assert chat.says("我在无锡").outcome is Outcome.UNANSWERED
    assert chat.says("抵押登记能在网上办吗").outcome is Outcome.UNANSWERED
    assert chat.hears("无锡市")


def test_the_city_of_an_answer_is_not_taken_for_the_citizen_s(chat: Chat) -> None:
    chat.says("绿码带星要核酸吗")
    assert chat.hears("南通市")
    assert chat.says("房产证能在网上办吗").outcome is Outcome.ASK_REGION


@pytest.mark.parametrize("number", ["2", "第二个", "选2", "二", "常州市", "常州"])
def test_a_choice_may_be_said_in_many_ways(chat: Chat, number: str) -> None:
    chat.says("抵押登记不想跑一趟")
    chat.says(number)
    assert chat.hears("融E办")


@pytest.mark.parametrize("words", ["0", "都不是", "都没有"])
def test_none_of_these_may_be_said_by_number_too(chat: Chat, words: str) -> None:
    chat.says("南京")
    assert chat.says(words).outcome is Outcome.UNANSWERED


def test_a_city_that_gets_its_only_district_s_answer_is_told_so(chat: Chat) -> None:
    chat.says("苏州房产证网上怎么办")
    assert chat.last.text.startswith("我没有苏州市全市的资料，只有昆山市的。")


def test_a_district_that_several_cities_have_is_asked_about(chat: Chat) -> None:
    chat.says("鼓楼区抵押登记能网上办吗")
    assert (chat.last.outcome, chat.last.text) == (Outcome.ASK_REGION, "不止一个地方有鼓楼区，请问您问的是哪里的？")
    chat.says("南京")
    assert chat.hears("17家")


def test_a_district_of_cities_without_answers_is_refused(chat: Chat) -> None:
    assert chat.says("朝阳区抵押登记能网上办吗").outcome is Outcome.UNANSWERED


@pytest.mark.parametrize(
    "text",
    [
        "绿码带型号去南通要什么",
        "行程卡绿的带新号，回南通要核酸吗",
        "洪码能进南通吗",
        "绿码变洪码了，进南通会怎样",
        "不知道是绿码还是皇码，能进南通吗",
    ],
)
def test_a_homophone_of_the_deciding_word_gets_every_rule(chat: Chat, text: str) -> None:
    assert chat.says(text).intent == "code.which"


@pytest.mark.parametrize("text", ["绿马带星进南通要什么", "綠碼上面帶了一顆星，進南通要什麼"])
def test_a_star_that_is_said_plainly_decides_however_the_rest_is_spelt(chat: Chat, text: str) -> None:
    assert chat.says(text).intent == "code.green_star"


def test_leaving_and_coming_are_told_apart_by_where_one_is(chat: Chat) -> None:
    assert (chat.says("我在通州，近期能去苏州吗").intent, chat.last.region) == ("travel.may_i_go", "通州区")
    assert (chat.says("从扬州回通州要先跟谁报备").intent, chat.last.region) == ("entry.from_elsewhere", "通州区")


@pytest.mark.parametrize(
    "text", ["问了这么多，真是麻烦您了，谢谢", "行，那先这样啊，回头再说", "你到底是真人还是程序啊"]
)
def test_longer_courtesies_are_courtesies_too(chat: Chat, text: str) -> None:
    assert chat.says(text).outcome is Outcome.SMALLTALK


@pytest.mark.parametrize("text", ["救命啊，老板催死我了", "爬楼爬得我要断气了", "跟老公吵得火冒三丈"])
def test_a_figure_of_speech_is_no_emergency(chat: Chat, text: str) -> None:
    assert chat.says(text).outcome is not Outcome.URGENT


@pytest.mark.parametrize("text", ["救命", "救命啊有人闯进我家了", "救命 孩子掉河里了"])
def test_a_cry_for_help_is_an_emergency(chat: Chat, text: str) -> None:
    assert chat.says(text).outcome is Outcome.URGENT


@pytest.mark.parametrize("star", "⭐★☆🌟✱※＊*")
def test_a_star_drawn_as_a_symbol_is_a_star(chat: Chat, star: str) -> None:
    assert chat.says(f"绿码{star}能进南通吗").intent in {"code.green_star", "code.which"}


def test_an_emergency_after_another_question_is_heard(chat: Chat) -> None:
    reply = chat.says("南京房产证能在网上办吗？后山烧荒烧大了，火往林子里跑了")
    assert reply.outcome is Outcome.URGENT


@pytest.mark.parametrize("number", ["110", "119", " 120 "])
def test_who_only_types_an_emergency_number_is_told_to_dial_it(chat: Chat, number: str) -> None:
    assert chat.says(number).outcome is Outcome.URGENT


def test_two_questions_on_two_lines_are_two(chat: Chat) -> None:
    reply = chat.says("南京房产证能在网上办吗\n12345晚上有人接吗")
    assert {reply.intent, *reply.also} == {"property.register_online", "hotline.about"}


def test_a_matter_that_has_to_wait_is_named(chat: Chat) -> None:
    chat.says("房产证能在网上办吗？抵押登记要去现场吗？")
    assert chat.last.outcome is Outcome.ASK_REGION
    assert chat.hears("您还问了「抵押登记网上办」")


def test_none_of_the_choices_is_a_refusal(chat: Chat) -> None:
    chat.says("南京")
    assert chat.last.outcome is Outcome.CHOICES
    assert chat.says("都不是").outcome is Outcome.UNANSWERED


@pytest.mark.parametrize("text", ["你好", "您好，请问一下", "谢谢", "哈哈哈", "你是机器人吗", "滚", "謝謝"])
def test_small_talk_is_answered_shortly(chat: Chat, text: str) -> None:
    assert chat.says(text).outcome is Outcome.SMALLTALK
    assert len(chat.last.text) < 80


def test_a_thank_you_in_between_does_not_take_back_the_question(chat: Chat) -> None:
    chat.says("房产证能在网上办吗")
    chat.says("谢谢")
    chat.says("镇江")
    assert chat.hears("镇易登")


def test_polite_padding_changes_nothing(chat: Chat) -> None:
    chat.says("您好，麻烦请问一下，镇江房产证能在网上办吗，谢谢您了")
    assert chat.hears("镇易登")


def test_a_rule_is_expired_the_day_after_its_last(dialogue) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    question = "红码能进南通吗"
    last, _ = dialogue.step(Question(question, datetime(2022, 12, 6, 23, tzinfo=zone)))
    over, _ = dialogue.step(Question(question, datetime(2022, 12, 7, 0, tzinfo=zone)))
    assert (last.expired, over.expired) == (False, True)
    assert "⚠️" not in last.text


def test_an_estimated_day_is_never_shown(chat: Chat) -> None:
    chat.says("贵港大厅开门了吗")
    assert chat.hears("早已失效")
    assert "2020 年 12 月" not in chat.last.text


def test_the_same_question_gives_the_same_reply(dialogue) -> None:
    question = Question("扬州回通州要报备吗", NOW)
    first = dialogue._fresh_step(question.text, NOW.date(), State())
    assert dialogue._fresh_step(question.text, NOW.date(), State()) == first
    assert dialogue.step(question) is dialogue.step(question)
