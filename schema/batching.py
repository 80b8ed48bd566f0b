"""What several fields wait for is read once: a loader gathers the keys, and reads them in one batch."""

from asyncio import shield
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import cached_property, wraps
from typing import Any, Protocol, TypeVar

from strawberry.dataloader import DataLoader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OnBatch = Callable[[str, int], None]
"""Told of every batch: the loader's name, and how many keys it has."""


class Loader(DataLoader[K, V]):
    """Reads to its end: the executor breaks off the siblings of a field that failed, and others may wait for the
    same."""

    def load(self, key: K) -> Awaitable[V]:
        return shield(super().load(key))

    def tell(self, name: str, on_batch: OnBatch) -> None:
        read = self.load_fn

        async def told(keys: list[K]) -> Sequence[V | BaseException]:
            on_batch(name, len(keys))
            return await read(keys)

        self.load_fn = told


class _Loaders(Protocol):
    on_batch: OnBatch | None


def batched(make: Callable[[Any], Loader[K, V]]) -> "cached_property[Loader[K, V]]":
    """A loader of `Loaders`, made when it is first asked for, and named like its method."""

    @wraps(make)
    def made(loaders: _Loaders) -> Loader[K, V]:
        loader = make(loaders)
        if loaders.on_batch is not None:
            loader.tell(make.__name__, loaders.on_batch)
        return loader

    return cached_property(made)
