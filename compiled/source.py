"""The text of the functions that answer.

Each value is tested for being what it nearly always is; anything else goes to `compiled.stock`, and comes back
completed or awaitable. There is one `except` for all fields: the line that raised says which of them it was, and
`compiled.resume` answers the others. So a field takes two lines, and little time to compile.
"""

from typing import TYPE_CHECKING, Any

from graphql import is_enum_type, is_leaf_type, is_list_type, is_non_null_type, is_object_type

from compiled import resume, stock
from compiled.field import Field, Function
from compiled.leaves import JSON_CLASSES, enum_names, learn_ordinary, ordinary_classes, strange
from compiled.resolvers import Attribute, Direct
from compiled.text import Text
from compiled.types import CAST

if TYPE_CHECKING:
    from compiled.plan import Plan

_TYPENAME = "__typename"
_NAMES = {
    "call": stock.call,
    "odd": stock.odd,
    "later": stock.later,
    "gathered": stock.gathered,
    "resumed": resume.resumed,
    "resumed_list": resume.resumed_list,
    "ordinary": ordinary_classes,
    "plain": JSON_CLASSES,
}


class _Writer(Text):
    def __init__(self, plan: "Plan") -> None:
        super().__init__()
        self.plan = plan
        self.names |= _NAMES
        self.blamed: dict[int, int] = {}
        """Lines that raise what is the error of a field, and of which."""

    def blame(self, number: int, depth: int, line: str) -> None:
        self.write(depth, line)
        self.blamed[len(self.lines)] = number


def object_function(plan: "Plan", fields: dict[str, Field]) -> Function:
    """Takes an object, answers with its fields."""
    writer = _Writer(plan)
    writer.write(0, "def made(run, source, place):", "    late = []", "    try:", "        pass")
    answers: list[str] = []
    for number, (key, field) in enumerate(fields.items()):
        if field.nodes[0].name.value == _TYPENAME:
            answers.append(f"{key!r}: {field.parent.name!r}")
            continue
        answers.append(f"{key!r}: v{number}")
        _write_field(writer, field, number)
    names = writer.name(list(fields.values()), "A"), writer.name(writer.blamed, "B")
    writer.write(
        1,
        "except Exception as error:",
        f"    return resumed(run, {', '.join(names)}, source, place, late, error, locals())",
        f"answer = {{{', '.join(answers)}}}",
        "return gathered(answer, late) if late else answer",
    )
    return writer.function()


def list_function(plan: "Plan", item: Field) -> Function:
    """Takes a list or tuple, answers with a list."""
    writer = _Writer(plan)
    name = writer.name(item, "F")
    writer.write(0, "def made(run, source, place):", "    late = []", "    out = []", "    rest = iter(source)")
    writer.write(1, "try:", "    for v in rest:")
    _write_completion(writer, 3, item, 0, name, "v", "(place, len(out))")
    writer.write(3, "out.append(v)")
    writer.write(
        1,
        "except Exception as error:",
        f"    return resumed_list(run, {name}, {writer.name(writer.blamed, 'B')}, rest, out, place, late, error)",
        "return gathered(out, late) if late else out",
    )
    return writer.function()


def _write_field(writer: _Writer, field: Field, number: int) -> None:
    name, short = writer.name(field, "F"), field.shortcut
    if isinstance(short, Attribute):
        read = f"source.{short.name}"
    elif isinstance(short, Direct):
        read = f"{writer.name(short.function, 'R')}({'source' if short.takes_source else ''})"
    else:
        read = f"call(run, {name}, source, place)"
    value = f"v{number}"
    writer.blame(number, 2, f"{value} = {read}")
    _write_completion(writer, 2, field, number, name, value, "place")


def _write_completion(
    writer: _Writer, depth: int, field: Field, number: int, name: str, value: str, place: str
) -> None:
    """From what was resolved to what is answered."""
    kind = field.type.of_type if is_non_null_type(field.type) else field.type
    is_nullable = kind is field.type
    odd = f"{value} = odd(run, {name}, {value}, {place}, late)"
    if is_leaf_type(kind) and (condition := strange(kind, value)) is not None:
        present = f"{value} is not None and " if is_nullable else ""
        writer.write(depth, f"if {present}({condition}): {odd}")
        return
    if is_leaf_type(kind):
        _write_leaf(writer, depth, field, number, kind, value, odd)
    else:
        _write_nested(writer, depth, field, number, kind, name, value, place)
    writer.write(depth, f"elif {value} is not None: {odd}" if is_nullable else f"else: {odd}")


def _write_nested(
    writer: _Writer, depth: int, field: Field, number: int, kind: Any, name: str, value: str, place: str
) -> None:
    if is_list_type(kind):
        made, whole = writer.name(list_function(writer.plan, field.item(kind.of_type)), "L"), "list"
        within = place if field.is_item else f"({place}, {writer.name(field.way, 'W')})"
        writer.write(depth, f"if {value}.__class__ is list or {value}.__class__ is tuple:")
        writer.blame(number, depth + 1, f"{value} = {made}(run, {value}, {within})")
    else:
        field.learns = writer.plan.learn
        whole = "dict"
        writer.write(depth, f"completes = {writer.name(field.by_class, 'K')}.get({value}.__class__)")
        is_known = is_object_type(kind) and kind.is_type_of is None
        uncast = "" if is_known else f" and getattr({value}, {CAST!r}, None) is None"
        writer.write(depth, f"if completes is not None{uncast}:")
        writer.blame(number, depth + 1, f"{value} = completes(run, {value}, {place})")
    writer.write(depth + 1, f"if {value}.__class__ is not {whole}: later(run, {name}, {value}, {place}, late)")


def _write_leaf(writer: _Writer, depth: int, field: Field, number: int, kind: Any, value: str, odd: str) -> None:
    members = enum_names(kind) if is_enum_type(kind) else None
    if members is not None:
        cls, names = writer.name(members[0], "E"), writer.name(members[1], "N")
        writer.write(depth, f"if {value}.__class__ is {cls}: {value} = {names}[{value}._name_]")
        return
    field.learns = _learn_leaf
    writer.write(depth, f"if {value}.__class__ in ordinary:")
    writer.blame(number, depth + 1, f"coerced = {writer.name(kind.coerce_output_value, 'C')}({value})")
    writer.write(depth + 1, f"if coerced.__class__ in plain: {value} = coerced", f"else: {odd}")


def _learn_leaf(_run: Any, _field: Field, value: Any) -> None:
    learn_ordinary(value.__class__)
