"""A schema that takes every kind of input and answers with what its resolvers were given."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NewType, Optional

import strawberry
from strawberry import UNSET, BasePermission
from strawberry.extensions import FieldExtension
from strawberry.relay import GlobalID
from strawberry.schema.config import StrawberryConfig

from schema.one_of import name_the_place_of_one_of

Even = NewType("Even", int)
Json = NewType("Json", object)


def _even(value: Any) -> Any:
    if value % 2:
        raise ValueError(f"{value} is odd.")
    return value


SCALARS: dict[object, Any] = {
    Even: strawberry.scalar(name="Even", serialize=int, parse_value=_even),
    Json: strawberry.scalar(name="Json", serialize=lambda value: value, parse_value=lambda value: value),
}


@strawberry.enum
class Colour(enum.Enum):
    RED = "red"
    GREEN = strawberry.enum_value("green", name="VERT")


@strawberry.input
class Leaf:
    count: int
    ratio: float | None = None
    is_on: bool | None = UNSET
    id: strawberry.ID | None = UNSET
    colour: Colour = Colour.RED
    day: date | None = None
    from_: str = strawberry.field(name="from", default="here")
    even: Even | None = UNSET


@strawberry.input
class Branch:
    leaf: Leaf
    other: Leaf | None = None
    leaves: list[Leaf] = strawberry.field(default_factory=list)
    holes: list[Leaf | None] | None = UNSET
    deep: list[list[int]] | None = UNSET
    words: list[str | None] | None = UNSET
    colours: list[Colour] | None = strawberry.field(default_factory=list)
    json: Json | None = UNSET
    price: Decimal | None = UNSET


@strawberry.input(one_of=True)
class Checked:
    """Exactly one, as graphql-core checks it."""

    leaf: Leaf | None = UNSET
    number: int | None = UNSET
    words: list[str] | None = UNSET


@strawberry.input(one_of=True)
class Given:
    """Exactly one, as Strawberry checks it."""

    leaf: Leaf | None = UNSET
    number: int | None = UNSET


@strawberry.input
class Knot:
    name: str
    next: Optional["Knot"] = None
    inside: list["Knot"] | None = None


@strawberry.input
class Own:
    """One with a word of its own when it is made."""

    number: int = 3

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"{self.number} is below zero.")


@strawberry.input
class Perhaps:
    number: strawberry.Maybe[int]
    words: strawberry.Maybe[list[str] | None]
    node: GlobalID | None = None


class Louder(FieldExtension):
    """Has its say about what goes in and what comes out."""

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {name: value.upper() if isinstance(value, str) else value for name, value in kwargs.items()}

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return f"{next_(source, info, **kwargs)}! {sorted(kwargs)}"

    async def resolve_async(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        found = await next_(source, info, **kwargs)
        return Answer(seen=f"{found.seen}! {sorted(kwargs)}")


class NotOnSundays(BasePermission):
    message = "It is Sunday."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return kwargs.get("day") != "Sunday"


@strawberry.type
class Answer:
    seen: str

    @strawberry.field
    def again(self, info: strawberry.Info, times: int = 2, words: list[str] | None = None) -> str:
        return told(self.seen, times=times, words=words, info=info)

    @strawberry.field(extensions=[Louder()], permission_classes=[NotOnSundays])  # type: ignore[untyped-decorator]
    def loud(self, info: strawberry.Info, day: str = "Sunday", word: str | None = None) -> str | None:
        return told(self.seen, day=day, word=word, info=info)

    @strawberry.field
    def plain(self, leaf: Leaf | None = None, colour: Colour = Colour.GREEN) -> str:
        return told(leaf=leaf, colour=colour)


def told(*parts: Any, info: Any = None, **given: Any) -> str:
    seen = [repr(part) for part in parts] + [f"{name}={value!r}" for name, value in given.items()]
    for value in given.values():  # what one request does to its own is not the next one's
        if isinstance(value, list):
            value.append("written into")
    return " ".join(seen) + ("" if info is None else f" {info.variable_values!r} {list(info.path)}")


@strawberry.type
class Query:
    @strawberry.field
    def leaf(self, info: strawberry.Info, leaf: Leaf, leaves: list[Leaf] | None = None) -> Answer:
        return Answer(seen=told(leaf=leaf, leaves=leaves, info=info))

    @strawberry.field
    async def branch(self, branch: Branch, branches: list[Branch] | None = None) -> Answer | None:
        return Answer(seen=told(branch=branch, branches=branches))

    @strawberry.field
    async def either(self, root: object, checked: Checked | None = None, given: Given | None = None) -> Answer:
        return Answer(seen=told(root, checked=checked, given=given))

    @strawberry.field
    def knot(self, knot: Knot) -> Answer | None:
        return Answer(seen=told(knot=knot))

    @strawberry.field
    async def own(self, own: list[Own]) -> Answer | None:
        return Answer(seen=told(own=own))

    @strawberry.field
    def perhaps(self, info: strawberry.Info, perhaps: Perhaps) -> Answer | None:
        return Answer(seen=told(perhaps=perhaps, info=info))

    @strawberry.field
    def leaves(
        self,
        parent: strawberry.Parent[Any],
        numbers: list[int] = strawberry.UNSET,
        ratio: float = 1.5,
        flag: bool | None = True,
        id: strawberry.ID | None = UNSET,
        colours: Annotated[list[Colour] | None, strawberry.argument(name="tints")] = None,
        at: datetime | None = None,
        even: Even = Even(2),
        json: Json | None = UNSET,
    ) -> Answer | None:
        return Answer(
            seen=told(
                parent, numbers=numbers, ratio=ratio, flag=flag, id=id, colours=colours, at=at, even=even, json=json
            )
        )


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def put(self, info: strawberry.Info, branch: Branch, given: Given | None = None) -> Answer | None:
        return Answer(seen=told(branch=branch, given=given, info=info))

    @strawberry.mutation(extensions=[Louder()])  # type: ignore[untyped-decorator]
    async def raised(self, root: object, leaf: Leaf, words: list[str] | None = None) -> Answer | None:
        return Answer(seen=told(root, leaf=leaf, words=words))

    @strawberry.mutation
    def set(self, leaf: Leaf, own: Own | None = None) -> Answer:
        return Answer(seen=told(leaf=leaf, own=own))


schema = strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))
_given: Any = schema._schema.type_map["Given"]
_strawberrys_check = _given.out_type
name_the_place_of_one_of(schema)
_given.is_one_of, _given.out_type = False, _strawberrys_check
