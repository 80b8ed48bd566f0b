"""Charging a batch of usage to one office, as one fold over its funds (DESIGN §4).

known? → rate → price → waterfall → postings → rollups, event by event in order of (occurred_at, event id). One bad
event never disturbs the rest. Whatever this decides is saved by one call, in the transaction that locked the funds.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.facts import differing_fields, fingerprint
from domain.funds import AllowanceCycle, CommitmentCycle, Cycle, Funds
from domain.known import Known, KnownCharge, KnownRejection
from domain.ledger import Books, Details, usage_account
from domain.money import Micros
from domain.periods import local_day
from domain.rates import RateBook
from domain.rating import Rated, check_time, rate_event
from domain.rejection_news import tell_rejected
from domain.renewal import backfill_cycle, close, reopen
from domain.reservations import capture, coverage_of
from domain.usage import KEPT_REJECTIONS, Rejected, RejectionCode, UsageEvent
from domain.waterfall import Coverage, Payment, allocate

_SIMPLE_NOTES = (
    ("quality_tenths", "qualityTenths"),
    ("delivery_status", "deliveryStatus"),
    ("status", "status"),
    ("skills_triggered", "skillsTriggered"),
    ("actions_executed", "actionsExecuted"),
    ("channel", "channel"),
)
"""Attribute of the usage, and its key in a charge's details."""


class Outcome(StrEnum):
    CHARGED = "CHARGED"
    REPLAYED = "REPLAYED"
    CONFLICT = "CONFLICT"
    REJECTED = "REJECTED"


class Directory(NamedTuple):
    """Ids of the members, groups and contacts that a batch names, by the phone system's own ids.

    Also of those never seen before: they come to be when usage that names them is charged (R17).
    """

    members: Mapping[str, UUID]
    groups: Mapping[str, UUID]
    contacts: Mapping[str, UUID]


class Charge(NamedTuple):
    """A rated usage and where its money came from."""

    id: UUID
    sequence: int
    event: UsageEvent
    fingerprint: bytes
    member_id: UUID | None
    group_id: UUID | None
    contact_id: UUID | None
    rated: Rated
    cycle: Cycle
    is_booked_late: bool
    local_day: date
    payment: Payment
    coverage: Coverage
    has_commitment: bool

    @property
    def known(self) -> KnownCharge:
        """As it stands under its key from now on."""
        return KnownCharge(self.id, self.fingerprint, self.rated.measured.details)


class Rejection(NamedTuple):
    code: RejectionCode
    message: str
    field: tuple[str, ...]


class Decision(NamedTuple):
    """What became of one event."""

    event: UsageEvent
    outcome: Outcome
    charge_id: UUID | None = None
    """CHARGED, REPLAYED; on CONFLICT the record that is there, None where another office's usage waits."""
    cost_micros: Micros = 0
    """Of a charge made now; a replay costs nothing again."""
    rejection: Rejection | None = None
    rejected_id: UUID | None = None
    """Under which the rejection is kept, when it is one that a rate can make good (R23)."""
    differing: tuple[str, ...] = ()


class Charged(NamedTuple):
    """All that a batch comes to."""

    decisions: list[Decision]
    """In the order of the events handed in."""
    charges: list[Charge]
    corrected_notes: dict[UUID, dict[str, Any]]
    """Details of earlier charges whose notes a replay brought up to date."""

    @property
    def believed(self) -> list[UsageEvent]:
        """The events whose names count: not those of usage that is rejected, or at odds with what is recorded."""
        good = (Outcome.CHARGED, Outcome.REPLAYED)
        return [decision.event for decision in self.decisions if decision.outcome in good]


class OfficeCharged(NamedTuple):
    """What a batch came to in one of its offices."""

    books: Books
    charged: Charged
    known: Known
    """What came under its keys before, from other offices of the batch too."""

    @property
    def office_id(self) -> UUID:
        return self.books.funds.office.id


def note_charged(known: Known, one: OfficeCharged) -> None:
    """What an office's part came to is known to those that are charged next in the same transaction."""
    for charge in one.charged.charges:
        known.charges[charge.event.key] = charge.known
        known.rejections.pop(charge.event.key, None)
    for decision in one.charged.decisions:
        if decision.rejected_id is not None and decision.rejection is not None:
            attempts = one.known.attempts(decision.event) + 1
            kept = KnownRejection(decision.rejected_id, one.office_id, attempts, decision.rejection.code)
            known.rejections[decision.event.key] = kept


class _Fold:
    """The batch on its way through the funds."""

    def __init__(
        self, books: Books, rates: RateBook, known: Known, directory: Directory, taken: Collection[tuple[str, str]]
    ) -> None:
        self.books = books
        self.rates = rates
        self.known = dict(known.charges)
        self.rejections = {key: kept.id for key, kept in known.rejections.items()}
        self.holds = known.holds
        self.directory = directory
        self.taken = taken
        self.charges: list[Charge] = []
        self.notes: dict[UUID, dict[str, Any]] = {}

    def decide(self, event: UsageEvent, *, is_backfill: bool) -> Decision:
        facts = fingerprint(event, self.books.funds.office.id)
        seen = self.known.get(event.key)
        if seen is not None:
            return self._again(event, facts, seen)
        if event.key in self.taken:
            return Decision(event, Outcome.CONFLICT, differing=("office",))
        try:
            check_time(event.occurred_at, self.books.now, is_backfill=is_backfill)
            rated = rate_event(event, self.books.funds.office, self.rates)
        except Rejected as reason:
            rejection = Rejection(reason.code, reason.message, reason.field)
            return Decision(event, Outcome.REJECTED, rejection=rejection, rejected_id=self._keep(event, reason.code))
        charge = self._charge(event, facts, rated, is_backfill)
        self.charges.append(charge)
        if event.key in self.holds:
            capture(self.books, self.holds[event.key], charge.id)
        self.known[event.key] = charge.known
        return Decision(event, Outcome.CHARGED, charge.id, charge.payment.cost_micros)

    def _keep(self, event: UsageEvent, code: RejectionCode) -> UUID | None:
        if code not in KEPT_REJECTIONS:
            return None
        if event.key not in self.rejections:
            self.rejections[event.key] = self.books.new_id()
        return self.rejections[event.key]

    def final(self, decision: Decision) -> Decision:
        """No rejection is kept under a key that another event of the batch was charged under (R23)."""
        if decision.rejected_id is not None and decision.event.key in self.known:
            return decision._replace(rejected_id=None)
        return decision

    def _again(self, event: UsageEvent, facts: bytes, seen: KnownCharge) -> Decision:
        if facts != seen.fingerprint:
            differing = differing_fields(event, facts, seen.fingerprint)
            return Decision(event, Outcome.CONFLICT, seen.id, differing=differing)
        current = self.notes.get(seen.id, seen.details)
        corrected = {**current, **_notes(event)}
        if corrected != current:
            self.notes[seen.id] = corrected
        return Decision(event, Outcome.REPLAYED, seen.id)

    def _charge(self, event: UsageEvent, facts: bytes, rated: Rated, is_backfill: bool) -> Charge:
        books, service = self.books, rated.measured.service
        cycle, is_late = book_in(books, event.occurred_at, is_backfill)
        charge_id, sequence = books.new_id(), books.draw_sequence()
        payment, coverage, allowance, commitment = split(books.funds, cycle, rated)
        details = Details(occurred_at=event.occurred_at, charge_id=charge_id)
        if allowance is not None:
            allowance.spent_quantity += payment.plan_quantity
        if commitment is not None and payment.commitment_micros:
            if commitment.closed_at is not None:
                reopen(books, commitment)
            commitment.spent_micros += payment.commitment_micros
            books.out_of_commitment(commitment, payment.commitment_micros, usage_account(service), details)
        books.out_of_universal(payment.universal_micros, usage_account(service), details)
        return Charge(
            id=charge_id,
            sequence=sequence,
            event=event,
            fingerprint=facts,
            member_id=event.member and self.directory.members[event.member.external_id],
            group_id=event.group and self.directory.groups[event.group.external_id],
            contact_id=event.contact and self.directory.contacts[event.contact.external_id],
            rated=rated,
            cycle=cycle,
            is_booked_late=is_late,
            local_day=local_day(event.occurred_at, cycle.terms.time_zone),
            payment=payment,
            coverage=coverage,
            has_commitment=commitment is not None,
        )


def charge_batch(
    books: Books,
    events: Sequence[UsageEvent],
    *,
    rates: RateBook,
    known: Known,
    directory: Directory,
    taken: Collection[tuple[str, str]] = (),
    is_backfill: bool = False,
) -> Charged:
    """Decide every event of one office's batch. The funds must be renewed up to `books.now` first (R9).

    `taken` are keys under which an office that is not the reporter's has usage waiting (R23): a conflict.
    Folded in order of time, so that the order in which reporters list events cannot move money (R13).
    """
    fold = _Fold(books, rates, known, directory, taken)
    decisions: list[Decision | None] = [None] * len(events)
    for at in sorted(range(len(events)), key=lambda at: (events[at].occurred_at, *reversed(events[at].key))):
        decisions[at] = fold.decide(events[at], is_backfill=is_backfill)
    _close_again(books)
    charged = Charged([fold.final(decision) for decision in decisions if decision], fold.charges, fold.notes)
    _tell_rejected(books, charged, known)
    return charged


def _tell_rejected(books: Books, charged: Charged, known: Known) -> None:
    office_id = books.funds.office.id
    kept = {key: earlier.code for key, earlier in known.rejections.items() if earlier.office_id == office_id}
    rejected = [(one.event, one.rejection.code, one.rejection.field) for one in charged.decisions if one.rejection]
    tell_rejected(books, rejected, kept)


class Split(NamedTuple):
    """Who pays for a usage, and out of what."""

    payment: Payment
    coverage: Coverage
    allowance: AllowanceCycle | None
    commitment: CommitmentCycle | None


def split(funds: Funds, cycle: Cycle, rated: Rated) -> Split:
    """Over the balances of the cycle it is booked in, whatever holds keep of them: nothing is moved yet (R24, R28)."""
    service = rated.measured.service
    allowance = funds.allowance_cycles.get((cycle.month, service))
    coverage, left = coverage_of(rated.price, rated.measured.usage_type, allowance)
    commitment = funds.commitment_for(service, cycle)
    payment = allocate(
        quantity=rated.quantity,
        price=rated.price,
        fee=rated.fee,
        allowance_left=left,
        commitment_left=commitment.left_micros if commitment else 0,
    )
    return Split(payment, coverage, allowance, commitment)


def _close_again(books: Books) -> None:
    for account in books.funds.commitment_cycles:
        if account.closed_at is None and account.closes_at <= books.now:
            close(books, account)


def book_in(books: Books, occurred_at: datetime, is_backfill: bool) -> tuple[Cycle, bool]:
    """The cycle a charge belongs to, and whether it came too late for its own (R10)."""
    funds = books.funds
    cycle = funds.cycle_at(occurred_at)
    if cycle is not None and (cycle.closed_at is None or is_backfill):
        return cycle, False
    if occurred_at >= funds.current.ends_at:
        # Within the hour a clock may run ahead, but the next cycle has not begun: it belongs to this one.
        return funds.current, False
    if is_backfill:
        return backfill_cycle(books, occurred_at), False
    return funds.current, True


def _notes(event: UsageEvent) -> dict[str, Any]:
    """The notes an event carries, as they stand in a charge's details; those it leaves out are kept as they were."""
    usage = event.usage
    notes: dict[str, Any] = {}
    location = getattr(usage, "location", None)
    if location is not None:
        notes["location"] = {
            "countryCode": location.country_code,
            "region": location.region,
            "city": location.city,
        }
    for name, key in _SIMPLE_NOTES:
        value = getattr(usage, name, None)
        if value:
            notes[key] = list(value) if isinstance(value, tuple) else value
    return notes
