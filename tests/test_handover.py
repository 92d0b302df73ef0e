"""A dialogue made in one process answers in another as it would have there, and is let go when it answers no more."""

import gc
import pickle
import random
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.app import build_dialogue, propose_spaces
from bot.config import load_config
from bot.content.load import Content
from bot.dialogue import Dialogue, Question, State
from bot.edition import Files, files_of, open_files
from bot.errors import ContentError, Problem
from bot.handover import hand_over, take_over
from bot.matching import cache
from bot.matching.matcher import Index, build_index
from bot.memory import Memory
from bot.rehearsal import Stage
from tests.conftest import NOW, ROOT, World


def like(dialogue: Dialogue) -> Dialogue:
    return Dialogue(dialogue.content.outline(), dialogue.matcher, dialogue.wording, dialogue.limits)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_what_was_handed_over_gives_the_same_replies_and_remembers_what_it_was_asked(
    dialogue: Dialogue, content: Content, tmp_path: Path
) -> None:
    made, path = like(dialogue), tmp_path / "dialogue"
    asked = [Question(check.ask, NOW) for _, check in content.checks[:60]]
    replies = [made.step(question)[0] for question in asked[:40]]
    encoders = [m.encoder for m in (dialogue.matcher, dialogue.matcher.second) if m]
    hand_over(made, path, encoders)
    taken = take_over(path, encoders)
    assert [taken.is_familiar(q.text) for q in asked] == [q.text in {a.text for a in asked[:40]} for q in asked]
    assert [taken.step(question)[0] for question in asked] == [
        *replies,
        *(made.step(question)[0] for question in asked[40:]),
    ]
    assert taken.matcher.encoder is encoders[0]


def test_it_is_taken_over_in_pieces_so_short_that_others_go_on(
    dialogue: Dialogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoders = [m.encoder for m in (dialogue.matcher, dialogue.matcher.second) if m]
    hand_over(like(dialogue), tmp_path / "dialogue", encoders)
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    take_over(tmp_path / "dialogue", encoders)
    assert len(pauses) > 40  # of some 64 kB each, besides the arrays


def test_nothing_keeps_a_dialogue_that_answers_no_more(dialogue: Dialogue, uncollected: None) -> None:
    other = like(dialogue)
    other.step(Question("大厅几点开门", NOW))
    gone = weakref.ref(other)
    del other
    assert gone() is None


def test_a_dialogue_that_was_taken_over_can_be_handed_over_again(dialogue: Dialogue, tmp_path: Path) -> None:
    encoders = [m.encoder for m in (dialogue.matcher, dialogue.matcher.second) if m]
    hand_over(like(dialogue), tmp_path / "once", encoders)
    hand_over(take_over(tmp_path / "once", encoders), tmp_path / "twice", encoders)
    asked = Question("大厅几点开门", NOW)
    assert take_over(tmp_path / "twice", encoders).step(asked) == dialogue.step(asked)


def test_two_threads_may_remember_at_once() -> None:
    """Keys that hash in Python let the other thread in half-way: an OrderedDict alone would end the process."""
    memory, stop = Memory[tuple[int, State], int](50), threading.Event()
    wrong: list[int] = []

    def ask(seed: int) -> None:
        rnd = random.Random(seed)
        while not stop.is_set():
            n = rnd.randrange(80)
            wrong.extend([n] if memory.recall((n, State(region=str(n))), lambda n=n: n) != n else [])

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        time.sleep(2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(usual)
    assert not wrong
    assert len(memory.last(1000)) == 50


def test_an_outline_still_tells_where_things_stand(content: Content) -> None:
    key = next(iter(content.intents))
    whole, outline = content.problem("intent", key, (), "x"), content.outline().problem("intent", key, ("title",), "x")
    assert (outline.path, outline.line) == (whole.path, whole.line)
    assert not content.outline().checks


def test_the_second_process_ends_with_the_one_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout
        second = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while command_of(second):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def command_of(process: int) -> bytes:
    """Nothing of one that ended, whether or not anybody has asked how."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


PARENT = """
import os, time
from pathlib import Path
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from bot.config import load_config
from bot.rehearsal import set_up

if __name__ == "__main__":
    config = load_config(Path("config.yaml"), {"HOTLINE_MATCHING__ENCODER": "lexical"})
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=set_up, initargs=(config,))
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def test_mistakes_keep_their_text_on_the_way_between_processes() -> None:
    error = ContentError([Problem(Path("own.yaml"), 3, "缺少标题"), Problem(Path("own.yaml"), 9, "重复")])
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "own.yaml:3: 缺少标题\nown.yaml:9: 重复"


class Borrowed:
    """A small content after a phrase was added: it is live in the space of the content before."""

    def __init__(self, world: World) -> None:
        world.write("intents/checks/own.yaml", "- {ask: 窗口上班没有啊, expect: hall.open}\n")
        self.config = load_config(world.folder / "config.yaml", {})
        self.stage, before = Stage(self.config), files_of(self.config)
        self.stage.prepare(before)
        self.live = self.with_phrase(before, "窗口开吗")
        self.content = open_files(self.config, self.live)[0]
        assert self.stage.rehearse(before, self.live, []).may_go_live
        self.stage.pass_on(self.live, [], world.folder / "dialogue")
        assert self.stage.needs_space(self.live)

    def with_phrase(self, files: Files, phrase: str) -> Files:
        line = "    - 窗口上班没有\n"
        own = files["intents/own.yaml"].replace(line.encode(), f"{line}    - {phrase}\n".encode())
        return {**files, "intents/own.yaml": own}

    def others_try_drafts(self) -> None:
        """More than anybody keeps."""
        for n in range(2 * cache.KEPT_FITS):
            self.stage.try_out(self.live, self.with_phrase(self.live, f"第{n}种问法"), "大厅", "")


@pytest.fixture
def borrowed(world: World) -> Borrowed:
    return Borrowed(world)


def test_a_space_of_its_own_that_makes_a_check_wrong_is_taken_by_no_later_start(
    borrowed: Borrowed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "build_index", mixed_up)  # whatever is fitted from now on
    propose_spaces(borrowed.config, borrowed.content)
    borrowed.others_try_drafts()
    assert answers_now(borrowed) != "loan.remote", "the gate has not seen it yet"
    refusals = borrowed.stage.compare_spaces(borrowed.live, []).refusals
    assert any("窗口上班没有啊" in refusal for refusal in refusals)
    borrowed.others_try_drafts()
    assert answers_now(borrowed) != "loan.remote", "it was refused"
    assert not Stage(borrowed.config).needs_space(borrowed.live), "it would be refused again"


def test_a_space_of_its_own_that_passes_is_taken(borrowed: Borrowed) -> None:
    propose_spaces(borrowed.config, borrowed.content)
    assert borrowed.stage.compare_spaces(borrowed.live, []).may_go_live
    assert not borrowed.stage.needs_space(borrowed.live)


def test_drafts_leave_nothing_that_a_start_would_take_up(borrowed: Borrowed) -> None:
    before = {path.name for path in borrowed.config.matching.cache.glob("*-*.npz") if "vectors" not in path.name}
    borrowed.others_try_drafts()
    after = {path.name for path in borrowed.config.matching.cache.glob("*-*.npz") if "vectors" not in path.name}
    assert after == before


def answers_now(borrowed: Borrowed) -> str:
    """What a start at this moment would take 窗口上班没有啊 for."""
    return build_dialogue(borrowed.config, borrowed.content).step(Question("窗口上班没有啊", NOW))[0].intent


def mixed_up(*material: Any) -> Index:
    """A fit that takes everything for something else and is always sure."""
    index = build_index(*material)
    never = np.full(1, -1.0)
    sure = replace(
        index.forecast, right=never, wrong=never, unknown=never, background=never, unknown_weights=np.ones(1)
    )
    return replace(index, rows=np.ascontiguousarray(index.rows[::-1]), weights=0 * index.weights, forecast=sure)
