"""New questions find the open case that asks the same."""

from time import perf_counter

import numpy as np
import pytest

from bot.matching.encoder import Floats
from bot.matching.grouping import OpenCases, same_details


def row(*numbers: float) -> Floats:
    return np.array(numbers, np.float32) / np.float32(np.linalg.norm(numbers))


def some(number: int, dimensions: int) -> Floats:
    rows = np.random.default_rng(0).standard_normal((number, dimensions), np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def open_cases() -> OpenCases:
    """Case 10 with one question to the east, case 20 with one to the north."""
    made = OpenCases(2)
    made.add(1, 10, row(1, 0))
    made.add(2, 20, row(0, 1))
    return made


def cases(open_cases: OpenCases, asked: Floats, most: int = 9) -> list[int]:
    return [near.case for near in open_cases.nearest(asked, most)]


def test_the_nearest_case_comes_first(open_cases: OpenCases):
    assert cases(open_cases, row(1, 2)) == [20, 10]
    assert cases(open_cases, row(1, 2), most=1) == [20]


def test_a_case_stands_where_the_mean_of_its_questions_points(open_cases: OpenCases):
    open_cases.add(3, 10, row(0, 1))
    nearest = open_cases.nearest(row(0, 1), 2)
    assert [near.case for near in nearest] == [20, 10]
    assert [near.likeness for near in nearest] == pytest.approx([1.0, 0.5**0.5])


def test_a_question_can_go_to_another_case(open_cases: OpenCases):
    open_cases.add(1, 20, row(1, 0))
    assert cases(open_cases, row(1, 0)) == [20]


def test_without_questions_nothing_is_near():
    assert OpenCases(2).nearest(row(1, 0), 3) == []


def test_the_same_question_again_replaces_its_vector(open_cases: OpenCases):
    open_cases.add(1, 10, row(-1, 0))
    assert len(open_cases) == 2
    assert open_cases.nearest(row(-1, 0), 1)[0].likeness == 1


def test_of_two_cases_equally_near_the_older_comes_first(open_cases: OpenCases):
    open_cases.add(3, 5, row(0, 1))
    assert cases(open_cases, row(0, 1)) == [5, 20, 10]


def test_a_question_that_was_removed_is_not_found(open_cases: OpenCases):
    open_cases.remove(1)
    open_cases.remove(1)
    assert 1 not in open_cases
    assert cases(open_cases, row(1, 0)) == [20]


def test_merged_cases_are_one(open_cases: OpenCases):
    open_cases.merge(20, into=10)
    assert cases(open_cases, row(0, 1)) == [10]
    assert len(open_cases) == 2


def test_a_closed_case_leaves_with_all_its_questions(open_cases: OpenCases):
    open_cases.add(3, 10, row(1, 1))
    open_cases.close(10)
    assert cases(open_cases, row(1, 0)) == [20]
    assert len(open_cases) == 1


def test_what_was_taken_in_stays_right_however_many_come_and_go():
    rows = some(500, 8)
    open_cases = OpenCases(8)
    for question, vector in enumerate(rows):
        open_cases.add(question, question, vector)
    for question in range(0, 500, 3):
        open_cases.remove(question)
    left = [question for question in range(500) if question % 3]
    assert [cases(open_cases, rows[question], most=1) for question in left] == [[question] for question in left]


def test_ten_thousand_questions_are_compared_in_a_few_milliseconds():
    rows = some(10_000, 512)
    open_cases = OpenCases(512)
    for question, vector in enumerate(rows):
        open_cases.add(question, question // 2, vector)
    times = []
    for vector in rows[:20]:
        start = perf_counter()
        open_cases.nearest(vector, 5)
        times.append(perf_counter() - start)
    assert min(times) < 0.01


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("去南通要48小时核酸吗", "去南通要24小时核酸吗"),
        ("第一套房能网上办证吗", "第二套房能网上办证吗"),
        ("绿码带星要隔离吗", "绿码不带星要隔离吗"),
    ],
)
def test_other_numbers_and_denials_are_other_details(one: str, other: str):
    assert not same_details(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("满两年能卖吗", "滿2年可以賣嗎"),
        ("能不能网上办", "可以网上办吗"),
        ("一直没有热水", "没热水"),
        ("不动产登记在哪里办", "房产登记在哪里办"),
    ],
)
def test_other_words_alone_are_the_same_details(one: str, other: str):
    assert same_details(one, other)
