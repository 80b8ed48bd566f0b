"""What goes back of a top-up (R30): parts add up to the whole, and nothing goes back that was spent."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger import BANK, CARD, RECEIVABLE, TAX, UNIVERSAL
from domain.money import Currency, minor_unit_micros, parse_micros
from domain.payments import DisputeState, OutsideRefundNews
from domain.periods import YearMonth
from domain.provisioning import PaymentTerms
from domain.refunds import (
    Part,
    Refund,
    RefundKind,
    RefundState,
    after_dispute,
    part_of_credits,
    post_payment,
    post_return,
    put_back,
    rebooked,
    refundable_micros,
    returned_so_far,
    same_refund,
)
from domain.top_ups import TopUp, TopUpOrigin, TopUpState
from tests.books import Office
from tests.world import START

USD = Currency.USD
NOTHING = Part(0, 0)


def top_up(credits_micros: int, tax_micros: int, terms: PaymentTerms = PaymentTerms.CARD) -> TopUp:
    return TopUp(
        id=UUID(int=8),
        company_id=UUID(int=2),
        office_id=UUID(int=3),
        origin=TopUpOrigin.PURCHASE,
        state=TopUpState.SETTLED,
        payment_terms=terms,
        credits_micros=credits_micros,
        tax_micros=tax_micros,
        month=YearMonth(2026, 3),
        requested_by="Tester",
        created_at=START,
        settled_at=START,
    )


TWENTY = top_up(parse_micros("20"), parse_micros("1.78"))


def refund(number: int = 1, **changes: object) -> Refund:
    made = Refund(
        id=UUID(int=number),
        company_id=TWENTY.company_id,
        office_id=TWENTY.office_id,
        top_up_id=TWENTY.id,
        kind=RefundKind.REFUND,
        state=RefundState.PENDING,
        credits_micros=5_000_000,
        tax_micros=450_000,
        told_micros=5_450_000,
        reason="test",
        author="Tester",
        created_at=START,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def add(one: Part, other: Part) -> Part:
    return Part(one.credits_micros + other.credits_micros, one.tax_micros + other.tax_micros)


TAXES = """
    credits | tax of each
    5 5 5 5 | 0.45 0.44 0.45 0.44
    20      | 1.78
    0.01 19.99 | 0.00 1.78
    19.99 0.01 | 1.78 0.00
    0.05 0.05 19.90 | 0.00 0.01 1.77
"""


@pytest.mark.parametrize("line", TAXES.strip().splitlines()[1:])
def test_the_tax_of_a_part_is_what_has_come_due_since_the_last_one(line: str) -> None:
    credits, taxes = (cell.split() for cell in line.split("|"))
    returned, found = NOTHING, []
    for text in credits:
        part = part_of_credits(TWENTY, returned, parse_micros(text), USD)
        returned = add(returned, part)
        found.append(part.tax_micros)
    assert found == [parse_micros(text) for text in taxes]


@st.composite
def wholes(draw: st.DrawFn) -> tuple[TopUp, Currency]:
    currency = draw(st.sampled_from([Currency.USD, Currency.JPY]))
    size = minor_unit_micros(currency)
    credits = draw(st.integers(1, 5_000))
    return top_up(credits * size, draw(st.integers(0, credits)) * size), currency


def booked(bought: TopUp, refunds: list[Refund], currency: Currency) -> list[Refund]:
    changed = {one.id: one for one in rebooked(bought, refunds, currency)}
    return [changed.get(one.id, one) for one in refunds]


@given(whole=wholes(), data=st.data())
def test_parts_in_any_order_add_up_to_the_whole_and_so_does_their_tax(
    whole: tuple[TopUp, Currency], data: st.DataObject
) -> None:
    """Refunds by credits and amounts taken by somebody else, some of which come back in between."""
    bought, currency = whole
    size = minor_unit_micros(currency)
    standing: list[Refund] = []
    for number in range(data.draw(st.integers(0, 12))):
        returned = returned_so_far(standing)
        left = (bought.credits_micros - returned.credits_micros) // size
        what = data.draw(st.sampled_from(["credits", "total", "back"]))
        if what == "credits" and left:
            part = part_of_credits(bought, returned, data.draw(st.integers(1, left)) * size, currency)
            ours = refund(number, credits_micros=part[0], tax_micros=part[1], told_micros=part.total_micros)
            assert booked(bought, [*standing, ours], currency) == [*standing, ours], "it leaves the others alone"
            standing.append(ours)
        elif what == "total":
            told = data.draw(st.integers(1, 12_000)) * size
            kind = data.draw(st.sampled_from([RefundKind.DISPUTE, RefundKind.PROCESSOR]))
            standing.append(refund(number, kind=kind, credits_micros=0, tax_micros=0, told_micros=told))
        elif what == "back" and standing:
            standing.pop(data.draw(st.integers(0, len(standing) - 1)))
        standing = booked(bought, standing, currency)
        returned = returned_so_far(standing)
        assert returned.total_micros == min(bought.total_micros, sum(one.told_micros for one in standing))
        for one in standing:
            assert min(one.part) >= 0
            assert one.credits_micros % size == one.tax_micros % size == 0
            assert one.total_micros <= one.told_micros
        anew = [replace(one, id=UUID(int=99 - at)) for at, one in enumerate(standing)]
        assert returned_so_far(booked(bought, anew, currency)) == returned, "in another order the same"
    returned = returned_so_far(standing)
    left_micros = bought.credits_micros - returned.credits_micros
    rest = part_of_credits(bought, returned, left_micros, currency)
    assert min(rest) >= 0
    assert add(returned, rest) == Part(bought.credits_micros, bought.tax_micros)


@given(whole=wholes(), data=st.data())
def test_what_was_returned_never_strays_from_its_share_by_more_than_half_a_minor_unit(
    whole: tuple[TopUp, Currency], data: st.DataObject
) -> None:
    bought, currency = whole
    size, returned = minor_unit_micros(currency), NOTHING
    while returned.credits_micros < bought.credits_micros:
        left = (bought.credits_micros - returned.credits_micros) // size
        credits = data.draw(st.integers(max(1, left // 4), left)) * size
        returned = add(returned, part_of_credits(bought, returned, credits, currency))
        share = bought.tax_micros * returned.credits_micros / bought.credits_micros
        assert abs(returned.tax_micros - share) <= size / 2


@dataclass
class Lot:
    credits: int
    left: int
    returned: int = 0


@given(data=st.data())
def test_only_what_was_not_spent_is_refundable_the_oldest_being_spent_first(data: st.DataObject) -> None:
    """Against a model that keeps every top-up's credits apart, and spends them one after the other."""
    lots: list[Lot] = []
    debt = 0
    for _ in range(data.draw(st.integers(1, 15))):
        what = data.draw(st.sampled_from(["buy", "spend", "refund"]))
        amount = data.draw(st.integers(1, 50)) * 1_000_000
        if what == "buy":
            repaid = min(debt, amount)
            debt -= repaid
            lots.append(Lot(amount, amount - repaid))
        elif what == "spend":
            for lot in lots:
                taken = min(lot.left, amount)
                lot.left -= taken
                amount -= taken
            debt += amount
        elif lots:
            lot = data.draw(st.sampled_from(lots))
            returned = min(lot.left, amount)
            lot.left -= returned
            lot.returned += returned
        balance = sum(lot.left for lot in lots) - debt
        for at, lot in enumerate(lots):
            found = refundable_micros(
                left_micros=lot.credits - lot.returned,
                available_micros=balance,
                newer_micros=sum(later.credits - later.returned for later in lots[at + 1 :]),
                currency=USD,
            )
            assert found == lot.left, (at, lots, debt)


@pytest.mark.parametrize(
    ("available", "newer", "refundable"),
    [
        pytest.param("20", "0", "20", id="nothing spent"),
        pytest.param("30", "0", "20", id="older credits are still there"),
        pytest.param("12.345678", "0", "12.34", id="a part of a cent stays"),
        pytest.param("12", "5", "7", id="newer ones are spent later"),
        pytest.param("5", "5", "0", id="all spent"),
        pytest.param("-3", "0", "0", id="below zero"),
    ],
)
def test_what_is_refundable(available: str, newer: str, refundable: str) -> None:
    found = refundable_micros(
        left_micros=TWENTY.credits_micros,
        available_micros=parse_micros(available),
        newer_micros=parse_micros(newer),
        currency=USD,
    )
    assert found == parse_micros(refundable)


@pytest.mark.parametrize(
    ("terms", "is_paid", "outside"),
    [
        (PaymentTerms.CARD, False, CARD),
        (PaymentTerms.INVOICE, False, RECEIVABLE),
        (PaymentTerms.INVOICE, True, BANK),
    ],
)
def test_money_goes_back_where_it_came_from_and_may_come_again(
    terms: PaymentTerms, is_paid: bool, outside: str
) -> None:
    bought = replace(TWENTY, payment_terms=terms, paid_at=START if is_paid else None)
    office = Office.open(universal="20")

    post_return(office.books, bought, Part(5_000_000, 450_000), note="n", author="a")
    assert (office.funds.universal_micros, office.posted(TAX), office.posted(outside)) == (
        15 * 10**6,
        -450_000,
        5_450_000,
    )
    assert {posting.top_up_id for posting in office.books.postings[-2:]} == {bought.id}

    put_back(office.books, bought, Part(5_000_000, 450_000), note="n", author="a")
    assert (office.funds.universal_micros, office.posted(TAX), office.posted(outside)) == (20 * 10**6, 0, 0)
    office.assert_books_hold()


def test_a_dispute_takes_what_was_spent_below_zero() -> None:
    office = Office.open(universal="1")
    post_return(office.books, TWENTY, Part(20_000_000, 1_780_000), note="n", author="a")
    assert office.posted(UNIVERSAL) == office.funds.universal_micros == -19_000_000


def test_an_invoice_is_paid_without_what_was_returned_of_it() -> None:
    office = Office.open()
    assert post_payment(office.books, TWENTY, Part(5_000_000, 450_000), author="a") == parse_micros("16.33")
    assert (office.posted(BANK), office.posted(RECEIVABLE)) == (-parse_micros("16.33"), parse_micros("16.33"))
    assert post_payment(office.books, TWENTY, Part(20_000_000, 1_780_000), author="a") == 0
    assert len(office.books.postings) == 1


@pytest.mark.parametrize(
    ("before", "news", "after"),
    [
        (RefundState.PENDING, DisputeState.OPEN, RefundState.PENDING),
        (RefundState.PENDING, DisputeState.LOST, RefundState.SETTLED),
        (RefundState.PENDING, DisputeState.WON, RefundState.FAILED),
        (RefundState.SETTLED, DisputeState.OPEN, RefundState.SETTLED),
        (RefundState.SETTLED, DisputeState.LOST, RefundState.SETTLED),
        (RefundState.SETTLED, DisputeState.WON, RefundState.FAILED),
        (RefundState.FAILED, DisputeState.OPEN, RefundState.FAILED),
        (RefundState.FAILED, DisputeState.LOST, RefundState.FAILED),
        (RefundState.FAILED, DisputeState.WON, RefundState.FAILED),
    ],
)
def test_news_of_a_dispute_in_any_order(before: RefundState, news: DisputeState, after: RefundState) -> None:
    one = refund(kind=RefundKind.DISPUTE, state=before)
    changed = after_dispute(one, news, START + timedelta(days=1))
    assert changed.state is after
    assert (changed is one) == (before is after)
    assert (changed.settled_at is not None) == (before is not after is RefundState.SETTLED)


def _news(refund_id: str = "re_1", amount: int = 545, our_refund_id: UUID | None = None) -> OutsideRefundNews:
    return OutsideRefundNews("pi_1", refund_id, amount, "USD", is_failed=False, our_refund_id=our_refund_id)


def test_a_refund_is_known_again_by_its_id_there_by_ours_or_while_unanswered_by_its_amount() -> None:
    written, waiting = refund(1, processor_refund_id="re_0"), refund(2)
    assert same_refund([written, waiting], _news("re_0"), USD) is written
    assert same_refund([written, waiting], _news(our_refund_id=waiting.id), USD) is waiting
    assert same_refund([written, waiting], _news(), USD) is waiting
    assert same_refund([written, waiting], _news(amount=546), USD) is None
    assert same_refund([waiting], _news(our_refund_id=UUID(int=99)), USD) is None, "somebody else's"
    put_back_before = replace(waiting, state=RefundState.FAILED)
    assert same_refund([put_back_before], _news(our_refund_id=waiting.id), USD) is None, "the money went after all"
    dispute = replace(written, kind=RefundKind.DISPUTE)
    assert same_refund([dispute], _news("re_0"), USD) is None
