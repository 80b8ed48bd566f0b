"""The documents say what the code does: every worked example is run, every operation validated, every list compared.

An example of docs/charging.md is a table below a comment `<!-- example: kind name=value … -->`. A `story` is told to a
real database, line by line; all other kinds are pure rules.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, parse, validate
from graphql.execution import get_variable_values

from api.cli import app
from api.imports.rates import read_deck
from api.refusals import Code
from api.settings import PREFIX, Settings
from domain.access import PartnerScope
from domain.catalogue import RATE_UNITS, USAGE_UNITS, Direction, Service, UsageType
from domain.charging import Outcome
from domain.explanation import Paid, explain
from domain.money import decimal_text, parse_micros, parse_nanos
from domain.numbers import call_type, office_line, parse_address
from domain.periods import CycleTerms, cycle_containing, label
from domain.rates import Increment, NewRate, Rate, RateBook, billed_seconds, connection_fee, usage_price
from domain.segments import count_segments
from domain.usage import KEPT_REJECTIONS, RejectionCode
from domain.waterfall import Coverage, Payment, allocate
from persistence.database import Database
from persistence.invariants import INVARIANTS
from persistence.verify import REFERENCES, verify
from schema.root import schema
from tests.conftest import FreshDatabases
from tests.story import Cells, Story, moment, number
from tests.world import START, World, allowance, call, commitment, office

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CHARGING = (DOCS / "charging.md").read_text(encoding="utf-8")
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
SCHEMA: GraphQLSchema = schema._schema  # the graphql-core schema has no public name


class Example(NamedTuple):
    kind: str
    parameters: dict[str, str]
    rows: list[Cells]
    line: int

    @property
    def name(self) -> str:
        return f"{self.kind}-line-{self.line}"


def _tables(text: str) -> Iterator[tuple[int, str, list[Cells]]]:
    """Line, the nearest text above, and the rows of every table."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("|") and not lines[at - 1].startswith("|"):
            above = next(before for before in reversed(lines[:at]) if before.strip())
            table = []
            for row in lines[at:]:
                if not row.startswith("|"):
                    break
                table.append([cell.strip().strip("`") for cell in row.strip("|").split("|")])
            yield at + 1, above, [dict(zip(table[0], cells, strict=True)) for cells in table[2:]]


def _examples() -> list[Example]:
    found = []
    for line, above, rows in _tables(CHARGING):
        mark = re.fullmatch(r"<!-- example: (\S+)(.*?)-->", above)
        assert mark, f"docs/charging.md:{line}: a table that no test runs"
        parameters = dict(part.split("=", 1) for part in mark[2].split())
        found.append(Example(mark[1], parameters, rows, line))
    return found


def _blocks(text: str, info: str) -> list[str]:
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _increment(text: str) -> Increment:
    first, _, following = text.partition("/")
    return Increment(int(first), int(following))


def _rate(given: NewRate, card: str = "deck") -> Rate:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    shared = {name: getattr(given, name) for name in NewRate._fields}
    return Rate(id=uuid4(), card=card, effective_from=start, effective_until=None, **shared)


def _priced(row: Cells, service: Service = Service.CALLING) -> tuple[int, int, int]:
    """Billed quantity, price without fee, fee: in micros."""
    fee = parse_micros(row.get("connection fee", "0"))
    nanos = parse_nanos(row["rate"])
    rate = _rate(NewRate(service, None, None, "", None, nanos, Increment(1, 1), fee, 0, False))
    quantity = number(row["billed"])
    return quantity, usage_price(quantity, rate), connection_fee(quantity, rate)


def _body(text: str) -> str:
    """`120 × a + 1 × €`: a body, spelled out where it is short and counted where it is long."""
    pieces = []
    for part in text.split(" + "):
        counted = re.fullmatch(r"([\d,]+) × (.+)", part)
        pieces.append(counted[2] * number(counted[1]) if counted else part)
    return "".join(pieces)


def check_segments(row: Cells, _: dict[str, str]) -> None:
    segments = count_segments(_body(row["body"]))
    assert (segments.encoding, segments.segment_count) == (row["alphabet"], int(row["segments"]))


def check_increments(row: Cells, _: dict[str, str]) -> None:
    assert billed_seconds(number(row["talked, s"]), _increment(row["increment"])) == number(row["billed, s"])


def check_prices(row: Cells, _: dict[str, str]) -> None:
    service = Service(row["service"])
    assert row["per"] == RATE_UNITS[USAGE_UNITS[service]].lower()
    _quantity, price, fee = _priced(row, service)
    assert decimal_text(price + fee) == row["list price"]


def check_types(row: Cells, given: dict[str, str]) -> None:
    line = office_line(given["region"], given["domestic"].split(","), given["numbers"].split(","))
    ends = [parse_address(row[end], given["region"]) for end in ("from", "to")]
    usage_type, decided_by = call_type(Direction(row["direction"]), ends[0], ends[1], line)
    assert (usage_type, decided_by.text) == (row["type"], row["decided by"])


def check_matches(row: Cells, given: dict[str, str], folder: Path) -> None:
    book = RateBook(map(_rate, _deck(given["deck"], folder)))
    rate = book.match(
        service=Service.CALLING,
        usage_type=UsageType(row["type"]),
        direction=Direction(row["direction"]),
        digits=row["number"].removeprefix("+") if row["number"].startswith("+") else "",
        at=datetime(2026, 5, 1, tzinfo=UTC),
    )
    assert (rate.destination if rate else "none: NO_RATE") == row["rate found"]


def check_waterfall(row: Cells, _: dict[str, str]) -> None:
    quantity, price, fee = _priced(row)
    paid = allocate(
        quantity=quantity,
        price=price,
        fee=fee,
        allowance_left=number(row["allowance left"]),
        commitment_left=parse_micros(row["calling left"]),
    )
    assert paid.plan_quantity == number(row["plan units"])
    told = ("list price", "plan worth", "calling pays", "universal pays", "cost")
    amounts = (paid.list_price_micros, paid.plan_micros, paid.commitment_micros, paid.universal_micros)
    assert [decimal_text(amount) for amount in (*amounts, paid.cost_micros)] == [row[name] for name in told]


def check_cycles(row: Cells, _: dict[str, str]) -> None:
    terms = CycleTerms(time_zone=row["time zone"], anchor_day=int(row["anchor day"]))
    cycle = cycle_containing(moment(row["moment"]), terms)
    assert (cycle.starts_at, cycle.ends_at) == (moment(row["starts"]), moment(row["ends"]))
    assert label(cycle.starts_at, terms.time_zone).text == row["label"]


CHECKS: dict[str, Callable[..., None]] = {
    "segments": check_segments,
    "increments": check_increments,
    "prices": check_prices,
    "types": check_types,
    "matches": check_matches,
    "waterfall": check_waterfall,
    "cycles": check_cycles,
}
EXAMPLES = _examples()


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.kind != "story"], ids=lambda one: one.name)
def test_a_table_of_worked_numbers_is_right(example: Example, tmp_path: Path) -> None:
    more = (tmp_path,) if example.kind == "matches" else ()
    for row in example.rows:
        CHECKS[example.kind](row, example.parameters, *more)


def test_every_kind_of_example_occurs() -> None:
    assert {example.kind for example in EXAMPLES} == {*CHECKS, "story"}


def test_the_sentences_of_an_explanation_are_quoted_as_they_are_written() -> None:
    row = next(one for one in EXAMPLES if one.kind == "waterfall").rows[1]
    quantity, price, fee = _priced(row)
    left = parse_micros(row["calling left"])
    paid = allocate(
        quantity=quantity, price=price, fee=fee, allowance_left=number(row["allowance left"]), commitment_left=left
    )
    [quoted] = _blocks(CHARGING, "text explanation")
    assert quoted.splitlines() == explain(_paid(quantity, parse_nanos(row["rate"]), fee, paid), "USD")


def _paid(quantity: int, nanos: int, fee: int, payment: Payment) -> Paid:
    return Paid(
        service=Service.CALLING,
        usage_type=UsageType.DOMESTIC,
        month=202605,
        is_booked_late=False,
        is_reversal=False,
        duration_seconds=quantity - 5,
        quantity=quantity,
        rate_nanos=nanos,
        increment=Increment(30, 6),
        connection_fee_micros=fee,
        list_price_micros=payment.list_price_micros,
        plan_quantity=payment.plan_quantity,
        plan_micros=payment.plan_micros,
        commitment_micros=payment.commitment_micros,
        universal_micros=payment.universal_micros,
        sources=payment.sources,
        coverage=Coverage.COVERED,
        has_commitment=True,
    )


def _deck(name: str, folder: Path) -> list[NewRate]:
    [text] = _blocks(CHARGING, f"csv {name}")
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    deck = read_deck(folder / f"{name}.csv")
    assert not deck.bad_rows
    return [rate for _, rate in deck.rates]


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.kind == "story"], ids=lambda one: one.name)
async def test_a_story_ends_as_it_is_told(example: Example, sqlite_database: Database, tmp_path: Path) -> None:
    story = Story(sqlite_database)
    name = example.parameters["company"]
    [company] = _blocks(CHARGING, f"yaml {name}")
    await story.begin(company, _deck(name, tmp_path))
    for row in example.rows:
        await story.tell(row)
    assert [finding.name async for finding in verify(sqlite_database) if finding.broken_count] == []


# ---------- the other pages ----------

GRAPHQL = (DOCS / "graphql.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
OPERATION = re.compile(
    r"^```graphql\n(?P<document>.*?)^```(?:\n\n```json variables\n(?P<variables>.*?)^```)?", re.DOTALL | re.MULTILINE
)
DOCUMENTS = [
    (found["document"], found["variables"])
    for page in sorted(DOCS.glob("*.md"))
    for found in OPERATION.finditer(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(
    ("document", "variables"), DOCUMENTS, ids=[text.split("(")[0].split("{")[0].strip() for text, _ in DOCUMENTS]
)
def test_an_operation_and_its_variables_fit_the_schema(document: str, variables: str | None) -> None:
    tree = parse(document)
    assert validate(SCHEMA, tree) == []
    [operation] = [part for part in tree.definitions if isinstance(part, OperationDefinitionNode)]
    if variables is not None:
        found = get_variable_values(SCHEMA, operation.variable_definitions or (), orjson.loads(variables))
        assert not isinstance(found, list), found


def _cells(text: str, heading: str) -> set[str]:
    """What stands in the first column below a heading; several in a cell are parted by commas."""
    for _, _, rows in _tables(text):
        if heading in rows[0]:
            return {name.strip().strip("`") for row in rows for name in row[heading].split(",")}
    raise AssertionError(f"no table is headed {heading!r}")


def test_every_code_outcome_and_scope_is_told_and_no_other() -> None:
    user_errors = SCHEMA.get_type("UserErrorCode")
    assert _cells(GRAPHQL, "code of a user error") == set(user_errors.values)  # type: ignore[union-attr]
    assert _cells(GRAPHQL, "code of an error") == set(Code)
    assert _cells(GRAPHQL, "outcome") == set(Outcome)
    assert _cells(GRAPHQL, "rejection") == set(RejectionCode)
    assert _cells(GRAPHQL, "scope") == set(PartnerScope)


def test_what_is_kept_to_be_replayed_is_told() -> None:
    [rows] = [rows for _, _, rows in _tables(GRAPHQL) if "rejection" in rows[0]]
    kept = {row["rejection"] for row in rows if row["kept and replayable"] == "yes"}
    assert kept == KEPT_REJECTIONS


def test_every_setting_is_listed_with_its_default() -> None:
    rows = [row for _, _, rows in _tables(OPERATIONS) if "variable" in rows[0] for row in rows]
    listed = {row["variable"].removeprefix(PREFIX).lower(): row["default"] for row in rows}
    assert len(rows) == len(listed)
    assert set(listed) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, str) and field.default:
            assert listed[name].replace("sqlite://", "sqlite+aiosqlite://") == field.default
        elif isinstance(field.default, int | float):
            assert listed[name] == str(field.default).lower().removesuffix(".0"), name


def test_every_command_is_listed() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {name.removeprefix("farebox ") for name in _cells(OPERATIONS, "command")} == commands


def test_what_verify_proves_is_listed_word_for_word() -> None:
    section = OPERATIONS.split("## What verify proves")[1]
    assert re.findall(r"^- (.+)$", section, re.MULTILINE) == [*(invariant.name for invariant in INVARIANTS), REFERENCES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}, target


async def test_the_books_move_from_sqlite_to_postgresql_as_documented(
    postgresql_url: str, fresh_databases: FreshDatabases
) -> None:
    urls = [await fresh_databases.url(engine) for engine in ("sqlite", "postgresql")]
    source, target = [Database(url) for url in urls]
    world = World(source)
    await world.set_up(
        office(allowances=(allowance(300),), commitments=(commitment("1"),), opening_credits_micros=5_000_000)
    )
    await world.record(
        *[call(f"c{at}", START, seconds=100 * at) for at in range(9)], call("n", START, to="+900123456789")
    )
    scope: dict[str, Any] = {"__name__": "move"}
    [script] = _blocks(OPERATIONS, "python move")
    exec(compile(script, "operations.md", "exec"), scope)

    await scope["move"](*urls)

    moved, kept = [[finding async for finding in verify(database)] for database in (target, source)]
    await asyncio.gather(source.close(), target.close())
    assert moved == kept
    assert not any(finding.broken_count for finding in moved)
    assert sum(finding.looked_at_count for finding in moved) > 50
