"""Asking one thing again and again over so many connections: by wrk in a process of its own, or else by ourselves.

Every answer must be a 200; that it is the right one was looked at before.
"""

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

WRK = shutil.which("wrk")
GENERATOR = "wrk, one thread" if WRK else "a client of our own on asyncio, for want of wrk"
GRACE_SECONDS = 30


class Load(NamedTuple):
    """What is asked: posted to `address`/graphql."""

    address: str
    body: dict[str, Any]
    token: str | None = None

    async def rate(self, connections: int, seconds: float) -> float:
        """Answers a second. Raises AssertionError when one was refused."""
        with tempfile.TemporaryDirectory() as folder:
            if WRK is None:
                return await self._own(connections, seconds, Path(folder))
            script = Path(folder) / "post.lua"
            script.write_text(self._lua(), encoding="utf-8")
            # wrk knows whole seconds alone.
            words = ("-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "-s", str(script))
            told = await _run(WRK, *words, f"{self.address}/graphql", seconds=seconds)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)", told)
        assert refused is None, told
        found = re.search(r"Requests/sec:\s+([0-9.]+)", told)
        assert found is not None, told
        return float(found[1])

    def _lua(self) -> str:
        lines = ['wrk.method = "POST"', f"wrk.body = [==[{json.dumps(self.body)}]==]"]
        lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in self.headers.items()]
        return "\n".join(lines)

    @property
    def headers(self) -> dict[str, str]:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Content-Type": "application/json", "Accept": "application/json", **bearer}

    async def _own(self, connections: int, seconds: float, folder: Path) -> float:
        asked = folder / "asked.json"
        asked.write_text(json.dumps(self._asdict()), encoding="utf-8")
        words = ("-m", "benchmarks.load", str(asked), str(connections), str(seconds))
        return float(await _run(sys.executable, *words, seconds=seconds))


async def _run(*command: str, seconds: float) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds + GRACE_SECONDS):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return told.decode()


class Caller:
    """One connection that asks with as little work of its own as can be: what it waits is the server's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    @classmethod
    async def of(cls, load: Load) -> "Caller":
        host, _, port = load.address.removeprefix("http://").partition(":")
        head = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
        return cls(*await asyncio.open_connection(host, int(port)), f"POST /graphql HTTP/1.1\r\nHost: {host}\r\n{head}")

    def request(self, body: dict[str, Any]) -> bytes:
        text = json.dumps(body).encode()
        return f"{self._head}Content-Length: {len(text)}\r\n\r\n".encode() + text

    async def answer(self, request: bytes) -> bytes:
        """The body. Raises AssertionError when it was refused."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head[:16], head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        return await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


async def ask(load: Load, connections: int, seconds: float) -> float:
    """Our own generator: each connection asks as soon as it was answered."""
    end, done = time.monotonic() + seconds, 0

    async def connection() -> None:
        nonlocal done
        caller = await Caller.of(load)
        request = caller.request(load.body)
        while time.monotonic() < end:
            await caller.answer(request)
            done += 1
        caller.close()

    begun = time.monotonic()
    await asyncio.gather(*(connection() for _ in range(connections)))
    return done / (time.monotonic() - begun)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("asked", type=Path)
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    sys.stdout.write(
        f"{asyncio.run(ask(Load(**json.loads(given.asked.read_text())), given.connections, given.seconds))}"
    )
