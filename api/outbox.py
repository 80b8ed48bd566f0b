"""What waits to be sent to one peer: so much and no more. Who has something to add waits for room."""

import asyncio
from collections import deque

MAX_MESSAGES = 100
MAX_CHARACTERS = 1_000_000


class Outbox:
    def __init__(self) -> None:
        self._waiting: deque[tuple[str, str | None]] = deque()
        self._characters = 0
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """One message is always taken, however long it is."""
        return len(self._waiting) >= MAX_MESSAGES or self._characters >= MAX_CHARACTERS

    async def put(self, text: str, operation_id: str | None = None) -> None:
        while self.is_full:
            self._has_room.clear()
            await self._has_room.wait()
        self._add(text, operation_id)

    def _add(self, text: str, operation_id: str | None) -> None:
        self._waiting.append((text, operation_id))
        self._characters += len(text)
        self._filled.set()

    def offer(self, text: str) -> None:
        """For what may be left out when there is no room."""
        if not self.is_full:
            self._add(text, None)

    async def take(self) -> str:
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        text, _ = self._waiting.popleft()
        self._characters -= len(text)
        self._has_room.set()
        return text

    def forget(self, operation_id: str) -> None:
        """What one operation had to say. Its id may be given to another as soon as the peer has completed it."""
        self._waiting = deque(message for message in self._waiting if message[1] != operation_id)
        self._characters = sum(len(text) for text, _ in self._waiting)
        self._has_room.set()
