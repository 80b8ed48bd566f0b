"""Every way of naming a hold, or an office that is asked to hold."""

from collections.abc import Iterator

from schema.ids import IdKind
from tests.access.estate import BARRED
from tests.access.policy import REFERENCES, Probe

HOLD = frozenset({"HOLD_FUNDS"})
_MAY_QUOTE = frozenset({"HOLD_FUNDS", "RECORD_USAGE", "VIEW_RATES"})
_MAY_SEE = frozenset({"HOLD_FUNDS", "VIEW_WALLETS"})
_TOO_OLD = (
    'eventId: "probe", occurredAt: "2001-01-01T00:00:00Z",'
    ' usage: { call: { direction: OUTBOUND, from: "1", to: "2", durationSeconds: 1 } }'
)
_ENDS = f'direction: OUTBOUND, from: "1002", to: "{BARRED}"'


def _holding() -> Iterator[Probe]:
    """What is asked for is barred, and what is captured too old: whoever is found changes nothing."""
    for name, (values, takes) in REFERENCES.items():
        usage = f"usage: {{ call: {{ {_ENDS}, durationSeconds: 60 }} }}"
        yield Probe(
            f"Query.quoteUsage.input.office.{name}",
            f"query ($id: ?) {{ quoteUsage(input: {{ office: {{ {name}: $id }}, {usage} }}) {{ canStart }} }}",
            values,
            lambda found, _: found is not None,
            _MAY_QUOTE,
            takes=takes,
        )
        wanted = f'eventId: "barred", service: CALLING, {_ENDS}, quantity: 60'
        yield Probe(
            f"Mutation.authorizeUsage.input.office.{name}",
            f"mutation ($id: ?) {{ authorizeUsage(input: {{ office: {{ {name}: $id }}, {wanted} }}) {{"
            " refusal { reason } userErrors { code message field } } }",
            values,
            lambda found, _: found["refusal"] == {"reason": "BLOCKED"},
            HOLD,
            takes=takes,
        )
    for name, more in (
        ("extendHold", ", quantity: 1"),
        ("captureHold", f", event: {{ {_TOO_OLD} }}"),
        ("releaseHold", ""),
    ):
        yield Probe(
            f"Mutation.{name}.input.holdId",
            f"mutation ($id: ?) {{ {name}(input: {{ holdId: $id{more} }}) {{"
            " hold { id } userErrors { code message field } } }",
            IdKind.HOLD,
            lambda found, _: found["hold"] is not None,
            HOLD,
        )


HOLDING = (
    Probe(
        "Query.hold.id",
        "query ($id: ?) { hold(id: $id) { id } }",
        IdKind.HOLD,
        lambda found, _: found is not None,
        _MAY_SEE,
    ),
    *_holding(),
)
