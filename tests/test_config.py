"""Settings: the file, the environment over it, and clear words about both."""

import re
from datetime import date
from pathlib import Path

import pytest

from bot.config import Config, load_config
from bot.errors import ContentError
from tests.conftest import ROOT, World


def test_every_setting_stands_in_the_shipped_file_with_its_default_and_a_chinese_comment() -> None:
    text = (ROOT / "config.yaml").read_text()
    shipped = load_config(ROOT / "config.yaml", {})
    for section, field in Config.model_fields.items():
        for name, setting in type(field.default).model_fields.items():
            key, default = setting.alias or name, setting.default
            if key in {"token", "secret"}:
                continue  # from the environment only
            line = re.search(rf"^  {key}:.*$", text, re.MULTILINE)
            assert line, f"{section}.{key} is not in config.yaml"
            assert re.search("#.*[一-鿿]", line[0]) or key == "zone", line[0]
            value = getattr(getattr(shipped, section), name)
            assert value == (ROOT / default if isinstance(default, Path) else default) or key == "url"


def test_what_is_no_network_address_is_told_with_its_line(world: World) -> None:
    world.write("config.yaml", "web:\n  internal: [127.0.0.1, 内网]\n")
    with pytest.raises(ContentError, match=r"config\.yaml:2: .*「内网」不是网络地址"):
        load_config(world.folder / "config.yaml", {})


def test_the_environment_overrides_the_file() -> None:
    environment = {"HOTLINE_MATCHING__TARGET": "0.05", "HOTLINE_CONTENT__NUMBERS_WITHOUT_PROOF": "12345, 119"}
    config = load_config(ROOT / "config.yaml", environment)
    assert config.matching.target == 0.05
    assert config.content.numbers_without_proof == ("12345", "119")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HOTLINE_MATCHING__TARGT": "1"}, "HOTLINE_MATCHING__TARGET"),
        ({"HOTLINE_MATCHING__TARGET": "很小"}, "不是数字"),
        ({"HOTLINE_MATCHING__TARGET": "7"}, "不能大于 1"),
        ({"HOTLINE_MATCHING__ENCODER": "bert"}, "可填"),
        ({"HOTLINE_TIME__ZONE": "Asia/Nowhere"}, "时区"),
        ({"HOTLINE_TIME__ZONE": "../../etc/passwd"}, "时区"),
        ({"HOTLINE_TIME__WORK_FROM": "25:00"}, "不是钟点"),
        ({"HOTLINE_TIME__HOLIDAYS": "2027-02-30"}, "不是日期"),
        ({"HOTLINE_NOTICE__UNTIL": "明天"}, "不是日期"),
        ({"HOTLINE_TELEGRAM__API_URL": "localhost:8081"}, "不是网址"),
        ({"HOTLINE_LIMITS__MESSAGE_LENGTH": "0"}, "不能小于 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_cure(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ContentError, match=re.escape(words)):
        load_config(ROOT / "config.yaml", environment)


@pytest.mark.parametrize(("section", "key"), [("telegram", "token"), ("web", "secret")])
def test_a_secret_in_the_file_is_refused_with_the_variable_to_use(world: World, section: str, key: str) -> None:
    world.write("config.yaml", f'{section}:\n  {key}: "1:abc"\n')
    with pytest.raises(ContentError) as refused:
        load_config(world.folder / "config.yaml", {})
    (problem,) = refused.value.problems
    assert problem.line == 2
    assert f"HOTLINE_{section}__{key}".upper() in problem.message


def test_secrets_never_show_themselves() -> None:
    environment = {"HOTLINE_TELEGRAM__TOKEN": "1:abc", "HOTLINE_DATABASE__URL": "postgresql://u:geheim@h/d"}
    shown = repr(load_config(ROOT / "config.yaml", environment))
    assert "1:abc" not in shown
    assert "geheim" not in shown


def test_a_database_file_is_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("database: {url: 'sqlite:///x/y.db'}\n")
    url = load_config(tmp_path / "c.yaml", {}).database.url.get_secret_value()
    assert url == f"sqlite:///{tmp_path}/x/y.db"


def test_a_notice_lasts_from_its_first_to_its_last_day() -> None:
    environment = {
        "HOTLINE_NOTICE__TEXT": "台风",
        "HOTLINE_NOTICE__FROM": "2026-11-22",
        "HOTLINE_NOTICE__UNTIL": "2026-11-23",
    }
    notice = load_config(ROOT / "config.yaml", environment).notice
    assert [notice.on(date(2026, 11, day)) for day in (21, 22, 23, 24)] == ["", "台风", "台风", ""]


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("content: {intents: here}\n")
    assert load_config(tmp_path / "c.yaml", {}).content.intents == tmp_path / "here"


def test_all_mistakes_of_the_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("matching:\n  targt: 1\n  mix_far: 2\ntime:\n  zone: Mars\n")
    with pytest.raises(ContentError) as error:
        load_config(tmp_path / "c.yaml", {})
    assert [p.line for p in error.value.problems] == [2, 3, 5]
