"""From what graphql-core coerced to the Python classes of Strawberry's inputs: what its `convert_argument` does.

Only for classes that do nothing but hold their fields. Others have their say in Strawberry's own time and order.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field
from typing import Any

from strawberry import UNSET
from strawberry.relay import GlobalID
from strawberry.types.arguments import _is_leaf_type, _is_optional_leaf_type
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
    has_object_definition,
)
from strawberry.types.enum import has_enum_definition
from strawberry.types.lazy_type import LazyType

from compiled.text import Text

Conversion = Callable[[Any], Any]
_FACTORIES = (list, dict, set)


class Unfit(Exception):
    """Left to Strawberry."""


class Conversions:
    """Of one schema."""

    def __init__(self, strawberry_schema: Any) -> None:
        self._scalars = strawberry_schema.schema_converter.scalar_registry
        self._config = strawberry_schema.config
        self._classes: dict[type, Conversion | None] = {}
        self.info_class = self._config.info_class
        self.handles_exceptions = bool(strawberry_schema.exception_handlers)
        self.argument_name = self._config.name_converter.from_argument

    def of(self, kind: Any) -> Conversion | None:
        """None for values that stay what they are. Raises Unfit."""
        if isinstance(kind, StrawberryMaybe) or kind is GlobalID:
            raise Unfit
        if isinstance(kind, StrawberryOptional):
            return self.of(kind.of_type)
        if isinstance(kind, StrawberryList):
            return self._list(kind)
        if _is_leaf_type(kind, self._scalars) or has_enum_definition(kind):
            return None
        if isinstance(kind, LazyType):
            return self.of(kind.resolve_type())
        if not has_object_definition(kind):
            raise Unfit
        return self._nullable(self._object(kind))

    def _list(self, kind: StrawberryList) -> Conversion:
        if _is_leaf_type(kind.of_type, self._scalars, (GlobalID,)) or _is_optional_leaf_type(
            kind.of_type, self._scalars, (GlobalID,)
        ):
            return self._nullable(list)
        item = self.of(kind.of_type)
        if item is None:
            return self._nullable(list)
        return self._nullable(lambda value: [item(one) for one in value])

    @staticmethod
    def _nullable(made: Conversion) -> Conversion:
        return lambda value: value if value is None or value is UNSET else made(value)

    def _object(self, cls: Any) -> Conversion:
        if cls not in self._classes:
            self._classes[cls] = None  # for those it holds that hold it
            self._classes[cls] = self._make(cls, get_object_definition(cls, strict=True))
        made = self._classes[cls]
        if made is None:
            raise Unfit
        return made

    def _make(self, cls: Any, definition: StrawberryObjectDefinition) -> Conversion:
        if definition.from_input is not None or not definition.is_input or not _only_holds(cls):
            raise Unfit
        text = Text()
        implied = ", ".join(f"{field.python_name!r}: None" for field in definition.fields if _has_no_default(field))
        text.write(0, "def made(value):", f"    given = {{{implied}}}")
        for field in definition.fields:
            name = self._config.name_converter.from_field(field)
            convert = self.of(field.resolve_type(type_definition=definition))
            read = f"value[{name!r}]"
            if convert is not None:
                read = f"{text.name(convert, 'V')}({read})"
            text.write(1, f"if {name!r} in value: given[{field.python_name!r}] = {read}")
        text.write(1, f"return {text.name(cls, 'T')}(**given)")
        return text.function()


def _has_no_default(field: Any) -> bool:
    return field.default_value is MISSING and field.default_factory is MISSING


def _only_holds(cls: Any) -> bool:
    """A dataclass of which nothing is the author's that runs when one is made."""
    fields: dict[str, Field[Any]] = getattr(cls, "__dataclass_fields__", {})
    init = getattr(cls.__init__, "__code__", None)
    return (
        type(cls) is type
        and getattr(cls, "__new__") is object.__new__  # noqa: B009
        and init is not None
        and init.co_filename == "<string>"
        and not hasattr(cls, "__post_init__")
        and getattr(cls, "__setattr__") is object.__setattr__  # noqa: B009
        and all(one.default_factory in (MISSING, *_FACTORIES) for one in fields.values())
        and not any(hasattr(type(vars(cls).get(name)), "__set__") for name in fields)
    )
