"""The schemas that editors check our files with: as the models are now, and every file we ship passes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from bot.cli import main
from bot.config import load_config
from bot.jsonschema import schemas
from bot.yamlfile import read
from tests.conftest import ROOT, World

SHIPPED = [p for folder in ("intents", "intents/checks", "knowledge") for p in sorted((ROOT / folder).glob("*.yaml"))]
CONFIG = ROOT / "config.yaml"
NAMED = re.compile(r"# yaml-language-server: \$schema=(\S+)")


class Editor(yaml.SafeLoader):
    """What an editor sees: YAML 1.2, where only numbers, true, false and null are no text."""


Editor.yaml_implicit_resolvers = {}
for tag, pattern in (
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
    ("null", r"~|null|Null|NULL|"),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), None)


def as_an_editor_sees(text: str) -> Any:
    return yaml.load(text, Editor)


def schema_of(path: Path) -> dict[str, Any]:
    """The one that the file names in its first line."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    named = NAMED.fullmatch(first)
    assert named, f"{path}: {first}"
    schema: dict[str, Any] = json.loads((path.parent / named[1]).read_text(encoding="utf-8"))
    return schema


def complaints(schema: dict[str, Any], seen: Any) -> list[str]:
    return [f"{list(e.absolute_path)}: {e.message[:200]}" for e in Draft7Validator(schema).iter_errors(seen)]


def told(name: str, text: str) -> list[str]:
    """What an editor underlines in a file with this text."""
    schema = json.loads((ROOT / "intents/.schema" / f"{name}.json").read_text(encoding="utf-8"))
    return complaints(schema, as_an_editor_sees(text))


def test_the_committed_schemas_are_what_hotline_schema_writes_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["schema", str(tmp_path / "new")]) == 0
    committed = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "intents/.schema").iterdir()}
    assert {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "new").iterdir()} == committed, (
        "run `hotline schema`"
    )


@pytest.mark.parametrize("path", [*SHIPPED, CONFIG], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_shipped_file_passes_its_schema_in_an_editor(path: Path) -> None:
    assert not complaints(schema_of(path), as_an_editor_sees(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_shipped_file_passes_as_our_reader_reads_it(path: Path) -> None:
    assert not complaints(schema_of(path), read(path, 2_000_000).node.plain())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_shipped_file_names_the_schema_of_its_kind(path: Path) -> None:
    special = {
        "families",
        "shadow",
        "smalltalk",
        "urgent",
        "departments",
        "regions",
        "padding",
        "background",
        "synonyms",
    }
    kind = {"checks": "checks", "knowledge": "knowledge"}.get(path.parent.name)
    kind = kind or (path.stem if path.stem in special else "intents")
    named = NAMED.match(path.read_text(encoding="utf-8"))
    assert named
    assert (path.parent / named[1]).resolve() == ROOT / "intents/.schema" / f"{kind}.json"


@pytest.mark.parametrize("name", sorted(schemas("")))
def test_every_schema_is_one(name: str) -> None:
    Draft7Validator.check_schema(schemas(CONFIG.read_text(encoding="utf-8"))[name])


def test_all_that_an_editor_shows_is_chinese_and_nothing_is_without_a_word() -> None:
    def look(schema: dict[str, Any]) -> None:
        for part in (schema, *schema.get("$defs", {}).values()):
            for key, field in part.get("properties", {}).items():
                if "$ref" not in field:
                    said.append((key, field.get("description", "")))
            shown.extend(part[word] for word in ("title", "description") if word in part)

    said: list[tuple[str, str]] = []
    shown: list[str] = []
    for schema in schemas(CONFIG.read_text(encoding="utf-8")).values():
        look(schema)
    assert len(said) > 100
    assert not [key for key, text in said if not re.search("[一-鿿]", text)]
    assert not [text for text in shown if not re.search("[一-鿿]", text)]


INTENT = """
a.b:
  title: 甲
  department: registration
  phrases: [怎么办]
  answers:
    - {text: 这样办。, facts: [paper/loan], valid_until: 2022, expiry_known: false}
"""


class TestUnderlined:
    def test_a_good_intent_is_not(self) -> None:
        assert not told("intents", INTENT)

    @pytest.mark.parametrize(
        ("old", "new", "word"),
        [
            ("phrases", "pharses", "pharses"),
            ("  title: 甲\n", "", "title"),
            ("[怎么办]", "怎么办", "array"),
            ("2022,", "2022-4,", "2022-4"),
            ("2022,", "22,", "22"),
            ("false", "也许", "也许"),
            ("facts: [paper/loan]", "facts: []", "[]"),
            ("title: 甲", 'title: ""', "''"),
        ],
    )
    def test_a_slip_in_an_intent_is(self, old: str, new: str, word: str) -> None:
        assert any(word in complaint for complaint in told("intents", INTENT.replace(old, new)))

    @pytest.mark.parametrize(
        ("text", "underlined"),
        [
            ("matching: {target: 0.05}", False),
            ("matching: {target: 1.5}", True),
            ("matching: {encoder: bert}", True),
            ("matching: {targte: 0.05}", True),
            ("limits: {keep_days: 三十}", True),
            ("content: {numbers_without_proof: [12345, '119']}", False),
            ("staff: {people: [{name: 张三, id: 5}]}", False),
            ("staff: {people: [{role: admin}]}", True),
            ("telegram: {token: '1:a'}", True),
            ("web: {secret: x}", True),
            ("notice: {from: 2026-08-01}", False),
        ],
    )
    def test_settings_are_as_load_config_takes_them(self, text: str, underlined: bool) -> None:
        assert bool(told("config", text)) is underlined

    def test_a_number_may_be_quoted_or_not_where_our_reader_takes_both(self) -> None:
        family = "a: {members: {b: {}, c: {}}, join: %s}"
        assert not told("families", family % "0.1")
        assert not told("families", family % "'0.1'")
        assert told("families", family % "3")


def test_schemas_beside_the_content_are_no_content(world: World, check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.folder)
    assert main(["schema"]) == 0
    written = {p.name for p in (world.folder / "intents/.schema").iterdir()}
    assert "intents.json" in written
    assert len(written) == 13
    assert check(world) == (0, [])


def test_what_a_setting_is_comes_from_the_comment_beside_it(world: World) -> None:
    world.write("config.yaml", "matching:   # 怎么比较\n  encoder: lexical  # 只看字词\n  cache: cache\n")
    schema = schemas((world.folder / "config.yaml").read_text(encoding="utf-8"))["config.json"]
    assert schema["properties"]["matching"]["description"] == "怎么比较"
    settings = schema["$defs"]["MatchingSettings"]["properties"]
    assert settings["encoder"]["description"] == "只看字词"
    assert "description" not in settings["cache"]
    assert load_config(world.folder / "config.yaml").matching.encoder == "lexical"


def test_a_folder_that_cannot_be_written_is_one_line(world: World, monkeypatch, capsys) -> None:
    monkeypatch.chdir(world.folder)
    world.write("taken", "x")
    assert main(["schema", "taken"]) == 1
    assert "taken" in capsys.readouterr().err
