"""The matcher: repeatable, sure only where it may be, and the same from disk."""

from pathlib import Path

import numpy as np
import pytest

from bot.app import build_dialogue, labelled
from bot.matching.cache import Cache
from bot.matching.calibration import Forecast, Mix
from bot.matching.encoder import LexicalEncoder, make_encoder
from bot.matching.matcher import EXACT, Matcher, Phrase, Verdict, build_index
from bot.matching.wording import Wording

PHRASES = [
    Phrase(text, label, label)
    for label, texts in {
        "loan": ["抵押登记怎么办", "房子抵押要去现场吗", "不见面抵押"],
        "hall": ["大厅几点开门", "窗口上班没有", "大厅开了吗"],
        "x.fee": ["登记要交多少钱", "抵押收费标准", "大厅收费吗"],
        "single": ["发票在哪里开"],
    }.items()
    for text in texts
]
INTENTS = frozenset({"loan", "hall", "single"})


def matcher(thresholds: tuple[float, float] = (0.6, 0.3)) -> Matcher:
    encoder = LexicalEncoder()
    index = build_index(PHRASES, INTENTS, ["今天天气怎么样"], ["请问"], encoder.encode)
    return Matcher(PHRASES, INTENTS, encoder, index, thresholds)


def test_a_phrase_word_for_word_is_always_answered() -> None:
    match = matcher((EXACT - 1, 0)).match("大厅　几点開門？")
    assert (match.verdict, match.ranked[0].label) == (Verdict.ANSWER, "hall")


def test_an_intent_with_a_single_phrase_answers_nothing_but_that_phrase() -> None:
    m = matcher((-1.0, -1.0))
    assert m.match("发票在哪里开呀").ranked[0].label == "single"
    assert m.match("发票在哪里开呀").verdict is Verdict.OFFER
    assert m.match("发票在哪里开").verdict is Verdict.ANSWER


def test_a_phrase_of_two_labels_belongs_to_neither() -> None:
    encoder = LexicalEncoder()
    phrases = [*PHRASES, Phrase("大厅几点开门", "loan", "loan")]
    index = build_index(phrases, INTENTS, [], [], encoder.encode)
    assert Matcher(phrases, INTENTS, encoder, index, (0.6, 0.3)).match("大厅几点开门").confidence < EXACT


def test_fitting_twice_gives_the_same_to_the_last_bit() -> None:
    a, b = matcher().index, matcher().index
    assert all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("whitener", "rows", "weights", "learnt"))
    assert np.array_equal(a.forecast.right, b.forecast.right)


def test_adjustments_move_labels() -> None:
    m = matcher()
    assert {m.match("抵押和大厅", {label: 1.0}).ranked[0].label for label in ("loan", "hall")} == {"loan", "hall"}


class TestThresholds:
    forecast = Forecast(
        right=np.array([0.2, 0.5, 0.9, 1.2]),
        wrong=np.array([-1, 0.4, -1, -1]),
        unknown=np.array([0.3, -1.0]),
        shadow=np.zeros(0),
        background=np.array([0.1, -1.0]),
        unknown_weights=np.ones(2),
        shadow_weights=np.zeros(0),
        top1=0.75,
    )
    mix = Mix(0.7, 0.2, 0.1)

    def test_the_answer_threshold_is_the_smallest_that_keeps_the_risk(self) -> None:
        answer, offer = self.forecast.thresholds(0.0, self.mix)
        assert answer == 0.5
        assert offer <= answer
        assert self.forecast.risk(np.array([answer]), self.mix) == 0

    def test_a_stricter_target_never_lowers_it(self) -> None:
        answers = [self.forecast.thresholds(t, self.mix)[0] for t in (0.5, 0.2, 0.1, 0.02, 0.0)]
        assert answers == sorted(answers)


class TestCache:
    def test_a_second_start_fits_nothing_and_finds_the_same(self, tmp_path: Path, monkeypatch) -> None:
        encoder = LexicalEncoder()
        first = Cache(tmp_path, encoder).index(PHRASES, INTENTS, ["天气"], [])
        monkeypatch.setattr("bot.matching.cache.build_index", lambda *a: pytest.fail("fitted again"))
        second = Cache(tmp_path, encoder).index(PHRASES, INTENTS, ["天气"], [])
        assert np.array_equal(first.rows, second.rows)
        assert first.forecast.thresholds(0.02, Mix(0.7, 0.2, 0.1)) == second.forecast.thresholds(
            0.02, Mix(0.7, 0.2, 0.1)
        )

    def test_a_changed_phrase_encodes_only_itself(self, tmp_path: Path) -> None:
        class Counting(LexicalEncoder):
            seen: list[str] = []  # noqa: RUF012

            def encode(self, texts):
                self.seen.extend(texts)
                return super().encode(texts)

        encoder = Counting()
        Cache(tmp_path, encoder).encode(["甲乙", "丙丁"])
        encoder.seen.clear()
        Cache(tmp_path, encoder).encode(["甲乙", "戊己"])
        assert encoder.seen == ["戊己"]

    @pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 broken", b"not a zip"])
    def test_a_damaged_file_is_made_anew(self, tmp_path: Path, damage: bytes) -> None:
        Cache(tmp_path, LexicalEncoder()).index(PHRASES, INTENTS, [], [])
        for path in tmp_path.glob("*.npz"):
            path.write_bytes(damage)
        Cache(tmp_path, LexicalEncoder()).index(PHRASES, INTENTS, [], [])

    def test_a_folder_that_cannot_be_written_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        Cache(tmp_path / "file" / "below", LexicalEncoder()).index(PHRASES, INTENTS, [], [])


class TestWording:
    words = Wording({"房本": "房产证", "咋办": "怎么办", "在线": "网上"}, ["请问", "你好"], ["谢谢", "急"])

    def test_synonyms_are_replaced_on_both_sides(self) -> None:
        assert self.words.standard("房本在线咋办") == "房产证网上怎么办"

    def test_standard_words_stay(self) -> None:
        assert self.words.standard("房产证怎么办") == "房产证怎么办"

    def test_padding_goes_and_the_matter_stays(self) -> None:
        assert self.words.bare("你好,请问房本咋办,谢谢!") == "房本咋办"
        assert self.words.bare("你好") == ""


def test_both_encoders_give_unit_rows_that_repeat() -> None:
    for name in ("use", "lexical"):
        encoder = make_encoder(name)
        rows = encoder.encode(["房产证能在网上办吗", "红码", ""])
        assert np.allclose(np.linalg.norm(rows[:2], axis=1), 1, atol=1e-3)
        assert np.array_equal(rows, encoder.encode(["房产证能在网上办吗", "红码", ""]))
        assert np.allclose(rows[:1], encoder.encode(["房产证能在网上办吗"]), atol=1e-5)


def test_the_lexical_fallback_answers_too(config, content) -> None:
    lexical = config.model_copy(update={"matching": config.matching.model_copy(update={"encoder": "lexical"})})
    match = build_dialogue(lexical, content).matcher.match("绿码带星要核酸报告吗")
    assert match.ranked[0].label == "code"


def test_every_phrase_has_a_label_and_shadow_topics_are_never_intents(content) -> None:
    phrases, intents = labelled(content, Wording({}))
    assert {p.label for p in phrases} >= intents
    assert not intents & set(content.topics)
