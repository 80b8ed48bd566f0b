"""A file that one writes while another already reads it: between a database that should be left alone soon and a
client that may take its time.
"""

import asyncio
from collections.abc import AsyncIterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

READ_BYTES = 65_536


class SpoolBroken(Exception):
    """The disk took no more, or gave nothing back."""


class Spool:
    """On disk, without a name, so that nothing is left behind however the process ends. Raises SpoolBroken.

    Reads and writes are short and meet the system's cache: they are not worth a thread each.
    """

    def __init__(self) -> None:
        try:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `__exit__`
        except OSError as error:
            raise SpoolBroken(_told(error)) from error
        self._size = self._read_size = 0
        self._has_ended = False
        self._changed = asyncio.Event()
        self.is_wanted = True
        """Whether anybody will read what is still appended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def append(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            self._file.seek(self._size)
            while left:
                count = self._file.write(left)
                self._size += count
                left = left[count:]
        except OSError as error:
            raise SpoolBroken(_told(error)) from error
        self._changed.set()

    def end(self) -> None:
        """Nothing more is appended."""
        self._has_ended = True
        self._changed.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """What was appended, as it comes, until the end."""
        while True:
            self._changed.clear()
            if self._read_size < self._size:
                yield self._read()
            elif self._has_ended:
                return
            else:
                await self._changed.wait()

    def _read(self) -> bytes:
        try:
            self._file.seek(self._read_size)
            chunk: bytes = self._file.read(READ_BYTES)
        except OSError as error:
            raise SpoolBroken(_told(error)) from error
        self._read_size += len(chunk)
        return chunk


def _told(error: OSError) -> str:
    return f"its temporary file failed: {error.strerror or error}"
