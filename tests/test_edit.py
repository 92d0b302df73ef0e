"""An edit changes what was meant and no other line, or says why it cannot."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content import edit
from bot.content.edit import EditRefused
from bot.content.load import Content, load_content
from bot.errors import HotlineError
from bot.yamlfile import Plain, parse
from tests.conftest import ROOT, World

OURS = [ROOT / "intents" / f"{name}.yaml" for name in ("city", "code", "epidemic", "hotline", "land", "property")]
OTHERS = [ROOT / "intents" / f"{name}.yaml" for name in ("shadow", "smalltalk", "urgent")]

NASTY = " -:#,[]{}&*!|>'\"%@`?=~\\/.\n\t\r\x0b\x1c\x85\xa0\u2028\u3000\ufeff\ufffe\U0001f600甲乙0aé"
texts = (st.text(st.sampled_from(NASTY), max_size=12) | st.text(st.characters(exclude_categories=["Cs"]))).filter(
    lambda text: bool(text.strip())
)
one_line = texts.filter(lambda text: "\n" not in text)


def text_of(path: Path) -> str:
    """The text with its line ends as they are."""
    return path.read_bytes().decode()


def says(text: str) -> Plain:
    """What a file of this text holds, to the bot and (where that is not too slow) to PyYAML's own reader alike."""
    sheet = parse(Path("some.yaml"), text)
    assert not [problem for problem in sheet.problems if not problem.is_warning]
    assert len(text) > 5000 or yaml.load(text.removeprefix("\ufeff"), yaml.BaseLoader) == sheet.node.plain()
    return sheet.node.plain()


def lines(text: str) -> list[str]:
    """The lines as git sees them, each with its end."""
    return [line + "\n" for line in text.split("\n")[:-1]] + [line for line in text.split("\n")[-1:] if line]


def new_lines(before: str, after: str) -> list[str]:
    """The lines added; fails if one was removed or changed."""
    old, added = lines(before), []
    for line in lines(after):
        if old and line == old[0]:
            del old[0]
        else:
            added.append(line)
    assert not old, f"changed or gone: {old}"
    return added


def numstat(folder: Path, before: str, after: str) -> tuple[int, int]:
    """Lines added and removed, by git."""
    paths = [folder / "before", folder / "after"]
    for path, text in zip(paths, (before, after), strict=True):
        path.write_bytes(text.encode())
    command = ["git", "diff", "--no-index", "--numstat", *map(str, paths)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return int(shown[0]), int(shown[1])


def entries(path: Path) -> list[str]:
    return list(parse(path, text_of(path)).node.value)


# The shipped files


def loaded(world: World) -> Content:
    content, problems = load_content(world.folder / "intents", world.folder / "knowledge", 10_000_000, checks=False)
    assert not problems
    return content


@pytest.mark.parametrize("shipped", OURS, ids=lambda path: path.stem)
def test_a_phrase_for_any_shipped_intent_is_one_line_more_and_nothing_else_in_the_content(
    copy_of_ours: World, tmp_path: Path, shipped: Path
) -> None:
    path = copy_of_ours.folder / "intents" / shipped.name
    text, before = text_of(shipped), loaded(copy_of_ours)
    for key in entries(shipped):
        after = edit.add_phrases(text, key, ["从没问过的, 一句: 话"])
        assert numstat(tmp_path, text, after) == (1, 0)
        path.write_bytes(after.encode())
        intent = before.intents[key]
        more = intent.model_copy(update={"phrases": (*intent.phrases, "从没问过的, 一句: 话")})
        now = replace(loaded(copy_of_ours), places=before.places)
        assert now == replace(before, intents={**before.intents, key: more})


@settings(max_examples=40, deadline=None)
@given(path=st.sampled_from([*OURS, *OTHERS]), at=st.integers(0, 10_000), phrase=one_line)
def test_any_phrase_for_any_entry_of_any_shipped_file_is_one_line_more(path: Path, at: int, phrase: str) -> None:
    text, keys = text_of(path), entries(path)
    key = keys[at % len(keys)]
    after = edit.add_phrases(text, key, [phrase])
    assert len(new_lines(text, after)) == 1
    meant = says(text)
    meant[key]["phrases"].append(phrase)
    assert says(after) == meant


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_phrase_added_to_a_shipped_intent_and_removed_again_leaves_the_text_as_it_was(path: Path) -> None:
    text = text_of(path)
    for key in entries(path):
        assert edit.remove_phrase(edit.add_phrases(text, key, ["甲乙"]), key, "甲乙") == text


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_shipped_answer_can_be_worded_anew_and_given_another_day(
    path: Path, content: Content, tmp_path: Path
) -> None:
    text = text_of(path)
    for key in entries(path):
        for answer in content.intents[key].answers:
            worded = edit.replace_answer(text, key, answer.region, "另一句话。")
            assert numstat(tmp_path, text, worded) == (1, 1)
            dated = edit.set_valid_until(text, key, answer.region, "2031-05")
            assert numstat(tmp_path, text, dated) == ((1, 1) if answer.valid_until else (1, 0))
            without = edit.remove_valid_until(dated, key, answer.region)
            assert answer.valid_until or without == text


def test_every_shipped_document_takes_a_fact_and_every_file_of_checks_a_question() -> None:
    fact: dict[str, Plain] = {"where": "开头", "statement": "一句话。"}
    for path in sorted((ROOT / "knowledge").glob("*.yaml")):
        added = new_lines(text_of(path), edit.add_fact(text_of(path), "new", fact))
        assert added == ["  new:\n", "    where: 开头\n", "    statement: 一句话。\n"]
    for path in sorted((ROOT / "intents" / "checks").glob("*.yaml")):
        added = new_lines(text_of(path), edit.add_check(text_of(path), {"ask": "甲, 乙?", "expect": "unanswered"}))
        assert added == ['- {ask: "甲, 乙?", expect: unanswered}\n']


def test_background_takes_a_line(tmp_path: Path) -> None:
    text = text_of(ROOT / "intents" / "background.yaml")
    after = edit.add_lines(text, ["今天吃什么"])
    assert new_lines(text, after) == ["  - 今天吃什么\n"]
    assert numstat(tmp_path, text, after) == (1, 0)


@pytest.mark.parametrize("path", [*OURS, *OTHERS], ids=lambda path: path.stem)
def test_any_shipped_entry_written_anew_at_the_end_of_its_file_reads_as_before(path: Path) -> None:
    text = text_of(path)
    before = says(text)
    entry = list(before.values())[-1]
    after = edit.add_entry(text, "new.entry", entry)
    assert after.startswith(text)
    assert says(after) == {**before, "new.entry": entry}
    assert says(edit.new_file(before)) == before


def test_a_new_intent_is_written_as_ours_are_written() -> None:
    text = text_of(ROOT / "intents" / "code.yaml")
    start = text.index("\ncode.yellow:") + 1
    end = text.index("\n\n", start) + 1
    entry = says(text[start:end])
    assert edit.new_file(entry) == text[start:end]


# Files as other people write them

ITEMS = [
    ("- 甲", "甲"),
    ("-   乙", "乙"),
    ("- 丙    # 注释: x", "丙"),
    ('- "丁, 丁: # x"', "丁, 丁: # x"),
    ("- '戊''戊'", "戊'戊"),
    ("- |-\n@  己\n@\n@  己己", "己\n\n己己"),
    ("- >-\n@  庚\n@  庚庚", "庚 庚庚"),
    ("- |  # 注释\n@    辛\n@  \n@", "辛\n"),
    ("- 壬\n@  壬壬", "壬 壬壬"),
    ('- "癸\n@  癸癸"', "癸 癸癸"),
    ("-\n@   子", "子"),
]
BETWEEN = ["", "# 注释\n", "\n", "@# 注释\n", "@ # - 注释\n\n"]
BEHIND = [
    "",
    "\n",
    "  # 注释\n  answers:\n  - text: 答\n",
    "next:\n  phrases: [丑]\n",
    "# 注释",
    "\n\n  title: 题\n\n# 完\n",
]


@dataclass(frozen=True)
class File:
    """A file with one list of phrases, under `entry`."""

    text: str
    phrases: list[str]

    def with_phrases(self, phrases: list[str]) -> Plain:
        plain = says(self.text)
        return {**plain, "entry": {**plain["entry"], "phrases": phrases}}


@st.composite
def files(draw: st.DrawFn) -> File:
    indent = draw(st.sampled_from(["  ", "    "]))
    dash = indent + draw(st.sampled_from(["", "  ", "    "]))
    items = draw(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=4, unique=True))
    text = f"# 注释\n\nentry:\n{indent}department: 甲\n{indent}phrases:{draw(st.sampled_from(['', '  # 问法']))}\n"
    for written, _ in items:
        text += f"{draw(st.sampled_from(BETWEEN))}@{written}\n".replace("@", dash)
    text += draw(st.sampled_from(BEHIND)).replace("  ", indent)
    if draw(st.booleans()):
        text = text.rstrip()
    elif not text.endswith("\n"):
        text += "\n"
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    phrases = says(text)["entry"]["phrases"]
    return File(draw(st.sampled_from(["", "\ufeff"])) + text, phrases)


def test_the_made_up_files_hold_what_they_are_meant_to_hold() -> None:
    for written, value in ITEMS:
        assert says(f"phrases:\n    {written}\n".replace("@", "    ")) == {"phrases": [value]}


@settings(max_examples=200, deadline=None)
@given(file=files(), phrase=one_line)
def test_any_phrase_added_to_any_list_is_one_line_more_and_the_others_stay_as_they_are(file: File, phrase: str) -> None:
    after = edit.add_phrases(file.text, "entry", [phrase])
    assert len(new_lines(file.text, after)) == 1
    got = says(after)["entry"]["phrases"]
    assert got in ([*file.phrases, phrase], [*file.phrases[:-1], phrase, file.phrases[-1]])
    assert says(after) == file.with_phrases(got)


@settings(max_examples=150, deadline=None)
@given(file=files(), phrases=st.lists(texts, min_size=2, max_size=3))
def test_several_phrases_of_several_lines_only_add_lines(file: File, phrases: list[str]) -> None:
    after = edit.add_phrases(file.text, "entry", phrases)
    added = new_lines(file.text, after)
    assert len(phrases) <= len(added) <= len(phrases) + sum(phrase.count("\n") + 1 for phrase in phrases)
    assert sorted(says(after)["entry"]["phrases"]) == sorted([*file.phrases, *phrases])


@settings(max_examples=200, deadline=None)
@given(file=files(), at=st.integers(0, 3))
def test_any_phrase_can_be_taken_out_again_and_only_its_own_lines_go(file: File, at: int) -> None:
    phrase = file.phrases[at % len(file.phrases)]
    after = edit.remove_phrase(file.text, "entry", phrase)
    left = [p for p in file.phrases if p != phrase]
    assert says(after) == file.with_phrases(left)
    if left:
        gone = new_lines(after, file.text)
        assert not [line for line in gone if line.lstrip().startswith("#")]


def test_a_phrase_is_indented_like_its_own_siblings_whatever_the_rest_of_the_file_does() -> None:
    text = "b:\n  phrases:\n  - x\na:\n    phrases:\n      -   x\n      -   z\n"
    assert edit.add_phrases(text, "a", ["y"]) == text + "      -   y\n"
    assert edit.add_phrases(text, "b", ["y"]) == text.replace("  - x\na", "  - x\n  - y\na")


NO_FINAL_NEWLINE = [
    ("a:\n  phrases:\n    - x", "    - y\n"),
    ("a:\n  phrases:  # 问法\n    # 注释\n    - x", "    - y\n"),
    ("a:\n  phrases:\n  - w\n  # 属于 x 的注释\n  - x", "  - y\n"),
    ("a:\r\n    phrases:\r\n    - x", "    - y\r\n"),
]


@pytest.mark.parametrize(("text", "line"), NO_FINAL_NEWLINE)
def test_where_the_file_ends_without_a_line_end_a_phrase_goes_before_the_last_one(
    tmp_path: Path, text: str, line: str
) -> None:
    after = edit.add_phrases(text, "a", ["y"])
    assert new_lines(text, after) == [line]
    assert after.endswith("- x")
    assert numstat(tmp_path, text, after) == (1, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a:\n  phrases: [x, z]\n", "a:\n  phrases: [x, z, y]\n"),
        ("a:\n  phrases: [x, z,]  # 注释\n", "a:\n  phrases: [x, z, y,]  # 注释\n"),
        ("a:\n  phrases: [x,\n    # 注释\n    z\n  ]\n", "a:\n  phrases: [x,\n    # 注释\n    z, y\n  ]\n"),
        ("a:\n  phrases: []\n", "a:\n  phrases: [y]\n"),
        ("a:\n  phrases: [ ]", "a:\n  phrases: [y ]"),
        ("a: {title: t, phrases: [x]}\n", "a: {title: t, phrases: [x, y]}\n"),
        ("a: {title: t}\n", "a: {title: t, phrases: [y]}\n"),
        ("a: {}\n", "a: {phrases: [y]}\n"),
        ("a:\n  phrases:\n", "a:\n  phrases:\n    - y\n"),
        ("a:\n    phrases:  # 空的\n    next: [b]\n", "a:\n    phrases:  # 空的\n        - y\n    next: [b]\n"),
        ("a:\n  phrases:", "a:\n  phrases:\n    - y"),
        ("a:\nb:\n  title: t\n", "a:\n  phrases:\n    - y\nb:\n  title: t\n"),
        (
            "a:\n  title: t\n  department: d\n\n  # 注释\n  answers:\n  - text: 答\n",
            "a:\n  title: t\n  department: d\n  phrases:\n  - y\n\n  # 注释\n  answers:\n  - text: 答\n",
        ),
        (
            "a:\n    text: t\n    words: [w,\n      v]\nb:\n    text: t\n",
            "a:\n    text: t\n    words: [w,\n      v]\n    phrases:\n        - y\nb:\n    text: t\n",
        ),
    ],
)
def test_a_phrase_finds_its_place_where_there_is_no_list_of_lines(before: str, after: str) -> None:
    assert edit.add_phrases(before, "a", ["y"]) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a:\n  phrases: [x, y, z]\n", "a:\n  phrases: [x, z]\n"),
        ("a:\n  phrases: [x, y]\n", "a:\n  phrases: [x]\n"),
        ("a:\n  phrases: [y]\n", "a:\n  phrases: []\n"),
        ("a:\n  phrases: [x,\n    y,\n    z]\n", "a:\n  phrases: [x,\n    z]\n"),
        ("a:\n  phrases: [\n    x,\n    y\n  ]\n", "a:\n  phrases: [\n    x,\n  ]\n"),
        ("a:\n  phrases: [x, y  # 注释\n  ]\n", "a:\n  phrases: [x  # 注释\n  ]\n"),
        ("a:\n  phrases:\n    - y\n  next: []\n", "a:\n  phrases: []\n  next: []\n"),
        ("a:\n  phrases :\n    # 注释\n    - y", "a:\n  phrases : []\n    # 注释\n"),
        ("a:\n  phrases:\n    - x\n    - y", "a:\n  phrases:\n    - x\n"),
        ("a:\n  phrases:\n    - '  y '\n    - x\n    - y\n", "a:\n  phrases:\n    - x\n    - y\n"),
    ],
)
def test_a_phrase_leaves_a_list_tidy(before: str, after: str) -> None:
    assert edit.remove_phrase(before, "a", "y") == after


# Answers

WORDINGS = [
    "旧文字",
    '"旧, 文字"',
    "'旧'  # 注释",
    "旧\n@  文字\n@  更多",
    '"旧\n\n@  文字"',
    "|\n@  旧\n@\n@  文字",
    "|+\n@  旧\n@\n",
    ">-  # 注释\n@  旧\n@  文字\n",
    "|2\n@    旧\n",
    "",
]


@st.composite
def answers(draw: st.DrawFn) -> str:
    """A file with two answers in which the second, for 南京市, has one of many wordings."""
    dash = draw(st.sampled_from(["  ", "    ", "      "]))
    other = f"{dash}- text: 通用\n{dash}  facts: [a/b]\n"
    wording = draw(st.sampled_from(WORDINGS)).replace("@", f"{dash}  ")
    ours = [f"region: 南京市\n{dash}  ", f"text: {wording}\n{dash}  ", f"facts: [a/b]  # 注释\n{dash}  "]
    ours = draw(st.permutations(ours))
    text = f"entry:\n  title: 题\n  answers:\n{other}{dash}- {''.join(ours).rstrip(' ')}"
    text += draw(st.sampled_from(["", "\n", "    # 注释\n", "  next: [x]\n", "other:\n  title: 题\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def answer(text: str) -> dict[str, Plain]:
    return says(text)["entry"]["answers"][1]


@settings(max_examples=200, deadline=None)
@given(text=answers(), new=texts)
def test_any_wording_of_an_answer_can_become_any_other(text: str, new: str) -> None:
    old = answer(text)
    after = edit.replace_answer(text, "entry", "南京市", new)
    assert answer(after) == {**old, "text": new}
    assert edit.replace_answer(after, "entry", "", "也换") == after.replace("通用", "也换")


@settings(max_examples=200, deadline=None)
@given(text=answers())
def test_the_day_of_an_answer_comes_changes_and_goes_and_all_else_stays(text: str) -> None:
    dated = edit.set_valid_until(text, "entry", "南京市", "2022-04-06")
    assert len(new_lines(text, dated)) == 1
    assert answer(dated) == {**answer(text), "valid_until": "2022-04-06"}
    later = edit.set_valid_until(dated, "entry", "南京市", "2023")
    assert later == dated.replace("2022-04-06", "2023")
    assert edit.remove_valid_until(later, "entry", "南京市") == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{text: t, valid_until: 2022}", "{text: t}"),
        ("{valid_until: 2022, text: t}", "{text: t}"),
        ("text: t\n      valid_until: 2022  # 注释\n      facts: []", "text: t\n      facts: []"),
        ("valid_until: 2022\n      text: t", "text: t"),
    ],
)
def test_the_day_of_an_answer_goes_wherever_it_stands(before: str, after: str) -> None:
    text = f"a:\n  answers:\n    - {before}\n"
    assert edit.remove_valid_until(text, "a", "") == text.replace(before, after)


def test_the_day_goes_behind_the_facts_and_before_what_is_known_of_it() -> None:
    text = "a:\n  answers:\n  - text: t\n    facts: [\n      a/b]\n    expiry_known: false\n"
    after = edit.set_valid_until(text, "a", "", "2022")
    assert after == text.replace("a/b]\n", "a/b]\n    valid_until: 2022\n")


# Entries, facts, checks, new files

ENTRY: dict[str, Plain] = {
    "title": "异地结婚登记",
    "department": "civil_affairs",
    "phrases": ["异地领证", "- 一句: 怪话", "两\n行"],
    "answers": [{"region": "合肥市", "text": "第一行\n\n第二行", "facts": ["hefei-2024/a"], "valid_until": "2025-12"}],
    "next": ["dispatch.who_handles"],
}


def test_a_new_intent_follows_the_indents_of_its_file() -> None:
    after = edit.add_entry("a:\n    title: t\n    phrases:\n    - x\n\n# 完", "b", ENTRY)
    assert after.removeprefix("a:\n    title: t\n    phrases:\n    - x\n\n# 完\n").splitlines() == [
        "b:",
        "    title: 异地结婚登记",
        "    department: civil_affairs",
        "    phrases:",
        "    - 异地领证",
        '    - "- 一句: 怪话"',
        "    - |-",
        "        两",
        "        行",
        "    answers:",
        "    - region: 合肥市",
        "      text: |-",
        "          第一行",
        "",
        "          第二行",
        "      facts: [hefei-2024/a]",
        "      valid_until: 2025-12",
        "    next: [dispatch.who_handles]",
    ]


@pytest.mark.parametrize(
    ("before", "added"),
    [
        ("a:\n  x: y\n", "b:\n  x: z\n"),
        ("a:\r\n  x: y\r\n", "b:\r\n  x: z\r\n"),
        ("a:\n  x: y", "\nb:\n  x: z"),
        ("a:\n  x: y\n\nc:\n  x: y\n", "\nb:\n  x: z\n"),
        ("a:\n  x: y\n\nc:\n  x: y\n\n", "b:\n  x: z\n"),
        ("a: {x: y}\n", "b: {x: z}\n"),
        ("a:\n- x\n# 完\n", "b:\n  x: z\n"),
    ],
)
def test_a_new_entry_stands_at_the_end_like_the_one_before_it(before: str, added: str) -> None:
    assert edit.add_entry(before, "b", {"x": "z"}) == before + added


def test_a_fact_finds_its_place_in_any_document() -> None:
    fact: dict[str, Plain] = {"where": "开头", "statement": "一句, 话"}
    short = edit.add_fact("facts:\n  a: {where: x, statement: y}\ntitle: t\n", "b", fact)
    assert short == 'facts:\n  a: {where: x, statement: y}\n  b: {where: 开头, statement: "一句, 话"}\ntitle: t\n'
    long = "  b:\n    where: 开头\n    statement: 一句, 话\n"
    assert edit.add_fact("title: t\n", "b", fact) == "title: t\nfacts:\n" + long
    assert edit.add_fact("facts:\ntitle: t\n", "b", fact) == f"facts:\n{long}title: t\n"
    assert edit.add_fact("facts: {}\n", "b", fact) == 'facts: {b: {where: 开头, statement: "一句, 话"}}\n'


def test_a_check_keeps_its_place_at_the_end_even_where_the_line_before_has_to_end_for_it(tmp_path: Path) -> None:
    text = "- {ask: a, expect: b}"
    after = edit.add_check(text, {"ask": "c", "expect": "d"})
    assert after == text + "\n- {ask: c, expect: d}"
    assert numstat(tmp_path, text, after) == (2, 1)


def test_a_check_is_written_like_the_one_before_it() -> None:
    text = "- ask: a\n  expect: b\n# 完\n"
    assert edit.add_check(text, {"ask": "c", "expect": "d"}) == text.replace("# ", "- ask: c\n  expect: d\n# ")
    assert edit.add_check("[]\n", {"ask": "c", "expect": "d"}) == "[{ask: c, expect: d}]\n"


def test_a_new_document_is_written_as_the_guide_shows_it() -> None:
    guide = (ROOT / "intents" / "README.md").read_text(encoding="utf-8")
    start = guide.index("title: 不动产登记便民服务报道")
    shown = guide[start : guide.index("```", start)]
    document = says(shown)
    assert edit.new_file(document) == shown
    assert edit.new_file([{"ask": "a", "expect": "b"}]) == "- {ask: a, expect: b}\n"


plain: st.SearchStrategy[Plain] = st.recursive(
    st.text(st.sampled_from(NASTY), max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(st.sampled_from(NASTY), max_size=5), below),
    max_leaves=8,
)
keys = st.sampled_from(["facts", "phrases", "next"]) | st.text(st.sampled_from(NASTY), max_size=5)


@settings(max_examples=200, deadline=None)
@given(content=st.dictionaries(keys, plain, min_size=1))
def test_any_content_written_as_a_file_of_its_own_reads_back_as_it_was(content: dict[str, Plain]) -> None:
    assert says(edit.new_file(content)) == content


@settings(max_examples=200, deadline=None)
@given(file=files(), entry=st.dictionaries(keys, plain, min_size=1))
def test_any_entry_can_be_added_to_any_file_that_ends_with_a_line_end(file: File, entry: dict[str, Plain]) -> None:
    text = file.text if file.text.endswith("\n") else file.text + "\n"
    after = edit.add_entry(text, "b", entry)
    assert after.startswith(text)
    assert says(after) == {**says(text), "b": entry}


# How texts are written


@pytest.mark.parametrize(
    "text", ["12:30", "2022-04-06", "0112", "no", "~", "a#b", "甲：乙", '他说"好"', "100%", "a-b", "……"]
)
def test_what_reads_back_as_it_is_gets_no_quotes(text: str) -> None:
    assert edit.add_phrases("a:\n  phrases: []\n", "a", [text]).count(text) == 1
    assert f"- {text}\n" in edit.add_phrases("a:\n  phrases:\n  - x\n", "a", [text])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("甲: 乙", '"甲: 乙"'),
        ("甲:", '"甲:"'),
        ("甲 #乙", '"甲 #乙"'),
        ("- 甲", '"- 甲"'),
        ("-5 度", '"-5 度"'),
        ("{甲}", '"{甲}"'),
        ("*甲", '"*甲"'),
        ("&甲", '"&甲"'),
        ("!甲", '"!甲"'),
        ("%甲", '"%甲"'),
        ("@甲", '"@甲"'),
        (" 甲", '" 甲"'),
        ("甲\u3000", '"甲\u3000"'),
        ('"甲" \\', '"\\"甲\\" \\\\"'),
        ("甲\t乙", '"甲\\t乙"'),
        ("甲\x07乙", '"甲\\x07乙"'),
        ("甲\u2028乙", '"甲\\u2028乙"'),
        ("甲\n乙\n", '"甲\\n乙\\n"'),
        ("甲\n乙 #丙", '"甲\\n乙 #丙"'),
        ("甲\n乙", "|-\n    甲\n    乙"),
    ],
)
def test_quotes_stand_where_they_are_needed(text: str, written: str) -> None:
    assert f"  - {written}\n" in edit.add_phrases("a:\n  phrases:\n  - x\n", "a", [text])


def test_a_long_text_is_not_folded() -> None:
    assert "长 话" * 500 in edit.add_phrases("a:\n  phrases:\n  - x\n", "a", ["长 话" * 500])


# What is refused

SMALL = "a:\n  title: t\n  phrases:\n    - x\n  answers:\n    - text: t\n      facts: [d/f]\n"


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: edit.add_phrases(SMALL, "b", ["y"]), "没有「b」"),
        (lambda: edit.add_phrases(SMALL, "a", ["y", " \n"]), "不能为空"),
        (lambda: edit.replace_answer(SMALL, "a", "", ""), "不能为空"),
        (lambda: edit.add_phrases(SMALL, "a", ["\ud800"]), "存不下来"),
        (lambda: edit.add_phrases(SMALL + "b: *x\n", "a", ["y"]), "第 8 行"),
        (lambda: edit.add_phrases(SMALL + "a:\n", "a", ["y"]), "重复"),
        (lambda: edit.add_phrases("a:\n\tphrases: []\n", "a", ["y"]), "制表符"),
        (lambda: edit.add_phrases("", "a", ["y"]), "空的"),
        (lambda: edit.add_phrases("- a\n", "a", ["y"]), "键: 值"),
        (lambda: edit.add_phrases("a: b\n", "a", ["y"]), "键: 值"),
        (lambda: edit.add_phrases("a:\n  phrases: x\n", "a", ["y"]), "应是列表"),
        (lambda: edit.add_phrases('a:\n  phrases: ""\n', "a", ["y"]), "应是列表"),
        (lambda: edit.remove_phrase(SMALL, "a", "y"), "没有问法「y」"),
        (lambda: edit.remove_phrase("a:\n  title: t\n", "a", "y"), "没有问法「y」"),
        (lambda: edit.remove_phrase("a:\n  phrases:\n  -  # 注释\n    x\n  - y\n", "a", "x"), "用编辑器"),
        (lambda: edit.replace_answer(SMALL, "a", "南京市", "新"), "没有「南京市」的答复"),
        (lambda: edit.replace_answer(SMALL + "    - text: u\n", "a", "", "新"), "有 2 条通用"),
        (lambda: edit.replace_answer("a:\n  answers:\n  - facts: []\n", "a", "", "新"), "没有 text"),
        (lambda: edit.replace_answer("a:\n  answers:\n  - text: [x]\n", "a", "", "新"), "一句文字"),
        (lambda: edit.set_valid_until(SMALL, "a", "", " "), "不能为空"),
        (lambda: edit.remove_valid_until(SMALL, "a", ""), "没有写 valid_until"),
        (
            lambda: edit.remove_valid_until(
                "a:\n  answers:\n  - valid_until: 2022\n    # 注释\n    text: t\n", "a", ""
            ),
            "用编辑器",
        ),
        (lambda: edit.add_entry(SMALL, "a", ENTRY), "「a」已经有了(第 1 行)"),
        (lambda: edit.add_entry(SMALL + "...\n", "b", ENTRY), "没有改"),
        (lambda: edit.add_fact("facts:\n  f: {where: x, statement: y}\n", "f", {}), "已经有了(第 2 行)"),
        (lambda: edit.add_check(SMALL, {"ask": "x"}), "应是列表"),
        (lambda: edit.new_file({}), "不能是空的"),
        (lambda: edit.add_entry("a: |\n  没有行尾", "b", {"x": "y"}), "不一样"),
        (lambda: edit.remove_phrase('a:\n  phrases: ["x", y] # 注释\n', "a", "x"), "没有改"),
    ],
)
def test_what_cannot_be_done_safely_is_refused_in_chinese(attempt: Callable[[], str], words: str) -> None:
    with pytest.raises(EditRefused, match=words.replace("(", r"\(").replace(")", r"\)")) as refused:
        attempt()
    assert isinstance(refused.value, HotlineError)


def test_adding_nothing_changes_nothing() -> None:
    for text in (SMALL, "a:\n  phrases: []\n", "a:\n  title: t\n"):
        assert edit.add_phrases(text, "a", []) == text
