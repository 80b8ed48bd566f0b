"""What `pip install .` installs is all of it: the wheel is built, unpacked elsewhere, and run as in production."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.fire.server import SECRET, Server
from tests.test_house import ROOMS, ROOT, ours

RUN = "import api; print(api.__file__, flush=True); from api.cli import app; app()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is unpacked to. Built from a copy: a build leaves folders beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ours():
        if name.split("/")[0] in (*ROOMS, "pyproject.toml", "README.md"):
            copy = folder / "sources" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    subprocess.run(
        [*command, "--wheel-dir", str(folder), str(folder / "sources")], check=True, capture_output=True, timeout=120
    )
    [built] = folder.glob("farebox-*.whl")
    with ZipFile(built) as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_every_file_of_the_four_rooms_is_installed(wheel: Path) -> None:
    expected = {name for name in ours() if name.split("/")[0] in ROOMS}
    installed = {str(path.relative_to(wheel)) for room in ROOMS for path in (wheel / room).rglob("*") if path.is_file()}
    assert expected - installed == set()
    assert installed - expected == set()


async def test_it_migrates_and_serves_as_in_production_and_writes_its_database_alone(
    wheel: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/farebox.db"
    place = {"PYTHONPATH": str(wheel), "FAREBOX_ENV": "production"}
    env = {**os.environ, **place, "FAREBOX_DATABASE_URL": url, "FAREBOX_SECRET_KEY": SECRET}
    before = files_below(wheel)
    command = [sys.executable, "-c", RUN, "migrate"]
    given: dict[str, Any] = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "timeout": 60}
    told = await asyncio.to_thread(subprocess.run, command, check=True, **given)
    assert told.stdout.startswith(str(wheel)), "what is tried is the wheel"
    assert "Migrated from nothing to" in told.stdout
    server = Server(url, tmp_path)
    try:
        await server.start(sys.executable, "-c", RUN, "serve", env=place)
    finally:
        server.kill()
    assert files_below(wheel) == before
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in files_below(tmp_path)} == {
        "farebox.db",
        "server.log",
    }


def files_below(folder: Path) -> dict[Path, int]:
    """With the time of their last change. What Python compiles does not count."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {path: path.stat().st_mtime_ns for path in found}
