"""An office without a database: the pure rules over books that stay in memory, for laws that need many tries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.charging import Charge, Charged, Directory, charge_batch
from domain.funds import AllowanceTerms, CommitmentTerms, Funds, OfficeTerms
from domain.known import Known, KnownCharge
from domain.ledger import ADJUSTMENT, CONTRACT, UNIVERSAL, Books, Details
from domain.money import Currency, parse_micros
from domain.numbers import office_line
from domain.periods import CycleTerms
from domain.rates import NewRate, Rate, RateBook
from domain.renewal import open_first_cycle, renew
from domain.reversal import PastCharge, Reversal, reverse
from domain.usage import UsageEvent
from tests.world import DECK, START

UTC_FIRST = CycleTerms(time_zone="UTC", anchor_day=1)
LATE_WINDOW = timedelta(hours=72)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def rate_book(rates: Iterable[NewRate] = DECK) -> RateBook:
    ids = count(1)
    return RateBook(Rate(UUID(int=next(ids)), "standard", *rate, LONG_AGO, None) for rate in rates)


RATES = rate_book()


def committed(
    amount: str, kind: WalletKind = WalletKind.CALLING, cadence: Cadence = Cadence.MONTHLY
) -> CommitmentTerms:
    wallet_id = UUID(int=1_000 + list(WalletKind).index(kind))
    return CommitmentTerms(wallet_id=wallet_id, kind=kind, committed_micros=parse_micros(amount), cadence=cadence)


def included(quantity: int, service: Service = Service.CALLING, *types: UsageType) -> AllowanceTerms:
    covered = frozenset(types or (UsageType.LOCAL, UsageType.DOMESTIC))
    return AllowanceTerms(id=UUID(int=1), service=service, quantity=quantity, usage_types=covered)


@dataclass
class Office:
    """One office from its first cycle on. Whatever moved its books is kept in order."""

    books: Books
    rates: RateBook = RATES
    charges: list[Charge] = field(default_factory=list)
    known: dict[tuple[str, str], KnownCharge] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        *,
        allowances: Sequence[AllowanceTerms] = (),
        commitments: Sequence[CommitmentTerms] = (),
        universal: str = "0",
        terms: CycleTerms = UTC_FIRST,
        opened_at: datetime = START,
        window: timedelta = LATE_WINDOW,
        rates: RateBook = RATES,
    ) -> "Office":
        ids = count(1_000_000)
        office = OfficeTerms(
            company_id=UUID(int=2),
            id=UUID(int=3),
            region="US",
            line=office_line("US", ("US",), ("+14155550100",)),
            terms=terms,
            late_window=window,
            decks=(),
            currency=Currency.USD,
        )
        funds = Funds(
            office=office,
            cycles=[],
            commitments=list(commitments),
            commitment_cycles=[],
            allowances=list(allowances),
            allowance_cycles={},
            universal_wallet_id=UUID(int=4),
            universal_micros=0,
            next_sequence=1,
            renew_due_at=opened_at,
            watch_due_at=opened_at,
        )
        books = Books(funds, opened_at, lambda: UUID(int=next(ids)))
        open_first_cycle(books, opened_at)
        books.into_universal(parse_micros(universal), CONTRACT, Details(note="Credits brought along."))
        return cls(books, rates)

    @property
    def funds(self) -> Funds:
        return self.books.funds

    def renew(self, now: datetime) -> None:
        self.books.now = now
        renew(self.books)

    def record(self, *events: UsageEvent, now: datetime, is_backfill: bool = False) -> Charged:
        self.renew(now)
        charged = charge_batch(
            self.books,
            events,
            rates=self.rates,
            known=Known(self.known, {}),
            directory=Directory({}, {}, {}),
            is_backfill=is_backfill,
        )
        self.charges += charged.charges
        for charge in charged.charges:
            details = charge.rated.measured.details
            self.known[charge.event.key] = KnownCharge(charge.id, charge.fingerprint, details)
        return charged

    def reverse(self, charge: Charge, now: datetime) -> Reversal:
        self.renew(now)
        measured = charge.rated.measured
        past = PastCharge(
            id=charge.id,
            office_id=self.funds.office.id,
            month=charge.cycle.month,
            service=measured.service,
            usage_type=measured.usage_type,
            direction=measured.direction,
            region_code=None,
            member_id=None,
            group_id=None,
            occurred_at=charge.event.occurred_at,
            quantity=charge.rated.quantity,
            payment=charge.payment,
            is_reversal=False,
            is_reversed=False,
        )
        return reverse(self.books, past, reason="test", author="Tester")

    def standing(self) -> dict[str, object]:
        """Every balance there is: what two ways to the same end must agree on."""
        funds = self.funds
        return {
            "universal": funds.universal_micros,
            "commitments": {
                account.account: (
                    account.committed_micros,
                    account.balance_micros,
                    account.spent_micros,
                    account.expired_micros,
                    account.ends_at,
                    account.closed_at,
                )
                for account in funds.commitment_cycles
            },
            "allowances": {key: item.spent_quantity for key, item in funds.allowance_cycles.items()},
            "cycles": [(cycle.month, cycle.starts_at, cycle.ends_at, cycle.closed_at) for cycle in funds.cycles],
        }

    def posted(self, account: str) -> int:
        """The sum of an account's postings."""
        into = sum(posting.amount_micros for posting in self.books.postings if posting.destination == account)
        out_of = sum(posting.amount_micros for posting in self.books.postings if posting.source == account)
        return into - out_of

    def _adjusted(self, account: str) -> int:
        into = [
            item.amount_micros
            for item in self.books.postings
            if (item.source, item.destination) == (ADJUSTMENT, account)
        ]
        out = [
            item.amount_micros
            for item in self.books.postings
            if (item.source, item.destination) == (account, ADJUSTMENT)
        ]
        return sum(into) - sum(out)

    def assert_books_hold(self) -> None:
        assert self.posted(UNIVERSAL) == self.funds.universal_micros
        for account in self.funds.commitment_cycles:
            assert self.posted(account.account) == account.balance_micros >= 0
            parts = account.spent_micros + account.expired_micros + account.balance_micros
            assert parts == account.committed_micros + self._adjusted(account.account)
            assert account.closed_at is None or account.balance_micros == 0
        for allowance in self.funds.allowance_cycles.values():
            assert 0 <= allowance.spent_quantity <= allowance.committed_quantity
        for posting in self.books.postings:
            assert posting.amount_micros > 0
            assert posting.source != posting.destination
        numbers = [posting.sequence for posting in self.books.postings] + [charge.sequence for charge in self.charges]
        assert len(numbers) == len(set(numbers))
