"""The company file: what it may say, and how it says what is wrong with it."""

import re
from datetime import date
from pathlib import Path

import pytest

from api.company_file import InvalidCompanyFile, parse_company_file, read_company_file
from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.errors import InvalidInput
from domain.money import Currency
from domain.provisioning import (
    DEFAULT_PURCHASE_PRESETS,
    AllowancePlan,
    CommitmentPlan,
    CompanyPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    GroupKind,
    PaymentTerms,
)

DOCS = Path(__file__).parents[2] / "docs" / "files.md"

SMALLEST = """\
company:
  slug: acme
  name: Acme
  currency: USD
  domestic_regions: [US]
offices:
  - slug: portland
    name: Portland
    time_zone: America/Los_Angeles
    region: US
"""


def problems_of(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidCompanyFile) as caught:
        parse_company_file(text, name="acme.yaml")
    return [(problem.line, problem.path, problem.message) for problem in caught.value.problems]


def with_office(*lines: str) -> str:
    return SMALLEST + "".join(f"    {line}\n" for line in lines)


def documented_example() -> str:
    found = re.search(r"```yaml company\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    return found[1]


def test_the_documented_example_says_what_its_comments_say() -> None:
    plan = parse_company_file(documented_example(), name="files.md")
    assert (plan.slug, plan.currency, plan.domestic_regions) == ("north-harbor", Currency.USD, ("US", "PR"))
    assert (plan.late_usage_hours, plan.spending_alert_rise_percent) == (72, 25)
    assert plan.spending_alert_minimum_micros == 10_000_000
    portland, london = plan.offices
    assert portland.phone_numbers == ("+15035550100", "+15035550101")
    assert (portland.anchor_day, portland.opened_on) == (31, date(2026, 1, 1))
    assert (portland.tax_name, portland.tax_rate_micros) == ("Sales tax", 88_750)
    assert portland.opening_credits_micros == 25_000_000
    assert portland.allowances == (
        AllowancePlan(service=Service.CALLING, quantity=30_000, usage_types=(UsageType.LOCAL, UsageType.DOMESTIC)),
        AllowancePlan(service=Service.MESSAGING, quantity=1_000, usage_types=(UsageType.P2P_SMS, UsageType.P2P_MMS)),
        AllowancePlan(service=Service.FAX, quantity=200, usage_types=(UsageType.FAX_SENT, UsageType.FAX_RECEIVED)),
        AllowancePlan(
            service=Service.SPEECH_IVR,
            quantity=50,
            usage_types=(UsageType.SPEECH_IVR,),
            is_immediate=True,
        ),
    )
    assert portland.commitments == (
        CommitmentPlan(kind=WalletKind.CALLING, amount_micros=100_500_000, cadence=Cadence.MONTHLY),
        CommitmentPlan(
            kind=WalletKind.AI_AGENT,
            amount_micros=1_200_000_000,
            cadence=Cadence.ANNUAL,
            is_immediate=True,
        ),
    )
    assert (london.payment_terms, london.allowances, london.is_suspended) == (PaymentTerms.CARD, (), False)
    assert plan.groups == (
        DirectoryGroup(external_id="q-100", name="Support", kind=GroupKind.CALL_CENTER, office="portland"),
    )
    assert plan.members == (
        DirectoryMember(
            external_id="u-1",
            name="Front desk",
            email="front.desk@north-harbor.example",
            office="portland",
            group_external_ids=("q-100",),
        ),
        DirectoryMember(external_id="u-2", name="Night dispatch", is_active=False),
    )
    assert plan.contacts == (
        DirectoryContact(external_id="c-1", name="Harbor Master", phone_numbers=("+442079460000",)),
    )


def test_the_documented_limits_of_buying_and_holding_are_the_defaults_they_say_they_are() -> None:
    plan = parse_company_file(documented_example(), name="files.md")
    assert (plan.purchase_minimum_micros, plan.purchase_maximum_micros) == (5_000_000, 2_000_000_000)
    assert (plan.purchase_daily_micros, plan.purchase_presets) == (5_000_000_000, DEFAULT_PURCHASE_PRESETS)
    assert (plan.invoice_limit_micros, plan.hold_grant_seconds) == (250_000_000, 600)
    assert [office.invoice_limit_micros for office in plan.offices] == [400_000_000, None]


def test_what_is_left_out_has_its_default() -> None:
    plan = parse_company_file(SMALLEST, name="acme.yaml")
    office = plan.offices[0]
    assert plan == CompanyPlan(
        slug="acme", name="Acme", currency=Currency.USD, domestic_regions=("US",), offices=(office,)
    )
    assert (office.anchor_day, office.opened_on, office.tax_rate_micros, office.decks) == (1, None, 0, ())


def test_a_key_left_empty_counts_as_absent() -> None:
    assert parse_company_file(with_office("tax:", "decks:"), name="acme.yaml") == parse_company_file(
        SMALLEST, name="acme.yaml"
    )


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("100", 100_000_000),
        ("100.50", 100_500_000),
        ('"100.50"', 100_500_000),
        ("0.1", 100_000),
        ("123456789.012345", 123_456_789_012_345),
        ("0.000001", 1),
    ],
)
def test_money_keeps_every_digit(written: str, micros: int) -> None:
    plan = parse_company_file(with_office(f"opening_credits: {written}"), name="acme.yaml")
    assert plan.offices[0].opening_credits_micros == micros


def test_norway_is_a_country_and_not_false() -> None:
    plan = parse_company_file(SMALLEST.replace("[US]", "[NO, US]"), name="acme.yaml")
    assert plan.domestic_regions == ("NO", "US")


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("anchor_day: 32", "anchor_day", "'32' is not a whole number from 1 to 31."),
        ("anchor_day: 1.0", "anchor_day", "'1.0' is not a whole number from 1 to 31."),
        ("since: 2026-02-30", "since", "'2026-02-30' is not a day: write it as 2026-01-31."),
        ("opening_credits: -1", "opening_credits", "'-1' is not an amount from 0 to 1000000000."),
        ("opening_credits: 0.0000001", "opening_credits", "'0.0000001' has more than 6 decimals."),
        ("is_suspended: maybe", "is_suspended", "'maybe' is neither true nor false."),
        (
            "payment_terms: invoiced",
            "payment_terms",
            "'invoiced' is not one of CARD, INVOICE. Did you mean INVOICE?",
        ),
        ("decks: npa", "decks", "write a list here, as in [one, two]."),
        ("tax: 8", "tax", "write keys with values here."),
        ("tax: {percent: 100.1}", "tax.percent", "'100.1' is not a percentage from 0 to 100."),
        ("tax: {percent: 8.87555}", "tax.percent", "'8.87555' has more than 4 decimals."),
        ("anchorday: 3", "anchorday", "this key is not known here. Did you mean anchor_day?"),
        (
            "phone_numbers: [4155550100]",
            "phone_numbers[0]",
            "'4155550100' is not E.164: write + and all digits, as in +14155550100.",
        ),
        (
            "phone_numbers: [+1415555010]",
            "phone_numbers[0]",
            "+1415555010 cannot be a phone number: its country code or its length is wrong.",
        ),
        (
            "allowances: [{service: AI_AGENT, sessions: 5}]",
            "allowances[0].service",
            "AI agent usage has no allowance: an AI_AGENT commitment pays for it, then universal credits.",
        ),
        (
            "allowances: [{service: FAX, minutes: 5}]",
            "allowances[0]",
            "say how much is included with exactly one key: pages.",
        ),
        (
            "allowances: [{service: CALLING, minutes: 5, seconds: 300}]",
            "allowances[0]",
            "say how much is included with exactly one key: minutes or seconds.",
        ),
        (
            "allowances: [{service: FAX, pages: 5, usage_types: [LOCAL]}]",
            "allowances[0]",
            "usage_types of FAX are among FAX_SENT, FAX_RECEIVED.",
        ),
        (
            "commitments: [{kind: UNIVERSAL, amount: 5, cadence: MONTHLY}]",
            "commitments[0].kind",
            "'UNIVERSAL' is not one of CALLING, AI_AGENT.",
        ),
        (
            "commitments: [{kind: CALLING, amount: 5, cadence: MONTHLY, effective: now}]",
            "commitments[0].effective",
            "'now' is not one of next_cycle, immediately.",
        ),
        (
            "allowances: [{service: FAX, pages: 5}, {service: fax, pages: 6}]",
            "allowances[1].service",
            "the allowance of 'FAX' stands twice, first at offices[0].allowances[0].service: keep one.",
        ),
        (
            "commitments: [{kind: CALLING, amount: 5, cadence: ANNUAL}, {kind: CALLING, amount: 5, cadence: MONTHLY}]",
            "commitments[1].kind",
            "the commitment of 'CALLING' stands twice, first at offices[0].commitments[0].kind: keep one.",
        ),
        (
            "region: US",
            "region",
            "this key stands twice, first on line 10.",
        ),
    ],
)
def test_a_problem_names_its_line_and_says_what_to_write(line: str, path: str, message: str) -> None:
    assert problems_of(with_office(line)) == [(11, f"offices[0].{path}", message)]


def with_company(*lines: str) -> str:
    return SMALLEST.replace("offices:", "".join(f"  {line}\n" for line in lines) + "offices:")


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("purchases: {minimum: 0}", "purchases", "minimum must be more than nothing."),
        (
            "purchases: {minimum: 30, maximum: 20}",
            "purchases",
            "minimum 30, maximum 20, per_day 5000: none may be less than the one before it.",
        ),
        (
            "purchases: {maximum: 6000}",
            "purchases",
            "minimum 5, maximum 6000, per_day 5000: none may be less than the one before it.",
        ),
        ("purchases: {presets: [20, 2000.5]}", "purchases", "presets: 2000.5 is not from 5 to 2000."),
        ("purchases: {presets: [4.99]}", "purchases", "presets: 4.99 is not from 5 to 2000."),
        ("purchases: {presets: 20}", "purchases.presets", "write a list here, as in [one, two]."),
        ("purchases: {minimum: 1000001}", "purchases.minimum", "'1000001' is not an amount from 0 to 1000000."),
        ("purchases: {daily: 1}", "purchases.daily", "this key is not known here."),
        ("invoice_limit: -1", "invoice_limit", "'-1' is not an amount from 0 to 1000000000."),
        ("holds: {grant_minutes: 0}", "holds.grant_minutes", "'0' is not a whole number from 1 to 1440."),
        ("holds: 10", "holds", "write keys with values here."),
    ],
)
def test_a_problem_of_the_company_s_settings_says_what_to_write(line: str, path: str, message: str) -> None:
    assert problems_of(with_company(line)) == [(6, f"company.{path}", message)]


@pytest.mark.parametrize(("currency", "amount"), [("USD", "20.005"), ("JPY", "20.5")])
def test_what_a_card_pays_is_whole_minor_units(currency: str, amount: str) -> None:
    for key in (f"minimum: {amount}", f"presets: [{amount}]"):
        text = with_company(f"purchases: {{{key}}}").replace("currency: USD", f"currency: {currency}")
        [(_, path, message)] = problems_of(text)
        assert path == "company"
        assert message.startswith(f"purchases.{key.partition(':')[0]}: {amount}")
        assert message.endswith(f"{currency} cannot be charged to a card exactly.")


def test_presets_that_nobody_named_are_those_within_bounds() -> None:
    plan = parse_company_file(with_company("purchases: {minimum: 50, maximum: 100}"), name="acme.yaml")
    assert plan.purchase_presets == (50_000_000, 100_000_000)
    plan = parse_company_file(with_company("purchases: {presets: []}"), name="acme.yaml")
    assert plan.purchase_presets == ()


def test_an_unknown_time_zone_is_answered_with_the_nearest() -> None:
    text = SMALLEST.replace("Los_Angeles", "Los_Angles")
    assert problems_of(text) == [
        (
            9,
            "offices[0].time_zone",
            "'America/Los_Angles' is not an IANA time zone such as Europe/London. Did you mean America/Los_Angeles?",
        )
    ]


def test_all_problems_are_listed_at_once_in_the_order_of_the_file() -> None:
    text = (
        SMALLEST.replace("currency: USD", "currency: DOGE").replace("region: US\n", "region: USA\n")
        + "directory:\n  members:\n    - {external_id: u-1, name: Front desk, office: portlan, groups: [q]}\n"
    )
    found = problems_of(text)
    assert [(line, path) for line, path, _ in found] == [
        (4, "company.currency"),
        (10, "offices[0].region"),
        (13, "directory.members[0].groups[0]"),
        (13, "directory.members[0].office"),
    ]
    assert found[-1][2] == "there is no office 'portlan' in this file. Did you mean portland?"


def test_a_missing_key_is_reported_where_it_belongs() -> None:
    text = SMALLEST.replace("    region: US\n", "")
    assert problems_of(text) == [(7, "offices[0].region", "this key is required.")]


def test_one_number_cannot_belong_to_two_offices() -> None:
    number = "    phone_numbers: [+15035550100]\n"
    second = SMALLEST.split("offices:\n")[1].replace("slug: portland", "slug: salem")
    found = problems_of(SMALLEST + number + second + number)
    assert found == [
        (
            16,
            "offices[1].phone_numbers[0]",
            "the number '+15035550100' stands twice, first at offices[0].phone_numbers[0]: keep one.",
        )
    ]


def test_offices_and_people_are_named_once() -> None:
    twice = SMALLEST + SMALLEST.split("offices:\n")[1]
    people = "directory:\n  members:\n    - {external_id: a, name: A}\n    - {external_id: a, name: B}\n"
    assert [path for _, path, _ in problems_of(twice + people)] == [
        "offices[1].slug",
        "directory.members[1].external_id",
    ]


def test_external_ids_differ_by_case() -> None:
    people = "directory:\n  members:\n    - {external_id: a, name: A}\n    - {external_id: A, name: B}\n"
    plan = parse_company_file(SMALLEST + people, name="acme.yaml")
    assert [member.external_id for member in plan.members] == ["a", "A"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty."),
        ("- 1", 1, "write keys with values here."),
        ("a: b: c", 1, "not YAML: mapping values are not allowed here."),
        ("a: 1\n---\nb: 2", 2, "not YAML: but found another document."),
        ("a: &x [*x]", 1, "not YAML: aliases (*name) are not used here, write the value out."),
        ("a:\n " + "[" * 5_000, 2, "not YAML: nested deeper than 12 levels."),
        ('a:\n "\x07"', 2, "this line has a control character: remove it."),
    ],
)
def test_what_is_no_such_file_is_refused_without_a_traceback(text: str, line: int, message: str) -> None:
    found = problems_of(text)
    assert (found[0][0], found[0][2]) == (line, message)


def test_a_tag_makes_no_python_object() -> None:
    text = SMALLEST.replace("name: Acme", "name: !!python/object/apply:os.getcwd []")
    assert problems_of(text) == [(3, "company.name", "write a single value here, not a list or keys.")]


def test_the_text_of_the_error_begins_every_line_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(with_office("anchor_day: 0", "is_suspended: 3"))
    with pytest.raises(InvalidCompanyFile) as caught:
        read_company_file(path)
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == [f"{path}:11:", f"{path}:12:"]


def test_a_file_with_a_byte_order_mark_and_crlf_is_read(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert read_company_file(path) == parse_company_file(SMALLEST, name="acme.yaml")


def test_a_file_that_is_not_utf_8_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_bytes(b"company:\n  name: Caf\xe9\n")
    with pytest.raises(InvalidCompanyFile, match="yaml:2: this is not UTF-8"):
        read_company_file(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_company_file(tmp_path / "nothing.yaml")
