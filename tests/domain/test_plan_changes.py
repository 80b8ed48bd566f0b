"""What applying a plan would change, in sentences: every field is seen, nothing is said twice (R8)."""

from dataclasses import fields, replace
from datetime import date

import pytest

from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.money import Currency
from domain.plan_changes import ONLY_AT_CREATION, compare_company, compare_office
from domain.provisioning import (
    AllowancePlan,
    CommitmentPlan,
    CompanyPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    GroupKind,
    OfficePlan,
    PaymentTerms,
)

OFFICE = OfficePlan(slug="hq", name="HQ", time_zone="UTC", region="US")
COMPANY = CompanyPlan(slug="acme", name="Acme", currency=Currency.USD, domestic_regions=("US",), offices=(OFFICE,))
CALLS = AllowancePlan(service=Service.CALLING, quantity=600, usage_types=(UsageType.LOCAL, UsageType.DOMESTIC))
CALLING = CommitmentPlan(kind=WalletKind.CALLING, amount_micros=5_000_000, cadence=Cadence.MONTHLY)
MEMBER = DirectoryMember(external_id="7", name="Front desk")
GROUP = DirectoryGroup(external_id="g", name="Support")
CONTACT = DirectoryContact(external_id="c", name="Supplier")

OFFICE_CHANGES: dict[str, object] = {
    "name": "Main",
    "time_zone": "Europe/London",
    "region": "GB",
    "phone_numbers": ("+14155550100",),
    "anchor_day": 15,
    "payment_terms": PaymentTerms.INVOICE,
    "tax_name": "VAT",
    "tax_rate_micros": 200_000,
    "decks": ("standard",),
    "is_suspended": True,
    "invoice_limit_micros": 500_000_000,
}
COMPANY_CHANGES: dict[str, object] = {
    "name": "Acme Ltd",
    "currency": Currency.EUR,
    "domestic_regions": ("US", "CA"),
    "late_usage_hours": 24,
    "spending_alert_rise_percent": 50,
    "spending_alert_minimum_micros": 1,
    "decks": ("standard",),
    "purchase_minimum_micros": 1,
    "purchase_maximum_micros": 2,
    "purchase_daily_micros": 3,
    "purchase_presets": (4,),
    "invoice_limit_micros": 5,
    "hold_grant_seconds": 60,
}
ENTRY_CHANGES = [
    ("members", MEMBER, "name", "Reception"),
    ("members", MEMBER, "email", "desk@example.com"),
    ("members", MEMBER, "office", "hq"),
    ("members", MEMBER, "is_active", False),
    ("members", MEMBER, "group_external_ids", ("g",)),
    ("groups", GROUP, "name", "Help"),
    ("groups", GROUP, "kind", GroupKind.CALL_CENTER),
    ("groups", GROUP, "office", "hq"),
    ("groups", GROUP, "is_active", False),
    ("contacts", CONTACT, "name", "Other"),
    ("contacts", CONTACT, "phone_numbers", ("+12125550123",)),
    ("contacts", CONTACT, "is_active", False),
]


def test_every_field_of_a_plan_is_tried_here() -> None:
    """A field added to a plan and forgotten in these tables fails here."""
    nested = {"slug", "offices", "members", "groups", "contacts", "allowances", "commitments"}
    assert set(OFFICE_CHANGES) == {field.name for field in fields(OfficePlan)} - ONLY_AT_CREATION - nested
    assert set(COMPANY_CHANGES) == {field.name for field in fields(CompanyPlan)} - nested
    tried = {(type(entry), name) for _, entry, name, _ in ENTRY_CHANGES}
    for kind in (DirectoryMember, DirectoryGroup, DirectoryContact):
        assert {name for entry, name in tried if entry is kind} == {one.name for one in fields(kind)} - {"external_id"}


@pytest.mark.parametrize("name", OFFICE_CHANGES)
def test_every_field_of_an_office_is_reported(name: str) -> None:
    [change] = compare_office(OFFICE, replace(OFFICE, **{name: OFFICE_CHANGES[name]}), "USD")  # type: ignore[arg-type]
    assert change.startswith(f"office hq: {name.removesuffix('_micros')} ")


@pytest.mark.parametrize("name", COMPANY_CHANGES)
def test_every_field_of_a_company_is_reported(name: str) -> None:
    [change] = compare_company(COMPANY, replace(COMPANY, **{name: COMPANY_CHANGES[name]}))  # type: ignore[arg-type]
    assert change.startswith(f"company acme: {name.removesuffix('_micros')} ")


@pytest.mark.parametrize(("kind", "entry", "name", "value"), ENTRY_CHANGES)
def test_every_field_of_the_directory_is_reported(kind: str, entry: object, name: str, value: object) -> None:
    stored = replace(COMPANY, **{kind: (entry,)})  # type: ignore[arg-type]
    wanted = replace(COMPANY, **{kind: (replace(entry, **{name: value}),)})  # type: ignore[arg-type,type-var]
    [change] = compare_company(stored, wanted)
    assert f": {name} " in change


def test_what_begins_is_said_in_one_sentence_and_what_is_unchanged_in_none() -> None:
    whole = replace(COMPANY, members=(MEMBER,), groups=(GROUP,), contacts=(CONTACT,))
    assert compare_company(None, whole) == [
        "company acme: new",
        "office hq: new",
        "member 7: new",
        "group g: new",
        "contact c: new",
    ]
    assert compare_company(whole, whole) == []


def test_what_a_file_leaves_out_stays_but_plans_of_a_named_office_end() -> None:
    stored = replace(
        COMPANY, offices=(replace(OFFICE, allowances=(CALLS,), commitments=(CALLING,)),), members=(MEMBER,)
    )
    assert compare_company(stored, replace(COMPANY, offices=())) == []
    assert compare_company(stored, COMPANY) == [
        "office hq: CALLING allowance ends",
        "office hq: CALLING commitment ends",
    ]
    ended = replace(OFFICE, commitments=(replace(CALLING, amount_micros=0),), allowances=(replace(CALLS, quantity=0),))
    assert compare_office(ended, OFFICE, "USD") == []


@pytest.mark.parametrize(("is_immediate", "when"), [(False, "from the next cycle"), (True, "now, if it is a raise")])
def test_plans_say_when_they_change(is_immediate: bool, when: str) -> None:
    stored = replace(OFFICE, allowances=(CALLS,), commitments=(CALLING,))
    calls = replace(CALLS, quantity=900, usage_types=(UsageType.LOCAL,), is_immediate=is_immediate)
    annual = replace(CALLING, amount_micros=9, cadence=Cadence.ANNUAL, is_immediate=is_immediate)
    wanted = replace(OFFICE, allowances=(calls,), commitments=(annual,))
    assert compare_office(stored, wanted, "USD") == [
        f"office hq: CALLING allowance: quantity 600 → 900, {when}",
        f"office hq: CALLING allowance: usage_types [LOCAL, DOMESTIC] → [LOCAL], {when}",
        f"office hq: CALLING commitment: amount 5.00 USD → 0.000009 USD, {when}",
        f"office hq: CALLING commitment: cadence MONTHLY → ANNUAL, {when}",
    ]
    assert compare_office(OFFICE, wanted, "USD") == [
        f"office hq: CALLING allowance: new, {when}",
        f"office hq: CALLING commitment: new, {when}",
    ]


def test_how_something_began_is_no_change_afterwards() -> None:
    wanted = replace(OFFICE, opened_on=date(2020, 1, 1), opening_credits_micros=1)
    assert compare_office(OFFICE, wanted, "USD") == []


def test_numbers_and_people_listed_in_another_order_are_no_change() -> None:
    stored = replace(OFFICE, phone_numbers=("+14155550100", "+14155550101"))
    assert compare_office(stored, replace(stored, phone_numbers=("+14155550101", "+14155550100")), "USD") == []
