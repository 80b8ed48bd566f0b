"""The text of the functions, and what its names stand for.

Each value is tested for being what it nearly always is; anything else goes to `compiled.stock`, and comes back
completed or awaitable.
"""

from itertools import count
from typing import TYPE_CHECKING, Any

from graphql import is_enum_type, is_leaf_type, is_list_type, is_non_null_type, is_object_type

from compiled import stock
from compiled.field import Field, Function
from compiled.leaves import JSON_CLASSES, enum_names, learn_ordinary, ordinary_classes, strange
from compiled.resolvers import Attribute, Direct, shortcut
from compiled.types import CAST

if TYPE_CHECKING:
    from compiled.plan import Plan

_TYPENAME = "__typename"


class _Writer:
    def __init__(self, plan: "Plan") -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.names: dict[str, Any] = {name: getattr(stock, name) for name in stock.__all__}
        self._numbers = count()

    def name(self, thing: Any, stem: str) -> str:
        made = f"{stem}{next(self._numbers)}"
        self.names[made] = thing
        return made

    def write(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]

    def function(self) -> Function:
        exec(compile("\n".join(self.lines), "<compiled selection>", "exec"), self.names)  # noqa: S102
        made: Function = self.names["made"]
        return made


def object_function(plan: "Plan", fields: dict[str, Field]) -> Function:
    """Takes an object, answers with its fields."""
    writer = _Writer(plan)
    writer.write(0, "def made(run, source, place):", "    late = None", "    try:", "        pass")
    answers: list[str] = []
    for number, (key, field) in enumerate(fields.items()):
        if field.nodes[0].name.value == _TYPENAME:
            answers.append(f"{key!r}: {field.parent.name!r}")
            continue
        value = f"v{number}"
        answers.append(f"{key!r}: {value}")
        _write_field(writer, key, field, value)
    writer.write(
        1,
        "except Exception:",
        "    if late: abandon(run, [one for _, one in late])",
        "    raise",
        f"answer = {{{', '.join(answers)}}}",
        "if late is None: return answer",
        "return gathered(answer, [key for key, _ in late])",
    )
    return writer.function()


def list_function(plan: "Plan", item: Field) -> Function:
    """Takes a list or tuple, answers with a list."""
    writer = _Writer(plan)
    field = writer.name(item, "F")
    writer.write(0, "def made(run, source, place):", "    out = []", "    late = None", "    rest = iter(source)")
    writer.write(1, "try:", "    for v in rest:")
    fallen = f"odd_item(run, {field}, v, place, len(out))"
    broken = f"broke_item(run, {field}, error, place, len(out))"
    later = f"later_item(run, {field}, v, place, len(out))"
    noted = "late = late or []; late.append(len(out))"
    _write_completion(writer, 3, item, field, "v", "(place, len(out))", fallen, broken, later, noted)
    writer.write(3, "out.append(v)")
    writer.write(
        1,
        "except Exception:",
        "    abandon_list(run, out, late, rest)",
        "    raise",
        "if late is None: return out",
        "return gathered(out, late)",
    )
    return writer.function()


def _write_field(writer: _Writer, key: str, field: Field, value: str) -> None:
    name = writer.name(field, "F")
    short = shortcut(writer.plan.schema, field.definition)
    if isinstance(short, Attribute):
        read = f"source.{short.name}"
    elif isinstance(short, Direct):
        read = f"{writer.name(short.function, 'R')}({'source' if short.takes_source else ''})"
    else:
        read = f"call(run, {name}, source, place)"
    broken = f"broke(run, {name}, error, place)"
    writer.write(2, f"try: {value} = {read}", f"except Exception as error: {value} = {broken}", "else:")
    noted = f"late = late or []; late.append(({key!r}, {value}))"
    fallen = f"odd(run, {name}, {value}, place)"
    later = f"later(run, {name}, {value}, place)"
    _write_completion(writer, 3, field, name, value, "place", fallen, broken, later, noted)


def _write_completion(
    writer: _Writer,
    depth: int,
    field: Field,
    name: str,
    value: str,
    place: str,
    fallen: str,
    broken: str,
    later: str,
    noted: str,
) -> None:
    """From what was resolved to what is answered."""
    kind = field.type.of_type if is_non_null_type(field.type) else field.type
    odd = [f"{value} = {fallen}", f"if run.is_awaitable({value}): {noted}"]
    nullable = "" if is_non_null_type(field.type) else f"{value} is not None and "
    if is_leaf_type(kind):
        _write_leaf(writer, depth, field, kind, value, nullable, broken, odd)
        return
    if is_list_type(kind):
        item = field.item(kind.of_type)
        made = writer.name(list_function(writer.plan, item), "L")
        within = place if field.is_item else f"({place}, {writer.name(field.way, 'W')})"
        known = f"{value}.__class__ is list or {value}.__class__ is tuple"
        complete, whole = f"{made}(run, {value}, {within})", "list"
        writer.write(depth, f"if {known}:")
    else:
        field.learns = writer.plan.learn
        classes = writer.name(field.by_class, "K")
        complete, whole = f"completes(run, {value}, {place})", "dict"
        writer.write(depth, f"completes = {classes}.get({value}.__class__)")
        uncast = "" if is_object_type(kind) and kind.is_type_of is None else _uncast(value)
        writer.write(depth, f"if completes is not None{uncast}:")
    writer.write(
        depth + 1,
        f"try: {value} = {complete}",
        f"except Exception as error: {value} = {broken}",
        "else:",
        f"    if {value}.__class__ is not {whole}:",
        f"        {value} = {later}",
        f"        {noted}",
    )
    writer.write(depth, f"elif {value} is not None:" if nullable else "else:")
    writer.write(depth + 1, *odd)


def _uncast(value: str) -> str:
    return f" and getattr({value}, {CAST!r}, None) is None"


def _write_leaf(
    writer: _Writer, depth: int, field: Field, kind: Any, value: str, nullable: str, broken: str, odd: list[str]
) -> None:
    condition = strange(kind, value)
    if condition is not None:
        writer.write(depth, f"if {nullable}({condition}):")
        writer.write(depth + 1, *odd)
        return
    members = enum_names(kind) if is_enum_type(kind) else None
    if members is not None:
        cls, names = writer.name(members[0], "E"), writer.name(members[1], "N")
        writer.write(depth, f"if {value}.__class__ is {cls}: {value} = {names}[{value}._name_]")
        writer.write(depth, f"elif {value} is not None:" if nullable else "else:")
        writer.write(depth + 1, *odd)
        return
    field.learns = _learn_leaf
    coerce = writer.name(kind.coerce_output_value, "C")
    ordinary, plain = writer.name(ordinary_classes, "O"), writer.name(JSON_CLASSES, "J")
    writer.write(depth, f"if {value}.__class__ in {ordinary}:")
    writer.write(
        depth + 1,
        f"try: coerced = {coerce}({value})",
        f"except Exception as error: {value} = {broken}",
        "else:",
        f"    if coerced.__class__ in {plain}: {value} = coerced",
        "    else:",
    )
    writer.write(depth + 3, *odd)
    writer.write(depth, f"elif {value} is not None:" if nullable else "else:")
    writer.write(depth + 1, *odd)


def _learn_leaf(_run: Any, _field: Field, value: Any) -> None:
    learn_ordinary(value.__class__)
