"""Every root field × caller × whose thing is named: the answer follows from one small policy (R40)."""

from collections.abc import Iterator

import pytest
from graphql import GraphQLInputObjectType, GraphQLSchema, get_named_type

from schema.root import schema
from tests.access.estate import Answer, Estate
from tests.access.policy import CALLERS, COMPANY_OF, Caller, Expected, Of, Probe, broken_bearers
from tests.access.probes import LISTS, MUTATIONS, OF_THE_TOKEN_ALONE, PROBES
from tests.access.proven_elsewhere import NAMES_NOTHING, PROVEN_ELSEWHERE
from tests.proof import assert_books_hold

GRAPHQL: GraphQLSchema = schema._schema
NAMING = {"slug", "phoneNumber", "externalId", "groupExternalIds", "idempotencyKey", "eventId", "source"}
"""Arguments that name something without being an ID or a PhoneNumber."""
CURSORS = {"after", "before"}


def _paths(type_: object, path: str, name: str) -> Iterator[str]:
    named = get_named_type(type_)  # type: ignore[call-overload]
    if isinstance(named, GraphQLInputObjectType):
        for part, input_field in named.fields.items():
            if part != "usage":  # facts of an event: texts of the reporter, which find nothing
                yield from _paths(input_field.type, f"{path}.{part}", part)
    elif named.name in {"ID", "PhoneNumber"} or name in NAMING:
        yield path


def _naming_arguments() -> set[str]:
    return {
        path
        for root in (GRAPHQL.query_type, GRAPHQL.mutation_type)
        if root
        for field_name, field in root.fields.items()
        for name, argument in field.args.items()
        if name not in CURSORS
        for path in _paths(argument.type, f"{root.name}.{field_name}.{name}", name)
    }


def test_every_root_field_is_in_the_policy() -> None:
    assert {probe.root for probe in PROBES if not probe.is_mutation} == set(GRAPHQL.query_type.fields)  # type: ignore[union-attr]
    named = {probe.root for probe in PROBES if probe.is_mutation}
    assert named | OF_THE_TOKEN_ALONE == set(GRAPHQL.mutation_type.fields)  # type: ignore[union-attr]


def test_every_argument_that_names_something_is_in_the_policy() -> None:
    claimed = {probe.through for probe in PROBES if probe not in LISTS}
    assert _naming_arguments() == claimed | set(PROVEN_ELSEWHERE) | NAMES_NOTHING


def test_every_probe_finds_something_for_somebody() -> None:
    for probe in PROBES:
        places = ("acme", "globex") if probe.of is Of.COMPANY else ("hq", "berlin", "vault")
        found = {place for caller in CALLERS for place in places if probe.expected(caller, place) is Expected.FOUND}
        assert found >= set(places[:1]), probe.through


async def _walk(estate: Estate, caller: Caller, probes: tuple[Probe, ...]) -> None:
    """Asks every probe for every place; hidden and unknown must be the same bytes."""
    bearer = caller.bearer
    for probe in probes:
        nothing: Answer | None = None
        named = probe.named(estate)
        for place in ("unknown", *(place for place in named if place != "unknown")):
            answer = await probe.ask(estate, bearer, named[place])
            expected = probe.expected(caller, place)
            about = (caller.name, probe.through, place, answer.body)
            assert answer.status == 200, about
            assert probe.met(answer, named[place]) is expected, about
            is_his = place in COMPANY_OF and caller.sees(place)
            if expected in (Expected.FORBIDDEN, Expected.NOTHING) and not is_his and probe not in LISTS:
                nothing = nothing or answer
                assert answer.body == nothing.body, about


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
async def test_a_caller_finds_what_is_his_and_everything_else_is_not_there(estate: Estate, caller: Caller) -> None:
    await _walk(estate, caller, PROBES)
    await assert_books_hold(estate.database)


async def test_the_same_holds_on_postgresql(postgresql_estate: Estate) -> None:
    short = tuple(probe for probe in PROBES if probe.root not in {"node", "nodes"} and probe.of is Of.OFFICE)
    [limited] = (caller for caller in CALLERS if caller.name == "partner limited to one office")
    await _walk(postgresql_estate, limited, short)


async def test_who_proves_nothing_is_told_nothing(estate: Estate) -> None:
    for why, bearer in broken_bearers().items():
        answers = set()
        for probe in PROBES:
            answer = await probe.ask(estate, bearer, next(iter(probe.named(estate).values())))
            assert answer.status == 401, (why, probe.through)
            answers.add(answer.body)
        assert len(answers) == 1, why
        [error] = Answer(401, answers.pop()).json["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_of_a_token_that_cannot_be_resolved_the_reason_does_not_tell_which_part(estate: Estate) -> None:
    bearers = broken_bearers()
    bodies = {
        (await estate.ask(bearers[why], "{ viewer { id } }")).body
        for why in ("unknown company", "office of another company")
    }
    assert len(bodies) == 1


async def test_mutations_that_are_refused_change_nothing(estate: Estate) -> None:
    """Every row of every table, before and after everything that somebody may not do."""
    before = await estate.everything_stored()
    tried = 0
    for caller in CALLERS:
        bearer = caller.bearer
        for probe in MUTATIONS:
            for place, value in probe.named(estate).items():
                if probe.expected(caller, place) is not Expected.FOUND:
                    await probe.ask(estate, bearer, value)
                    tried += 1
    for nobody in broken_bearers().values():
        for probe in MUTATIONS:
            await probe.ask(estate, nobody, next(iter(probe.named(estate).values())))
    assert tried > 300
    assert await estate.everything_stored() == before
    await assert_books_hold(estate.database)


VIEWER = "query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }"


async def test_a_viewer_finds_himself_and_nobody_else(estate: Estate) -> None:
    ids = {
        caller.name: (await estate.ask(caller.bearer, "{ viewer { id } }")).data["viewer"]["id"] for caller in CALLERS
    }
    own, foreign = ids["company admin"], ids["admin of another company"]
    assert own != foreign
    answer = await estate.ask(CALLERS[0].bearer, VIEWER, id=own)
    assert answer.data == {"node": {"id": own}, "nodes": [{"id": own}]}
    answer = await estate.ask(CALLERS[0].bearer, VIEWER, id=foreign)
    assert answer.data == {"node": None, "nodes": [None]}
