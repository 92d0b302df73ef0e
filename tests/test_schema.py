"""Every validation error that the models can raise has a Chinese sentence."""

import inspect
import random
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from bot import config
from bot.content import models
from bot.schema import SENTENCES, validate
from bot.yamlfile import read

MODELS = [
    m
    for module in (models, config)
    for m in vars(module).values()
    if inspect.isclass(m) and issubclass(m, BaseModel) and m.__module__ == module.__name__
]
TEXTS = ["", " ", "x", "no", "true", "-1", "0", "1.5", "1e999", "nan", "9" * 5000, "2022-13-45", "2022-04", "…", "甲"]


def random_value(rnd: random.Random, names: list[str], depth: int = 0) -> object:
    kind = rnd.random()
    if depth > 3 or kind < 0.4:
        return rnd.choice(TEXTS)
    if kind < 0.6:
        return [random_value(rnd, names, depth + 1) for _ in range(rnd.randrange(3))]
    return {rnd.choice([*names, "x"]): random_value(rnd, names, depth + 1) for _ in range(rnd.randrange(6))}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_no_error_is_left_without_a_sentence(model: type[BaseModel]) -> None:
    rnd = random.Random(1)
    names = sorted({name for m in MODELS for name in m.model_fields})
    seen: set[str] = set()
    for _ in range(1500):
        value = {name: random_value(rnd, names) for name in model.model_fields if rnd.random() < 0.8}
        try:
            model.model_validate(value)
        except ValidationError as error:
            seen |= {e["type"] for e in error.errors()}
    assert not seen - SENTENCES.keys()


def test_an_unknown_key_is_reported_with_the_one_that_was_meant_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("title: 报道\npublisher: 报社\npublised: 2022\nfacts:\n  a: {where: 甲, statement: 乙}\n")
    document, problems = validate(read(path, 1000), (), models.Document)
    assert document is not None
    assert document.title == "报道"
    assert [(p.line, p.message) for p in problems] == [(3, "publised:没有「publised」这个键;是不是想写「published」?")]


def test_an_error_names_the_line_of_the_longest_part_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("title: 报道\npublisher: 报社\nfacts:\n  a:\n    where: 甲\n")
    _, problems = validate(read(path, 1000), (), models.Document)
    assert [(p.line, p.message) for p in problems] == [(4, "facts.a.statement:缺少这一项;请补上")]
