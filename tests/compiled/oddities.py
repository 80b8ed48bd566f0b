"""A schema of which every field may go wrong, and data in which much does.

A seed says all of it, so that the same data can be made twice: coroutines and generators are used up by one execution.
"""

import asyncio
import enum
import random
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.dataloader import DataLoader

Tag = NewType("Tag", str)
Shout = NewType("Shout", str)


def _shout(value: Any) -> Any:
    if value == "boom":
        raise ValueError("No shouting.")
    return None if value == "hush" else str(value).upper()


SCALARS: dict[object, Any] = {
    Tag: strawberry.scalar(name="Tag", serialize=str, parse_value=str),
    Shout: strawberry.scalar(name="Shout", serialize=_shout, parse_value=str),
}


@strawberry.enum
class Colour(enum.Enum):
    RED = "red"
    GREEN = strawberry.enum_value("green", name="VERT")


@strawberry.enum
class Size(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


@strawberry.interface
class Named:
    name: str
    nick: str | None


@strawberry.type
class Leaf:
    count: int
    maybe: int | None
    ratio: float
    share: float | None
    is_on: bool
    flag: bool | None
    id: strawberry.ID
    colour: Colour
    size: Size | None
    tag: Tag
    shout: Shout | None
    day: date
    at: datetime | None
    price: Decimal


@strawberry.type
class Cat(Named):
    lives: int
    leaf: Leaf | None

    @strawberry.field
    def sound(self, info: strawberry.Info, times: int = 1, tail: str | None = "!") -> str:
        info.context.note("sound", list(info.path))
        return "miaow" * times + (tail or "")


@strawberry.type
class Dog(Named):
    age: int | None
    friends: list[Annotated["Cat | Dog", strawberry.union("Pet")]]

    @strawberry.field
    async def slow(self, info: strawberry.Info) -> int:
        info.context.note("slow", self.name)
        return await info.context.loader.load(len(str(self.name)))


Pet = Annotated[Cat | Dog, strawberry.union("Pet")]


@strawberry.type
class Knot:
    leaf: Leaf
    maybe_leaf: Leaf | None
    leaves: list[Leaf]
    holes: list[Leaf | None] | None
    deep: list[list[int]]
    deeper: list[list[Leaf | None] | None] | None
    words: list[str | None]
    tags: list[Tag]
    pet: Pet | None
    pets: list[Pet]
    named: Named
    nameds: list[Named | None]
    next: Annotated["Knot", strawberry.lazy("tests.compiled.oddities")] | None
    data: strawberry.Private[random.Random]

    @strawberry.field
    def plain(self) -> str:
        return str(value(self.data, lambda: "plain"))

    @strawberry.field
    def thrown(self) -> str | None:
        return value(self.data, lambda: "thrown")  # type: ignore[no-any-return]

    @strawberry.field
    async def awaited(self) -> Leaf | None:
        await asyncio.sleep(0)
        return leaf(self.data)

    @strawberry.field
    async def awaited_pets(self, info: strawberry.Info, first: int = 2) -> list[Pet] | None:
        info.context.note("awaited_pets", first)
        return many(self.data, pet, first)

    @strawberry.field
    async def loaded(self, info: strawberry.Info) -> int:
        return await info.context.loader.load(self.data.randrange(5))


class Errs(Exception):
    pass


def value(data: random.Random, good: Callable[[], Any]) -> Any:
    """Mostly what is expected."""
    at = data.random()
    if at < ODDNESS[0] / 2:
        return data.choice(ODD)(data)
    return good()


ODDNESS = [0.06]


class _Soon:
    """An awaitable that nobody misses: a coroutine would complain when neither executor comes to it."""

    def __init__(self, what: Any) -> None:
        self._what = what

    def __repr__(self) -> str:
        return f"_Soon({type(self._what).__name__})"

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self._what, Exception):
            raise self._what
        return self._what


def _counting() -> Iterator[Any]:
    yield from ("1", 2, None)


async def _streaming() -> AsyncIterator[Any]:
    for one in (1, "two"):
        yield one


ODD: list[Callable[[random.Random], Any]] = [
    lambda _: None,
    lambda _: Errs("returned"),
    lambda _: GraphQLError("typed"),
    lambda _: float("nan"),
    lambda _: float("inf"),
    lambda _: 2**31,
    lambda _: -(2**31) - 1,
    lambda _: 10**30,
    lambda _: True,
    lambda _: 1.0,
    lambda _: "boom",
    lambda _: "hush",
    lambda _: "red",
    lambda _: "PURPLE",
    lambda _: b"bytes",
    lambda _: [1, 2],
    lambda _: (None, 3),
    lambda _: {"name": "a dict"},
    lambda _: {1},
    lambda _: _counting(),
    lambda _: object,
    lambda _: Decimal("1.5"),
    lambda _: _Soon(None),
    lambda _: _Soon(7),
    lambda _: _Soon("later"),
    lambda _: _Soon(Errs("later")),
    lambda data: _Soon(leaf(data)),
    lambda data: leaf(data),
    lambda data: [_Soon(1), leaf(data), _Soon(Errs("in a list"))],
]


class Holder:
    """An object that is not Strawberry's, with attributes that throw or are missing."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    @property
    def maybe(self) -> int:
        raise Errs("a property")


def leaf(data: random.Random) -> Any:
    good: dict[str, Any] = {
        "count": lambda: data.randrange(-5, 5),
        "ratio": lambda: 0.5,
        "share": lambda: None,
        "is_on": lambda: True,
        "flag": lambda: data.choice([None, False]),
        "id": lambda: "an id",
        "colour": lambda: data.choice(list(Colour)),
        "size": lambda: data.choice([None, *Size]),
        "tag": lambda: "tag",
        "shout": lambda: data.choice([None, "loud"]),
        "day": lambda: date(2026, 3, 1),
        "at": lambda: data.choice([None, datetime(2026, 3, 1, tzinfo=UTC)]),
        "price": lambda: Decimal("12.50"),
    }
    made = {name: value(data, one) for name, one in good.items()}
    at = data.random()
    if at < ODDNESS[0]:
        made.pop(data.choice(list(made)))
        return Holder(**made)
    return Leaf(**made, maybe=value(data, lambda: data.choice([None, 3])))


def pet(data: random.Random, depth: int = 0) -> Any:
    names = {"name": value(data, lambda: "Rex"), "nick": value(data, lambda: None)}
    if data.random() < 0.5 or depth > 1:
        return Cat(**names, lives=value(data, lambda: 9), leaf=value(data, lambda: leaf(data)))
    friends = value(data, lambda: many(data, lambda one: pet(one, depth + 1), 2))
    return Dog(**names, age=value(data, lambda: 3), friends=friends)


def many(data: random.Random, one: Callable[[random.Random], Any], most: int = 3) -> Any:
    found = [value(data, lambda: one(data)) for _ in range(data.randrange(most + 1))]
    return tuple(found) if data.random() < 0.2 else found


def knot(data: random.Random, depth: int = 0) -> Any:
    def v(good: Callable[[], Any]) -> Any:
        return value(data, good)

    return Knot(
        leaf=v(lambda: leaf(data)),
        maybe_leaf=v(lambda: leaf(data)),
        leaves=v(lambda: many(data, leaf)),
        holes=v(lambda: many(data, leaf)),
        deep=v(lambda: many(data, lambda d: many(d, lambda e: e.randrange(9)))),
        deeper=v(lambda: many(data, lambda d: many(d, leaf))),
        words=v(lambda: many(data, lambda _: "word")),
        tags=v(lambda: many(data, lambda _: "tag")),
        pet=v(lambda: pet(data)),
        pets=v(lambda: many(data, pet)),
        named=v(lambda: pet(data)),
        nameds=v(lambda: many(data, pet)),
        next=v(lambda: knot(data, depth + 1) if depth < 2 else None),
        data=random.Random(data.random()),
    )


class Context:
    """What resolvers told, in order."""

    def __init__(self, seed: int, given: Any = None) -> None:
        self.seed = seed
        self.given = given
        self.told: list[Any] = []
        self.loader: DataLoader[int, int] = DataLoader(self._load)

    def note(self, *what: Any) -> None:
        self.told.append(what)

    async def _load(self, keys: list[int]) -> list[Any]:
        self.note("batch", *keys)
        return [Errs("not found") if key == 4 else key for key in keys]


@strawberry.type
class Query:
    @strawberry.field
    def knot(self, info: strawberry.Info) -> Knot | None:
        return value(random.Random(info.context.seed), lambda: knot(random.Random(info.context.seed)))  # type: ignore[no-any-return]

    @strawberry.field
    def given(self, info: strawberry.Info) -> Leaf | None:
        return info.context.given  # type: ignore[no-any-return]

    @strawberry.field
    def all_given(self, info: strawberry.Info) -> list[Leaf] | None:
        return [info.context.given, info.context.given]

    @strawberry.field
    async def knots(self, info: strawberry.Info, first: int = 2) -> list[Knot]:
        return many(random.Random(info.context.seed), knot, first)  # type: ignore[no-any-return]

    @strawberry.field
    async def sure(self, info: strawberry.Info) -> Knot:
        await asyncio.sleep(0)
        return knot(random.Random(info.context.seed))  # type: ignore[no-any-return]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def tie(self, info: strawberry.Info, at: int = 0) -> Knot | None:
        info.context.note("tie", at)
        await asyncio.sleep(0)
        info.context.note("tied", at)
        return knot(random.Random(info.context.seed + at))  # type: ignore[no-any-return]

    @strawberry.mutation
    def must(self, info: strawberry.Info) -> Knot:
        info.context.note("must")
        return value(random.Random(info.context.seed), lambda: knot(random.Random(info.context.seed)))  # type: ignore[no-any-return]


schema = strawberry.Schema(
    Query, Mutation, types=[Cat, Dog], config=strawberry.schema.config.StrawberryConfig(scalar_map=SCALARS)
)
