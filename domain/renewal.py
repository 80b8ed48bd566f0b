"""Cycles end and begin (R6–R11): one idempotent function that whoever meets a due office runs first.

A new cycle is granted its commitments from `contract` and its allowances anew. The old cycle stays open for late
usage; when it closes, what is left of its commitment goes to `expired`. No rule here can name the universal account.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.catalogue import Cadence
from domain.funds import AllowanceCycle, AllowanceTerms, CommitmentCycle, CommitmentTerms, Cycle
from domain.ledger import CONTRACT, EXPIRED, Books, Details
from domain.periods import (
    CycleTerms,
    Period,
    advance,
    boundary_at_or_after,
    cycle_containing,
    label,
    next_boundary,
    stretched_end,
)
from domain.reservations import expire_due

MONTHS_OF = {Cadence.MONTHLY: 1, Cadence.ANNUAL: 12}
MAX_ZONE_SHIFT = timedelta(days=2)
"""More than any change of a zone's own rules has moved a midnight, less than any cycle is long."""


def renew(books: Books) -> None:
    """Bring the office up to `books.now`: open every cycle begun since, close every one whose late window is over, end
    every hold whose time is.

    An office nobody looked at for months passes through each of its cycles in turn. Running it again does nothing.
    """
    funds = books.funds
    if books.now < funds.renew_due_at:
        return
    while _is_over(books):
        _close_due(books, funds.current.ends_at)
        _open_next(books)
    _close_due(books, books.now)
    expire_due(books)
    funds.renew_due_at = next_due(books)


def open_first_cycle(books: Books, moment: datetime) -> None:
    """A new office begins with the cycle that contains `moment`."""
    terms = books.funds.office.terms
    _open(books, cycle_containing(moment, terms), terms)
    books.funds.renew_due_at = next_due(books)


def next_due(books: Books) -> datetime:
    """The next moment at which a cycle ends or closes, or a hold expires."""
    funds = books.funds
    closing = [cycle.closes_at for cycle in funds.cycles if cycle.closed_at is None]
    closing += [account.closes_at for account in funds.commitment_cycles if account.closed_at is None]
    expiring = [] if funds.next_hold_ends_at is None else [funds.next_hold_ends_at]
    return min([funds.current.ends_at, *closing, *expiring])


def change_terms(books: Books, terms: CycleTerms) -> None:
    """Another zone or anchor day: the running cycle is stretched to the first new boundary, nothing is granted twice
    (R7). A commitment that ends with the running cycle, or at a later old boundary, is stretched likewise.

    Ends are worked out anew from the terms under which cycles began, so that a change taken back leaves nothing behind.
    The cycles since the start of an annual commitment must be there, closed ones too.
    """
    funds = books.funds
    current, window = funds.current, funds.office.late_window
    for account in funds.commitment_cycles:
        if account.ends_at >= current.ends_at:
            granted_until = _granted_until(books, account.starts_at, account.cadence)
            account.ends_at = _first_boundary_to_come(books, granted_until, terms)
            account.closes_at = account.ends_at + window
    granted_until = _granted_until(books, current.starts_at, Cadence.MONTHLY)
    current.ends_at = _first_boundary_to_come(books, granted_until, terms)
    current.closes_at = current.ends_at + window
    funds.office = replace(funds.office, terms=terms)
    funds.renew_due_at = next_due(books)


def raise_commitment(books: Books, terms: CommitmentTerms) -> None:
    """A raise may be immediate: the running cycle is granted the difference. A cut waits for renewal (R8), and so does
    another cadence: a year's amount is no raise of a month's."""
    current = books.funds.current
    for account in books.funds.commitment_cycles:
        if account.wallet_id == terms.wallet_id and account.starts_at <= current.starts_at < account.ends_at:
            difference = terms.committed_micros - account.committed_micros
            if difference > 0 and account.cadence is terms.cadence:
                account.committed_micros += difference
                books.into_commitment(account, difference, CONTRACT, Details(note="Commitment raised."))
            return
    _grant(books, terms, current)


def raise_allowance(books: Books, terms: AllowanceTerms) -> None:
    """A raise may be immediate: the running cycle includes the difference, and covers what the new terms cover."""
    current = books.funds.allowance_cycles.get((books.funds.current.month, terms.service))
    if current is None:
        _include(books, terms, books.funds.current)
    elif terms.quantity >= current.committed_quantity:
        current.committed_quantity = terms.quantity
        current.usage_types = current.usage_types | terms.usage_types


def backfill_cycle(books: Books, moment: datetime) -> Cycle:
    """The cycle of history from before the office was opened: no plan was in force then, so it grants nothing (R10)."""
    funds = books.funds
    later = next(cycle for cycle in funds.cycles if cycle.starts_at > moment)
    period = cycle_containing(moment, later.terms)
    cycle = _cycle(period, later.terms, funds.office.late_window)
    cycle.closed_at = cycle.closes_at
    funds.cycles.insert(funds.cycles.index(later), cycle)
    books.new_cycles.append(cycle)
    return cycle


def reopen(books: Books, account: CommitmentCycle) -> None:
    """Backfilled usage draws on a closed cycle: what had expired comes back, to be posted again afterwards (R10)."""
    expired, account.expired_micros = account.expired_micros, 0
    account.closed_at = None
    note = f"Expiry of {account.month.text} taken back for backfilled usage."
    books.into_commitment(account, expired, EXPIRED, Details(note=note))


def close(books: Books, account: CommitmentCycle) -> None:
    """What is left goes to `expired`. The moment of closing is the cycle's own, whenever somebody came to do it."""
    left = account.balance_micros
    account.closed_at = account.closes_at
    account.expired_micros += left
    note = f"Left of {account.month.text} when it closed."
    books.out_of_commitment(account, left, EXPIRED, Details(occurred_at=account.closes_at, note=note))


def _is_over(books: Books) -> bool:
    """Whether the running cycle has ended.

    Countries change their clocks at short notice: an end worked out earlier may by now lie beside the boundary it
    stands for. Then the cycle goes on to that boundary, or the last hour of its day would be a cycle of its own; and a
    commitment that was to end with it does.
    """
    funds = books.funds
    current = funds.current
    if current.ends_at > books.now:
        return False
    boundary = boundary_at_or_after(current.ends_at, funds.office.terms)
    end = boundary if boundary - current.ends_at <= MAX_ZONE_SHIFT else current.ends_at
    for account in funds.commitment_cycles:
        if account.closed_at is None and abs(account.ends_at - current.ends_at) <= MAX_ZONE_SHIFT:
            _end_at(account, end)
    _end_at(current, end)
    return current.ends_at <= books.now


def _end_at(ending: Cycle | CommitmentCycle, end: datetime) -> None:
    ending.closes_at += end - ending.ends_at
    ending.ends_at = end


def _granted_until(books: Books, starts_at: datetime, cadence: Cadence) -> datetime:
    """Where what began then ends, by the terms in force at its start and at the start of every cycle since."""
    began = [cycle for cycle in books.funds.cycles if cycle.starts_at >= starts_at]
    end = advance(starts_at, MONTHS_OF[cadence], began[0].terms)
    for cycle in began[1:]:
        end = stretched_end(end, cycle.terms)
    return end


def _first_boundary_to_come(books: Books, end: datetime, terms: CycleTerms) -> datetime:
    """At or after an end, later than now, and in another month than the one the running cycle is called after."""
    boundary = stretched_end(end, terms, current_label=books.funds.current.month)
    while boundary <= books.now:
        boundary = next_boundary(boundary, terms)
    return boundary


def _open_next(books: Books) -> None:
    terms = books.funds.office.terms
    starts_at = books.funds.current.ends_at
    _open(books, Period(starts_at, next_boundary(starts_at, terms)), terms)


def _open(books: Books, period: Period, terms: CycleTerms) -> None:
    funds = books.funds
    cycle = _cycle(period, terms, funds.office.late_window)
    funds.cycles.append(cycle)
    books.new_cycles.append(cycle)
    for allowance in funds.allowances:
        _include(books, allowance, cycle)
    for commitment in funds.commitments:
        if not any(
            account.wallet_id == commitment.wallet_id and cycle.starts_at < account.ends_at
            for account in funds.commitment_cycles
        ):
            _grant(books, commitment, cycle)


def _include(books: Books, terms: AllowanceTerms, cycle: Cycle) -> None:
    if terms.quantity == 0:
        return
    granted = AllowanceCycle(
        id=books.new_id(),
        service=terms.service,
        month=cycle.month,
        usage_types=terms.usage_types,
        committed_quantity=terms.quantity,
    )
    books.funds.allowance_cycles[cycle.month, terms.service] = granted
    books.new_allowance_cycles.append(granted)


def _grant(books: Books, terms: CommitmentTerms, cycle: Cycle) -> None:
    if terms.committed_micros == 0:
        return
    ends_at = cycle.ends_at
    if terms.cadence is Cadence.ANNUAL:
        # A stretched cycle was cut by old terms; its year ends where a cycle of the present ones does.
        year = advance(cycle.starts_at, MONTHS_OF[Cadence.ANNUAL], cycle.terms)
        ends_at = stretched_end(year, books.funds.office.terms)
    account = CommitmentCycle(
        wallet_id=terms.wallet_id,
        kind=terms.kind,
        starts_at=cycle.starts_at,
        ends_at=ends_at,
        closes_at=ends_at + books.funds.office.late_window,
        month=cycle.month,
        cadence=terms.cadence,
        committed_micros=terms.committed_micros,
        balance_micros=0,
    )
    books.funds.commitment_cycles.append(account)
    books.new_commitment_cycles.append(account)
    note = f"{terms.cadence.capitalize()} commitment from {cycle.month.text}."
    books.into_commitment(account, terms.committed_micros, CONTRACT, Details(occurred_at=cycle.starts_at, note=note))


def _close_due(books: Books, until: datetime) -> None:
    for account in books.funds.commitment_cycles:
        if account.closed_at is None and account.closes_at <= until:
            close(books, account)
    for cycle in books.funds.cycles:
        if cycle.closed_at is None and cycle.closes_at <= until:
            cycle.closed_at = cycle.closes_at


def _cycle(period: Period, terms: CycleTerms, late_window: timedelta) -> Cycle:
    return Cycle(
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        closes_at=period.ends_at + late_window,
        month=label(period.starts_at, terms.time_zone),
        terms=terms,
    )
