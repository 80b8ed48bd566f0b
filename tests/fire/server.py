"""A real server in processes of its own, which can be killed at any moment and started again on the same port."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from api.auth import Claims, issue_token
from api.settings import Settings
from domain.access import PartnerScope, Role

ROOT = Path(__file__).parents[2]
FAREBOX = Path(sys.executable).parent / "farebox"
SECRET = "a secret key for the tests under fire, longer than thirty-two bytes"
START_SECONDS = 60
COMMAND_SECONDS = 120
PR_SET_PDEATHSIG = 1


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def token(company: str, role: Role, *, subject: str | None = None) -> str:
    claims = Claims(
        subject=subject or f"{role.lower()}@{company}",
        name=role.replace("_", " ").capitalize(),
        company=company,
        role=role,
        offices=None,
        has_billing=False,
        scopes=frozenset(PartnerScope) if role is Role.PARTNER else frozenset(),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    return issue_token(Settings(_env_file=None, secret_key=SECRET), claims, now=datetime.now(UTC))


def _die_with_the_tests() -> None:
    """A run that is itself killed tidies nothing up: on Linux the kernel does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """`farebox serve`, or another program that takes its words. `kill` is SIGKILL: nothing is tidied up."""

    def __init__(self, database_url: str, folder: Path, *, workers: int = 1) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.workers = workers
        self.ready = asyncio.Event()
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FAREBOX_")},
            "FAREBOX_DATABASE_URL": database_url,
            "FAREBOX_SECRET_KEY": SECRET,
            "FAREBOX_PUBLIC_URL": self.address,
            "PYTHONPATH": str(ROOT),
        }

    @property
    def pid(self) -> int:
        """Of the process that was started; raises while there is none."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    async def start(self, *program: str, env: Mapping[str, str] | None = None) -> None:
        """Returns once it is ready. The folder is its own, so that it finds no settings of anybody else."""
        self.launch(*program, env=env)
        await self._until_ready()

    def launch(self, *program: str, env: Mapping[str, str] | None = None) -> None:
        """Returns before it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*(program or (str(FAREBOX), "serve")), "--port", str(self.port), "--workers", str(self.workers)],
                cwd=self._folder,
                env={**self._env, **(env or {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_the_tests,
            )

    async def _until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        async with httpx2.AsyncClient(base_url=self.address) as client:
            while time.monotonic() < end and self.is_running:
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        self.ready.set()
                        return
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.02)
        self.kill()
        raise AssertionError(f"The server did not start:\n{self.log[-3_000:]}")

    async def has_died(self, seconds: float = 20) -> None:
        """Waits until it has ended by itself."""
        end = time.monotonic() + seconds
        while self.is_running:
            assert time.monotonic() < end, f"The server lives on:\n{self.log[-3_000:]}"
            await asyncio.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """Its whole group, so that no worker is left over."""
        self.ready.clear()
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)
        self._process = None

    def farebox(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on the same database."""
        return subprocess.run(
            [str(FAREBOX), *words],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
