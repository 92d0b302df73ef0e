"""Whatever a person or a machine sends, the reply is courteous and shows nothing technical."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dialogue import Dialogue, Outcome, Question, State
from bot.text import clean, for_encoder, normalise
from tests.conftest import NOW

TECHNICAL = re.compile(r"[a-z]+\.[a-z_]+|Traceback|None|Error|score|τ")
CHINESE = st.text(
    st.sampled_from("南京镇江红黄绿码带星房产证登记网上办着火请问你好的吗不*＊「」<>&…,。?!\n\u200b\u202e\ufeff"),
    max_size=60,
)
ANYTHING = st.text(st.characters(), max_size=80) | CHINESE


def expect_courtesy(dialogue: Dialogue, text: str) -> None:
    reply, state = dialogue.step(Question(text, NOW))
    assert reply.text.strip()
    assert reply.outcome in Outcome
    assert not TECHNICAL.search(reply.text)
    again, _ = dialogue.step(Question(text, NOW), state)
    assert again.text.strip()


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_any_text_gets_a_courteous_reply(dialogue: Dialogue, text: str) -> None:
    expect_courtesy(dialogue, text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\n\t", "?", "？！", "啊", "1", "12345", "9" * 400, "😀🎉👍", "👨‍👩‍👧‍👦", "\u200b\u200c\u200d", "\u202e反过来的字",
        "\x00\x07\x1b[31m", "\ud800", "<b>南京</b><script>alert(1)</script>房产证网上怎么办", "房产证" * 1700, "a" * 5000,
        "😀" * 5000, "SELECT * FROM cases; --", "../../etc/passwd", "{{7*7}}", "%s%n", "الله", "ﷺ" * 30, "①②③", "ＡＢＣ",
    ],
)  # fmt: skip
def test_odd_messages_get_a_courteous_reply(dialogue: Dialogue, text: str) -> None:
    expect_courtesy(dialogue, text)


def test_a_message_that_is_too_long_is_refused_with_the_limit(dialogue: Dialogue) -> None:
    reply, _ = dialogue.step(Question("房产证能在网上办吗" * 100, NOW))
    assert "500" in reply.text
    assert reply.outcome is Outcome.UNANSWERED


def test_an_emergency_in_a_message_that_is_too_long_is_still_heard(dialogue: Dialogue) -> None:
    reply, _ = dialogue.step(Question("哎呀" * 2000 + "我家着火了快来人", NOW))
    assert reply.outcome is Outcome.URGENT


def test_marks_that_cannot_be_seen_do_not_change_the_answer(dialogue: Dialogue) -> None:
    plain, _ = dialogue.step(Question("绿码带星去南通要核酸吗", NOW))
    marked, _ = dialogue.step(Question("绿码\u200b带星\u202e去南\ufeff通要核酸吗\u0000", NOW))
    assert marked.text == plain.text


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert clean(clean(text)) == clean(text)
    for_encoder(text).encode()  # a lone surrogate would raise in the encoder


@settings(max_examples=100, deadline=None)
@given(CHINESE, st.sampled_from(["南京市", "北京市", "火星", ""]))
def test_any_state_is_fine(dialogue: Dialogue, text: str, region: str) -> None:
    reply, _ = dialogue.step(Question(text, NOW), State(region=region))
    assert reply.text
