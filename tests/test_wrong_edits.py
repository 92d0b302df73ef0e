"""A hundred kinds of wrong edits: none of them reaches a citizen, and each is told with a file and a line."""

from collections.abc import Callable, Iterator

import pytest

from bot.config import load_config
from bot.edition import Files, files_of
from bot.rehearsal import Stage
from tests.conftest import World

OWN, PAPER, PLACES = "intents/own.yaml", "knowledge/paper.yaml", "intents/regions.yaml"
OFFICES, URGENT, CHECKS = "intents/departments.yaml", "intents/urgent.yaml", "intents/checks/own.yaml"
Edit = Callable[[bytes], bytes]


def swap(old: str, new: str) -> Edit:
    def edit(body: bytes) -> bytes:
        assert old.encode() in body, old
        return body.replace(old.encode(), new.encode(), 1)

    return edit


def end(text: str) -> Edit:
    return lambda body: body + text.encode()


def edits() -> Iterator[tuple[str, str, Edit]]:
    """What is done, to which file, and how."""
    for key in ("title", "department", "phrases", "answers"):
        yield f"misspells {key}", OWN, swap(f"  {key}:", f"  {key}x:")
        yield f"drops {key}", OWN, swap(f"  {key}:", f"  # {key}:")
        yield f"writes {key} with a full-width colon", OWN, swap(f"  {key}:", f"  {key}：")
        yield (
            f"leaves no space behind {key}",
            OWN,
            swap(f"  {key}: " if key in "titledepartment" else f"  {key}:", f"  {key}:x"),
        )
        yield f"repeats {key}", OWN, swap(f"  {key}:", f"  {key}: 甲\n  {key}:")
    for key in ("region", "text", "facts"):
        yield f"misspells {key} of an answer", OWN, swap(f"{key}:", f"{key}z:")
    for key, kinds in {"title": ("[甲]", "{甲: 乙}"), "phrases": ("甲", "{甲: 乙}"), "answers": ("甲", "[甲]")}.items():
        for kind in kinds:
            yield f"makes {key} {kind}", OWN, swap(f"  {key}:", f"  {key}: {kind}\n  other{key}:")
    for word in ("title", "publisher", "published", "facts", "where", "statement"):
        yield f"misspells {word} of a document", PAPER, swap(f"{word}:", f"{word}y:")
    for date in ("2022-13-01", "2022-02-30", "昨天", "22-1-1", "2022/04/06"):
        yield f"dates a document {date}", PAPER, swap("2022-04-06", date)
    for day in ("2022-13", "明天", "2022-2-30"):
        yield (
            f"lets an answer end on {day}",
            OWN,
            swap("      text: 南京市", f"      valid_until: {day}\n      text: 南京市"),
        )
    for figure in (
        "18家",
        "17家银行、3天",
        "17天",
        "17%",
        "2021年",
        "5月",
        "025-12345678",
        "《办法》",
        "「假的」",
        "700万件",
    ):
        yield f"claims {figure}", OWN, swap("17家", figure)
    for fact in ("paper/none", "none/loan", "loan", "paper/", "/loan"):
        yield f"names the fact {fact}", OWN, swap("[paper/loan]", f"[{fact}]")
    yield "names no fact", OWN, swap("[paper/loan]", "[]")
    yield "names an unknown department", OWN, swap("department: registration", "department: nobody")
    yield "names an unknown follow-up", OWN, swap("  department:", "  next: [no.such]\n  department:")
    yield "answers for an unknown place", OWN, swap("region: 南京市", "region: 火星市")
    yield (
        "answers twice for one place",
        OWN,
        swap("  answers:\n", "  answers:\n    - {region: 南京市, text: 甲。, facts: [paper/loan]}\n"),
    )
    yield "empties a text", OWN, swap("text: 南京市有17家银行可以办。", "text: ''")
    yield "leaves a masked number in an answer", OWN, swap("17家银行可以办", "17家银行可以办，请拨«固话»")
    yield "leaves a masked number in a phrase", OWN, swap("- 不见面抵押", "- 不见面抵押«手机号»")
    yield "takes an ordinal for a count", OWN, swap("17家银行可以办", "17家银行可以办，见第17条")
    yield "empties a phrase", OWN, swap("- 不见面抵押", "- ''")
    yield "writes one phrase under two intents", OWN, swap("- 不见面抵押", "- 大厅几点开门")
    yield "writes one intent twice", OWN, end("loan.remote:\n  title: 甲\n")
    yield "calls an unknown parent", PLACES, swap("parent: 江苏省", "parent: 火星省")
    yield "makes a place its own parent", PLACES, swap("江苏省: {}", "江苏省: {parent: 南京市}")
    yield "misspells parent", PLACES, swap("parent", "parents")
    yield "empties the places", PLACES, lambda _: b"places: {}\n"
    yield "misspells places", PLACES, swap("places", "place")
    yield "drops handles", OFFICES, swap(", handles: 不动产登记", "")
    yield "misspells handles", OFFICES, swap("handles", "handle")
    yield "makes a department a word", OFFICES, lambda _: "registration: 登记中心\n".encode()
    yield "empties the words of an emergency", URGENT, swap("[着火]", "[]")
    yield "misspells words of an emergency", URGENT, swap("words", "word")
    yield "takes the word of an emergency away", URGENT, swap("[着火]", "[冒浓烟]")
    yield "drops the text of an emergency", URGENT, swap("text: 请拨 119。, ", "")
    yield "makes a check a word", CHECKS, end("- 大厅\n")
    yield "expects an unknown intent", CHECKS, end("- {ask: 大厅在哪, expect: no.such}\n")
    yield "expects a place that has no answer", CHECKS, end("- {ask: 大厅在哪呀, expect: hall.open, region: 火星市}\n")
    yield "asks what is a phrase", CHECKS, end("- {ask: 大厅几点开门, expect: hall.open}\n")
    yield "asks nothing", CHECKS, end("- {ask: '', expect: hall.open}\n")
    yield "misspells ask", CHECKS, end("- {asks: 大厅在哪呀, expect: hall.open}\n")
    yield "expects what does not come", CHECKS, end("- {ask: 楼上着火了快来, expect: unanswered}\n")
    for name in (OWN, PAPER, PLACES, OFFICES, URGENT, CHECKS):
        yield f"cuts {name} in half", name, lambda body: body[: len(body) * 2 // 5] + b"\n  {"
        yield f"saves {name} as GBK", name, lambda body: body.decode().encode("gbk")
        yield f"indents {name} with a tab", name, lambda body: b"\t" + body
        yield f"leaves a bell in {name}", name, lambda body: body + b"x: \x07\n"
        yield f"opens a quote in {name}", name, end('z: "甲\n')
        yield f"uses an anchor in {name}", name, end("z: &a 甲\n")
        yield f"uses an alias in {name}", name, end("z: *a\n")
        yield f"uses a tag in {name}", name, end("z: !!int 1\n")
        yield f"writes a second document into {name}", name, end("---\nz: 甲\n")
    yield "empties a file", OWN, lambda _: b""
    yield "leaves nothing but a comment", OWN, lambda _: "# 甲\n".encode()
    yield "makes a list of intents", OWN, lambda _: "- 甲\n".encode()
    yield "nests without end", OWN, end("z: " + "[" * 40 + "]" * 40 + "\n")


KINDS = list(edits())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("wrong") / "world")
    world.write("intents/checks/own.yaml", '- {ask: 楼上好像着火了, expect: urgent, number: "119"}\n')
    return world


@pytest.fixture(scope="module")
def stage(world: World) -> tuple[Stage, Files]:
    config = load_config(world.folder / "config.yaml", {})
    return Stage(config), files_of(config)


def test_there_are_a_hundred_kinds() -> None:
    assert len({what for what, _, _ in KINDS}) == len(KINDS) >= 100


@pytest.mark.parametrize(("name", "edit"), [pytest.param(n, e, id=what) for what, n, e in KINDS])
def test_a_wrong_edit_reaches_nobody(stage: tuple[Stage, Files], name: str, edit: Edit) -> None:
    on, live = stage
    verdict = on.rehearse(live, {**live, name: edit(live[name])}, ["大厅几点开门", "抵押登记怎么办"])
    assert not verdict.may_go_live
    assert verdict.refusals or all(problem.line >= 1 and problem.message for problem in verdict.errors)


@pytest.mark.parametrize("name", [OWN, PAPER, PLACES, OFFICES])
def test_a_file_that_is_gone_takes_nothing_down(stage: tuple[Stage, Files], name: str) -> None:
    on, live = stage
    without = {n: body for n, body in live.items() if n != name}
    assert not on.rehearse(live, without, []).may_go_live


def test_a_right_edit_goes_live(stage: tuple[Stage, Files]) -> None:
    on, live = stage
    assert on.rehearse(live, {**live, OWN: swap("- 不见面抵押", "- 抵押不用去现场吧")(live[OWN])}, []).may_go_live
