"""The house itself: who imports whom, how large things may be, what may not lie around. Reads the source tree.

Each slow tool is one test of its own, so that a parallel run spreads them.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from schema.sdl import print_sdl

ROOT = Path(__file__).parents[1]
ROOMS = ("api", "schema", "persistence", "domain", "compiled")
TOOLS = Path(sys.executable).parent
MIGRATIONS = "persistence/migrations/versions/"
"""Written by a tool, one a release, and never edited again: sizes do not apply."""

MAX_FILE_LINES = 350
MAX_TEST_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
SIZED = {".py", ".js", ".css", ".html"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "service", "misc"}

RULE = re.compile(r"\bR[1-9][0-9]?\b")
DEFINED_RULE = re.compile(r"\*\*(R[1-9][0-9]?)\*\*")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:root|Users|work|builds|home/(?!farebox))(?:/|\b(?=[\"'\s]))")
REGISTRY = re.compile(r"https?://[^/\s\"'`]*(?:pypi|pythonhosted|npmjs|registry|artifactory|nexus)[^\s\"'`]*")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
INDEX_OPTIONS = re.compile(r"://|^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links|--trusted-host)\b", re.MULTILINE)
PINNED = re.compile(
    r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z0-9,_-]+\])?==\S+(?: ; [^\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+$"
)


@cache
def ours() -> tuple[str, ...]:
    """Every file that is or will be part of the repository, as a path from its root."""
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    return tuple(sorted(name for name in set(listed) if (ROOT / name).is_file()))


def python_files(*folders: str) -> list[str]:
    return [name for name in ours() if name.endswith(".py") and name.split("/")[0] in folders]


@cache
def text_of(name: str) -> str:
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, timeout=600)


def assert_clean(*command: str | Path) -> None:
    done = _run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


# ---------- the tools ----------


def test_rooms_import_only_what_stands_to_their_right() -> None:
    assert_clean(TOOLS / "lint-imports", "--no-cache")


def test_the_linter_finds_nothing() -> None:
    assert_clean(TOOLS / "ruff", "check", ".")


def test_everything_is_formatted() -> None:
    assert_clean(TOOLS / "ruff", "format", "--check", ".")


def test_the_four_rooms_type_check_strictly() -> None:
    assert_clean(sys.executable, "-m", "mypy", "--strict", *(part for room in ROOMS for part in ("-p", room)))


# ---------- sizes and names ----------


def test_no_file_is_longer_than_a_head_can_hold() -> None:
    too_long = {
        name: count
        for name in ours()
        if Path(name).suffix in SIZED and not name.startswith(MIGRATIONS)
        if (count := len(text_of(name).splitlines())) > _most_lines(name)
    }
    assert too_long == {}


def _most_lines(name: str) -> int:
    return MAX_TEST_FILE_LINES if name.startswith("tests/") else MAX_FILE_LINES


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {
        f"{name}:{node.lineno} {node.name}": count
        for name in python_files(*ROOMS, "tests", "benchmarks")
        if not name.startswith(MIGRATIONS)
        for node in ast.walk(ast.parse(text_of(name)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (count := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert too_long == {}


def test_no_module_is_named_for_nothing() -> None:
    named = [
        name
        for name in python_files(*ROOMS, "tests", "benchmarks")
        for part in Path(name).with_suffix("").parts
        if part.lower() in EMPTY_NAMES
    ]
    assert named == []


def test_every_module_says_what_it_keeps() -> None:
    silent = [
        name
        for name in python_files(*ROOMS)
        if text_of(name).strip() and ast.get_docstring(ast.parse(text_of(name))) is None
    ]
    assert silent == []


# ---------- one truth ----------


def test_the_committed_schema_is_what_the_code_says() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == print_sdl()


def test_every_rule_that_is_cited_is_written_down() -> None:
    defined = set(DEFINED_RULE.findall(text_of("docs/rules.md")))
    cited = {
        (rule, name)
        for name in ours()
        if name.endswith((".py", ".md", ".yaml", ".graphql")) and name != "docs/rules.md"
        for rule in RULE.findall(text_of(name))
    }
    assert len(cited) > 50
    assert sorted((rule, name) for rule, name in cited if rule not in defined) == []


def test_every_rule_is_written_down_once() -> None:
    defined = DEFINED_RULE.findall(text_of("docs/rules.md"))
    assert len(defined) == len(set(defined))
    assert {f"R{number}" for number in (*range(1, 27), 36, 40, 41)} <= set(defined)


# ---------- hygiene ----------


@pytest.mark.parametrize("name", ["build", "runtime", "dev", "audit"])
def test_every_requirement_is_pinned_with_hashes_and_without_an_index(name: str) -> None:
    text = text_of(f"requirements/{name}.txt")
    assert INDEX_OPTIONS.findall(text) == []
    entries = list(_requirements(text))
    assert entries
    assert [entry.splitlines()[0] for entry in entries if not PINNED.fullmatch(entry)] == []


def _requirements(text: str) -> Iterator[str]:
    """Each requirement with the lines that belong to it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    entry: list[str] = []
    for line in lines:
        if entry and not line.startswith(" "):
            yield "\n".join(entry)
            entry = []
        entry.append(line)
    yield "\n".join(entry)


def test_the_same_versions_are_pinned_for_running_and_for_working() -> None:
    versions = [
        dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]+\])?==(\S+)", text_of(f"requirements/{name}.txt"), re.MULTILINE))
        for name in ("build", "runtime", "dev")
    ]
    needed = versions[0] | versions[1]
    assert {name: version for name, version in needed.items() if versions[2].get(name) != version} == {}


@pytest.mark.parametrize(
    "forbidden",
    [
        pytest.param(MACHINE_PATH, id="paths of somebody's machine"),
        pytest.param(REGISTRY, id="addresses of a package registry"),
        pytest.param(UNFINISHED, id="marks of unfinished work"),
    ],
)
def test_nothing_lies_around(forbidden: re.Pattern[str]) -> None:
    found = [
        f"{name}:{text_of(name)[: match.start()].count(chr(10)) + 1} {match[0]}"
        for name in ours()
        for match in forbidden.finditer(text_of(name))
    ]
    assert found == []


def test_no_secret_and_no_database_is_part_of_the_repository() -> None:
    names = [name for name in ours() if re.search(r"(^|/)(\.env|secret_key|.*\.(db|sqlite3?|pem|key))$", name)]
    assert names == []
