"""Who pays: the worked numbers as a table, and the laws of money for every other number (R24–R26)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import parse_micros
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT, Payment, allocate

# allowance left | commitment left | quantity | price | fee || plan units | plan | commitment | universal
CASES = """
240 | 1.00 | 600 | 0.20     | 0    || 240 | 0.08     | 0.12 | 0
0   | 0.05 | 600 | 0.20     | 0    || 0   | 0        | 0.05 | 0.15
2   | 0.00 | 5   | 0.15     | 0    || 2   | 0.06     | 0    | 0.09
0   | 0    | 600 | 0.20     | 0    || 0   | 0        | 0    | 0.20
600 | 1.00 | 600 | 0.20     | 0    || 600 | 0.20     | 0    | 0
900 | 1.00 | 600 | 0.20     | 0.05 || 600 | 0.20     | 0.05 | 0
900 | 0.02 | 600 | 0.20     | 0.05 || 600 | 0.20     | 0.02 | 0.03
100 | 1.00 | 600 | 0        | 0    || 0   | 0        | 0    | 0
100 | 1.00 | 600 | 0        | 0.05 || 0   | 0        | 0.05 | 0
100 | 1.00 | 0   | 0        | 0    || 0   | 0        | 0    | 0
1   | 0    | 2   | 0.000001 | 0    || 1   | 0.000001 | 0    | 0
1   | 0    | 3   | 0.000001 | 0    || 1   | 0        | 0    | 0.000001
1   | 0    | 3   | 0.000002 | 0    || 1   | 0.000001 | 0    | 0.000001
"""

MONEY = st.integers(0, 10**12)
UNITS = st.integers(0, 10**6)


@pytest.mark.parametrize("row", CASES.strip().splitlines())
def test_the_table(row: str) -> None:
    given_text, expected_text = row.split("||")
    allowance, commitment, quantity, price, fee = (cell.strip() for cell in given_text.split("|"))
    units, plan, committed, universal = (cell.strip() for cell in expected_text.split("|"))
    payment = allocate(
        quantity=int(quantity),
        price=parse_micros(price),
        fee=parse_micros(fee),
        allowance_left=int(allowance),
        commitment_left=parse_micros(commitment),
    )
    assert payment == Payment(int(units), parse_micros(plan), parse_micros(committed), parse_micros(universal))


@st.composite
def charges(draw: st.DrawFn) -> dict[str, int]:
    quantity = draw(UNITS)
    return {
        "quantity": quantity,
        "price": draw(MONEY) if quantity else 0,
        "fee": draw(MONEY) if quantity else 0,
        "allowance_left": draw(UNITS),
        "commitment_left": draw(MONEY),
    }


@given(charges())
def test_the_parts_add_up_to_the_price_and_none_is_below_zero(charge: dict[str, int]) -> None:
    payment = allocate(**charge)
    assert payment.list_price_micros == charge["price"] + charge["fee"]
    assert payment.cost_micros == payment.list_price_micros - payment.plan_micros
    assert min(payment) >= 0


@given(charges())
def test_no_source_is_used_before_an_earlier_eligible_one_is_empty(charge: dict[str, int]) -> None:
    payment = allocate(**charge)
    if charge["price"] and payment.cost_micros > charge["fee"]:
        assert payment.plan_quantity == charge["allowance_left"]
    if payment.universal_micros:
        assert payment.commitment_micros == charge["commitment_left"]


@given(charges())
def test_no_source_gives_more_than_it_has(charge: dict[str, int]) -> None:
    payment = allocate(**charge)
    assert payment.plan_quantity <= min(charge["allowance_left"], charge["quantity"])
    assert payment.plan_micros <= charge["price"]
    assert payment.commitment_micros <= charge["commitment_left"]


@given(MONEY, MONEY, MONEY)
def test_money_paid_in_two_halves_comes_from_the_same_sources(first: int, second: int, left: int) -> None:
    def pay(price: int, commitment_left: int) -> Payment:
        return allocate(quantity=1, price=price, fee=0, allowance_left=0, commitment_left=commitment_left)

    whole = pay(first + second, left)
    one = pay(first, left)
    other = pay(second, left - one.commitment_micros)
    assert one.commitment_micros + other.commitment_micros == whole.commitment_micros
    assert one.universal_micros + other.universal_micros == whole.universal_micros


@given(charges(), st.integers(0, 100))
def test_more_in_the_plan_never_costs_more(charge: dict[str, int], more: int) -> None:
    richer = charge | {"allowance_left": charge["allowance_left"] + more}
    assert allocate(**richer).cost_micros <= allocate(**charge).cost_micros


@given(charges())
def test_the_set_of_payers_names_whoever_paid(charge: dict[str, int]) -> None:
    payment = allocate(**charge)
    assert bool(payment.sources & PLAN_BIT) == (payment.plan_quantity > 0)
    assert bool(payment.sources & COMMITMENT_BIT) == (payment.commitment_micros > 0)
    assert bool(payment.sources & UNIVERSAL_BIT) == (payment.universal_micros > 0)
