"""The matcher: repeatable, sure only where it may be, and the same from disk."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.app import build_dialogue, labelled
from bot.errors import HotlineError
from bot.matching import calibration
from bot.matching import matcher as matcher_module
from bot.matching import space as space_module
from bot.matching.cache import Cache
from bot.matching.calibration import Forecast, Mix, Thresholds, forecast
from bot.matching.encoder import E5Encoder, LexicalEncoder, UseEncoder, make_encoders
from bot.matching.matcher import EXACT, Kind, Match, Matcher, Material, Phrase, Verdict, build_index
from bot.matching.refit import refit
from bot.matching.space import RIDGE, RIDGE_WEIGHT, Vectors, fit, kernel, variations
from bot.matching.wording import Wording
from tests.conftest import ROOT

PHRASES = [
    Phrase(text, label, label, Kind.OTHER if label.startswith("x.") else Kind.INTENT)
    for label, texts in {
        "loan": ["抵押登记怎么办", "房子抵押要去现场吗", "不见面抵押"],
        "hall": ["大厅几点开门", "窗口上班没有", "大厅开了吗"],
        "x.fee": ["登记要交多少钱", "抵押收费标准", "大厅收费吗"],
        "single": ["发票在哪里开"],
    }.items()
    for text in texts
]


def matcher(above: Thresholds = Thresholds(0.6, 0.3), phrases: list[Phrase] = PHRASES) -> Matcher:  # noqa: B008
    encoder = LexicalEncoder()
    material = Material(phrases, ["今天天气怎么样"], ["请问"])
    return Matcher(material, encoder, build_index(material, encoder.encode), above)


def test_a_phrase_word_for_word_is_always_answered() -> None:
    match = matcher(Thresholds(EXACT - 1, 0)).match("大厅　几点開門？")
    assert (match.verdict, match.ranked[0].label) == (Verdict.ANSWER, "hall")


def test_an_intent_with_a_single_phrase_answers_nothing_but_that_phrase() -> None:
    m = matcher(Thresholds(-1.0, -1.0))
    assert m.match("发票在哪里开呀").ranked[0].label == "single"
    assert m.match("发票在哪里开呀").verdict is Verdict.OFFER
    assert m.match("发票在哪里开").verdict is Verdict.ANSWER


def test_a_phrase_of_two_labels_belongs_to_neither() -> None:
    phrases = [*PHRASES, Phrase("大厅几点开门", "loan", "loan", Kind.INTENT)]
    assert matcher(phrases=phrases).match("大厅几点开门").confidence < EXACT


def test_fitting_twice_gives_the_same_to_the_last_bit() -> None:
    a, b = matcher().index, matcher().index
    assert all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("whitener", "rows", "weights", "learnt"))
    assert np.array_equal(a.forecast.right, b.forecast.right)


def test_one_phrase_more_changes_at_most_one_of_the_variations_that_shape_the_space() -> None:
    texts = [f"第{n}件事要怎么办理才好" for n in range(1000)]
    before, after = (set(zip(*variations(some, ["请问"]), strict=True)) for some in (texts, ["新的一句问法", *texts]))
    assert len(before) == 600
    assert len(before - after) <= 2  # padded and shortened


def test_adjustments_move_labels() -> None:
    m = matcher()
    assert {m.match("抵押和大厅", {label: 1.0}).ranked[0].label for label in ("loan", "hall")} == {"loan", "hall"}


def test_the_closed_forms_say_what_learning_anew_without_the_phrases_would() -> None:
    rnd = np.random.RandomState(3)
    labels = np.repeat(np.arange(4), 5)
    rows = rnd.randn(20, 8)
    space = fit(Vectors(rows, labels, rnd.randn(3, 8), np.zeros((0, 8))))
    learn = kernel(space.rows @ space.rows.T)
    targets = np.vstack([np.eye(4)[labels], np.zeros((3, 4))])

    def without(left_out: list[int], asked: int) -> np.ndarray:
        kept = [i for i in range(23) if i not in left_out]
        gram = learn[np.ix_(kept, kept)] + RIDGE * np.eye(len(kept))
        return learn[asked, kept] @ np.linalg.solve(gram, targets[kept])

    vectors = Vectors(rows, labels, np.zeros((0, 8)), np.zeros((0, 8)))
    mine = np.arange(5, 10)
    likeness = space.rows[mine] @ space.rows[:20].T
    alone = np.array([without([i], i) for i in mine])
    together = np.array([without(list(mine), i) for i in mine])
    nearest = likeness.copy()
    nearest[np.arange(5), mine] = -1
    expected = np.maximum.reduceat(nearest, [0, 5, 10, 15], axis=1) + RIDGE_WEIGHT * alone
    assert np.allclose(calibration._without_itself(vectors, space, mine), expected, atol=1e-4)
    likeness[:, mine] = -1
    expected = np.maximum.reduceat(likeness, [0, 5, 10, 15], axis=1) + RIDGE_WEIGHT * together
    got = calibration._without_label(vectors, space, mine, 1)
    assert np.allclose(np.delete(got, 1, axis=1), np.delete(expected, 1, axis=1), atol=1e-4)


def test_with_too_many_phrases_the_ridge_learns_the_same_share_of_every_label(monkeypatch) -> None:
    monkeypatch.setattr(space_module, "MOST_LEARNT", 12)
    rnd = np.random.RandomState(3)
    labels = np.repeat(np.arange(3), [20, 10, 2])
    space = fit(Vectors(rnd.randn(32, 8), labels, rnd.randn(2, 8), np.zeros((0, 8))))
    learnt = space.learnt[space.learnt < 32]
    assert len(space.learnt) == 12
    assert np.bincount(labels[learnt]).tolist() == [4, 4, 2]
    assert set(space.learnt) >= {32, 33}
    everything = forecast(
        Vectors(rnd.randn(32, 8), labels, rnd.randn(2, 8), np.zeros((0, 8))), space, np.ones(3, bool), np.zeros(3, bool)
    )
    assert np.isfinite(everything.right).all()


class TestThresholds:
    forecast = Forecast(
        right=np.array([0.2, 0.5, 0.9, 1.2]),
        wrong=np.array([-1, 0.4, -1, -1]),
        unknown=np.array([0.3, -1.0]),
        shadow=np.zeros(0),
        background=np.array([0.1, -1.0]),
        alarm=np.array([0.7, -1.0, 0.2, -1.0]),
        unknown_weights=np.ones(2),
        shadow_weights=np.zeros(0),
        alarm_weights=np.ones(4),
    )
    mix = Mix(0.7, 0.2, 0.1)

    def test_the_answer_threshold_is_the_smallest_that_keeps_the_risk(self) -> None:
        above = self.forecast.thresholds(0.0, self.mix, 0.0)
        assert above.answer == 0.5
        assert above.offer <= above.answer
        assert self.forecast.risk(np.array([above.answer]), self.mix) == 0

    def test_fewer_false_alarms_need_more_confidence_that_it_is_an_emergency(self) -> None:
        assert [self.forecast.thresholds(0.0, self.mix, f).urgent for f in (0.0, 0.25, 0.5)] == [0.7, 0.2, -1.0]

    def test_a_stricter_target_never_lowers_it(self) -> None:
        answers = [self.forecast.thresholds(t, self.mix, 0.0).answer for t in (0.5, 0.2, 0.1, 0.02, 0.0)]
        assert answers == sorted(answers)


class TestCache:
    def test_a_second_start_fits_nothing_and_finds_the_same(self, tmp_path: Path, monkeypatch) -> None:
        encoder = LexicalEncoder()
        first = Cache(tmp_path, encoder).index(Material(PHRASES, ["天气"]))
        monkeypatch.setattr("bot.matching.cache.build_index", lambda *a: pytest.fail("fitted again"))
        second = Cache(tmp_path, encoder).index(Material(PHRASES, ["天气"]))
        assert np.array_equal(first.rows, second.rows)
        assert first.forecast.thresholds(0.02, Mix(0.7, 0.2, 0.1), 0.01) == second.forecast.thresholds(
            0.02, Mix(0.7, 0.2, 0.1), 0.01
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
        Cache(tmp_path, LexicalEncoder()).index(Material(PHRASES))
        first = {path: path.stat().st_size for path in tmp_path.glob("*.npz")}
        for path in first:
            path.write_bytes(damage)
        Cache(tmp_path, LexicalEncoder()).index(Material(PHRASES))
        assert {path: path.stat().st_size for path in tmp_path.glob("*.npz")} == first

    def test_a_folder_that_cannot_be_written_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        index = Cache(tmp_path / "file" / "below", LexicalEncoder()).index(Material(PHRASES))
        assert len(index.rows) == len(PHRASES)


class TestWording:
    words = Wording({"房本": "房产证", "咋办": "怎么办", "在线": "网上"}, ["请问", "你好"], ["谢谢", "急"])

    def test_synonyms_are_replaced_on_both_sides(self) -> None:
        assert self.words.standard("房本在线咋办") == "房产证网上怎么办"

    def test_standard_words_stay(self) -> None:
        assert self.words.standard("房产证怎么办") == "房产证怎么办"

    def test_padding_goes_and_the_matter_stays(self) -> None:
        assert self.words.bare("你好,请问房本咋办,谢谢!") == "房本咋办"
        assert self.words.bare("你好") == ""


@pytest.mark.parametrize("name", ["use", "e5", "lexical"])
def test_every_encoder_gives_unit_rows_that_repeat(name: str) -> None:
    (encoder,) = make_encoders(name)
    rows = encoder.encode(["房产证能在网上办吗", "红码", ""])
    assert np.allclose(np.linalg.norm(rows[:2], axis=1), 1, atol=1e-3)
    assert np.array_equal(rows, encoder.encode(["房产证能在网上办吗", "红码", ""]))
    assert np.allclose(rows[:1], encoder.encode(["房产证能在网上办吗"]), atol=1e-5)


class TestTheSecondEncoder:
    def test_the_text_that_would_write_past_its_buffer_never_reaches_it(self) -> None:
        code = "from bot.matching.encoder import E5Encoder; print(E5Encoder().encode([chr(0xFDFA) * 512]).shape)"
        out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert out.stdout.strip() == "(1, 384)", out.stderr  # a process of its own: the unguarded engine dies

    @pytest.mark.parametrize(
        "text", ["a\0b", "👨‍👩‍👧‍👦" * 60, "\U0002a6a5" * 300, "e\u0301" * 400, "<mask></s>", "\ufdfa"]
    )
    def test_hostile_text_gives_a_unit_row(self, text: str) -> None:
        assert np.isclose(np.linalg.norm(E5Encoder().encode([text])), 1, atol=1e-3)

    def test_where_it_cannot_run_both_is_the_first_alone_and_e5_says_what_to_do(self, monkeypatch) -> None:
        monkeypatch.setattr(E5Encoder, "available", staticmethod(lambda: False))
        assert [type(e) for e in make_encoders("both")] == [UseEncoder]
        with pytest.raises(HotlineError, match="改成 use"):
            make_encoders("e5")

    def asked(self, first: Thresholds, second: Thresholds, question: str = "抵押登记要去现场吗") -> Match:
        m = matcher(first)
        m.second = matcher(second)
        return m.match(question)

    def test_it_is_asked_where_the_first_would_only_offer_and_answers_when_it_is_sure(self) -> None:
        match = self.asked(Thresholds(EXACT - 1, 0), Thresholds(0.1, 0))
        assert (match.verdict, match.ranked[0].label, match.seconded) == (Verdict.ANSWER, "loan", True)

    def test_its_doubt_leaves_the_choice_to_the_citizen(self) -> None:
        assert self.asked(Thresholds(EXACT - 1, 0), Thresholds(EXACT - 1, 0)).verdict is Verdict.OFFER

    def test_what_the_first_refuses_stays_refused(self) -> None:
        assert self.asked(Thresholds(EXACT - 1, EXACT - 2), Thresholds(0.1, 0)).verdict is Verdict.REFUSE

    def test_where_a_shadow_topic_comes_first_it_is_not_asked(self) -> None:
        match = self.asked(Thresholds(EXACT - 1, 0, margin=5.0), Thresholds(-1, -1), "登记要交多少钱吗")
        assert match.ranked[0].label == "x.fee"
        assert match.verdict is Verdict.OFFER


def test_of_large_content_only_the_nearest_are_compared_in_full_and_the_answers_stay(monkeypatch) -> None:
    rnd = random.Random(1)
    words = ["抵押", "登记", "大厅", "窗口", "发票", "现场", "网上", "过户", "查档", "材料", "缴税", "公证"]
    phrases = [
        Phrase("".join(rnd.sample(words, 4)) + words[n % 12], f"i{n % 12}", f"i{n % 12}", Kind.INTENT)
        for n in range(900)
    ]
    m = matcher(phrases=phrases)
    questions = ["".join(rnd.sample(words, 5)) for _ in range(60)]
    exact = [m.match(q).ranked[0].label for q in questions]
    monkeypatch.setattr(matcher_module, "PREFILTERED", 1)
    monkeypatch.setattr(matcher_module, "LEADING_AXES", 64)
    near = [m.match(q).ranked[0].label for q in questions]
    assert sum(a == b for a, b in zip(exact, near, strict=True)) >= 57


def test_of_many_phrases_only_some_labels_are_left_out_in_turn(monkeypatch) -> None:
    monkeypatch.setattr(calibration, "MOST_FORECAST", 50)
    rnd = np.random.RandomState(3)
    vectors = Vectors(rnd.randn(200, 8), np.repeat(np.arange(20), 10), rnd.randn(2, 8), np.zeros((0, 8)))
    some = forecast(vectors, fit(vectors), np.ones(20, bool), np.zeros(20, bool))
    assert len(some.unknown) == 50


def test_the_lexical_fallback_answers_too(config, content) -> None:
    lexical = config.model_copy(update={"matching": config.matching.model_copy(update={"encoder": "lexical"})})
    match = build_dialogue(lexical, content).matcher.match("绿码带星要核酸报告吗")
    assert match.ranked[0].label == "code"


def test_every_phrase_has_a_label_and_shadow_topics_are_never_intents(content) -> None:
    kinds = {p.label: p.kind for p in labelled(content, Wording({}))}
    assert {kinds[topic] for topic in content.topics} == {Kind.OTHER}
    assert {kinds[number] for number in content.urgent} == {Kind.URGENT}
    assert {label for label, kind in kinds.items() if kind is Kind.INTENT and "." not in label} == {
        "code",
        "hotline",
        "travel",
    }


@pytest.mark.parametrize("changed", [3, 100])
def test_a_few_phrases_more_or_less_need_no_new_fit_and_the_ridge_is_exact(changed: int) -> None:
    encoder = LexicalEncoder()
    phrases = [Phrase(f"第{n}件事怎么办{n * 7}", f"i{n % 40}", f"i{n % 40}", Kind.INTENT) for n in range(400)]
    before = Material(phrases, ["今天天气不错", "晚上吃什么"])
    fitted = build_index(before, encoder.encode)
    later = [
        *phrases[changed:],
        *(replace(p, text=f"{p.text}呢") for p in phrases[:changed]),
        Phrase("一件全新的事", "new", "new", Kind.INTENT),
    ]
    index = refit(fitted, before, Material(later, before.background[:1]), encoder.encode)
    learn = index.rows[index.learnt]
    gram = np.exp(-3.0 * (1 - learn @ learn.T)) + 0.3 * np.eye(len(learn))
    _, number = np.unique([label for _, label in Material(later).rows()], return_inverse=True)
    targets = np.zeros((len(learn), int(number.max()) + 1))
    targets[np.arange(len(number)), number] = 1
    assert np.abs(np.linalg.solve(gram, targets).T - index.weights).max() < 1e-3
    assert np.array_equal(index.whitener, fitted.whitener)
