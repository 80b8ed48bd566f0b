"""Telephone numbers as reporters write them, and the usage type that two of them make."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from domain.catalogue import Direction, UsageType
from domain.numbers import (
    Address,
    AddressKind,
    OfficeLine,
    ai_type,
    call_type,
    deciding_address,
    fax_type,
    message_type,
    office_line,
    parse_address,
)
from domain.usage import AiAgentMode, Traffic

# text | region of the office | kind | E.164 | region of the number
CALL_ADDRESSES = """
    +14155550100                               | US | E164       | +14155550100    | US
    (415) 555-0100                             | US | E164       | +14155550100    | US
    1-415-555-0100                             | US | E164       | +14155550100    | US
    415.555.0100 x12                           | US | E164       | +14155550100    | US
    +1 415 555 0100 ext. 12                    | US | E164       | +14155550100    | US
    １４１５５５５０１００                     | US | E164       | +14155550100    | US
    ＋１ ４１５ ５５５ ０１００                | US | E164       | +14155550100    | US
    ١٤١٥٥٥٥٠١٠٠                                | US | E164       | +14155550100    | US
    +1–415—555−0100                            | US | E164       | +14155550100    | US
    \u202a+1 415 555 0100\u202c                | US | E164       | +14155550100    | US
    011 44 20 8366 1177                        | US | E164       | +442083661177   | GB
    00 44 20 8366 1177                         | IN | E164       | +442083661177   | GB
    020 8366 1177                              | GB | E164       | +442083661177   | GB
    (022)28952819                              | IN | E164       | +912228952819   | IN
    78130 00821                                | IN | E164       | +917813000821   | IN
    (04344)322628                              | IN | E164       | +914344322628   | IN
    +39 06 698 12345                           | US | E164       | +390669812345   | VA
    1-800-FLOWERS                              | US | E164       | +18003569377    | US
    +1 800 FLOWERS                             | US | E164       | +18003569377    | US
    sip:+14155550100@pbx.example               | US | E164       | +14155550100    | US
    SIPS:+14155550100;npdi=yes@pbx.example     | US | E164       | +14155550100    | US
    sip:%2B14155550100@pbx.example;user=phone  | US | E164       | +14155550100    | US
    +14155550100@pbx.example:5060              | US | E164       | +14155550100    | US
    tel:+1-415-555-0100;ext=12                 | US | E164       | +14155550100    | US
    +18765551234                               | US | E164       | +18765551234    | JM
    +16042345678                               | US | E164       | +16042345678    | CA
    +16041234567                               | US | E164       | +16041234567    | CA | possible, never assigned
    +17876901234                               | US | E164       | +17876901234    | PR
    +17871101234                               | US | E164       | +17871101234    | PR | possible, never assigned
    +18091234567                               | US | E164       | +18091234567    | DO | possible, never assigned
    +19991234567                               | US | E164       | +19991234567    | US | no such area code
    +77012345678                               | RU | E164       | +77012345678    | KZ
    +441481256789                              | GB | E164       | +441481256789   | GG
    +80012345678                               | US | E164       | +80012345678    | -  | of no country
    +883510001234567                           | US | E164       | +883510001234567 | - | of no country
    712345                                     | AD | E164       | +376712345      | AD | numbers have six digits there
    1002                                       | US | EXTENSION  | -               | -
    1002                                       | DE | EXTENSION  | -               | -  | possible, but no number
    30123                                      | DE | EXTENSION  | -               | -  | numbers are longer there
    712345                                     | US | EXTENSION  | -               | -
    6789                                       | US | EXTENSION  | -               | -
    0                                          | US | EXTENSION  | -               | -
    １００２                                   | US | EXTENSION  | -               | -
    sip:1002@10.0.0.5                          | US | EXTENSION  | -               | -
    911                                        | US | SHORT_CODE | -               | -
    112                                        | DE | SHORT_CODE | -               | -
    000                                        | AU | SHORT_CODE | -               | -
    999                                        | US | EXTENSION  | -               | -  | no emergency there
    anonymous                                  | US | ANONYMOUS  | -               | -
    Restricted                                 | US | ANONYMOUS  | -               | -
    PRIVATE                                    | US | ANONYMOUS  | -               | -
    withheld                                   | US | ANONYMOUS  | -               | -
    Unavailable                                | US | ANONYMOUS  | -               | -
    unknown                                    | US | ANONYMOUS  | -               | -
    sip:anonymous@anonymous.invalid            | US | ANONYMOUS  | -               | -
    &                                          | US | OTHER      | -               | -
    *1003                                      | US | OTHER      | -               | -
    *67 415 555 0100                           | US | OTHER      | -               | -  | a star code and a number
    client1                                    | US | OTHER      | -               | -
    client14155550100                          | US | OTHER      | -               | -
    4155550100ab                               | US | OTHER      | -               | -
    plumbing                                   | US | OTHER      | -               | -
    555-0100                                   | US | OTHER      | -               | -  | possible only within a town
    +1002                                      | US | OTHER      | -               | -
    +                                          | US | OTHER      | -               | -
    +14155550100234                            | US | OTHER      | -               | -  | too long
    @handle                                    | US | OTHER      | -               | -
    sip:10.0.0.5                               | US | OTHER      | -               | -
    550e8400-e29b-41d4-a716-446655440000       | US | OTHER      | -               | -
    4155550100                                 | XX | OTHER      | -               | -  | an office of no country
"""

MESSAGE_ADDRESSES = """
    +14155550100  | US | E164        | +14155550100 | US
    4155550100    | US | E164        | +14155550100 | US
    20 12 34 56   | DK | E164        | +4520123456  | DK | numbers have eight digits there
    72975         | US | SHORT_CODE  | -            | -
    911           | US | SHORT_CODE  | -            | -
    72975         | DE | SHORT_CODE  | -            | -
    12345678      | US | SHORT_CODE  | -            | -
    12            | US | OTHER       | -            | -
    FAREBOX       | US | SENDER_NAME | -            | -
    1-800-FLOWERS | US | SENDER_NAME | -            | -
    24 Seven      | US | SENDER_NAME | -            | -
    Почта         | US | SENDER_NAME | -            | -
    a@b.example   | US | SENDER_NAME | -            | -
    *611          | US | OTHER       | -            | -
    unknown       | US | ANONYMOUS   | -            | -
"""


def cells(table: str) -> list[tuple[str, ...]]:
    """The first five columns; what follows is for the reader."""
    lines = (line.split("|") for line in table.strip().splitlines())
    return [tuple(cell.strip() for cell in line[:5]) for line in lines]


def _expected(text: str, kind: str, e164: str, region: str) -> Address:
    return Address(AddressKind(kind), text, None if e164 == "-" else e164, None if region == "-" else region)


@pytest.mark.parametrize(("text", "region", "kind", "e164", "of"), cells(CALL_ADDRESSES))
def test_an_end_of_a_call_is_told_apart(text: str, region: str, kind: str, e164: str, of: str) -> None:
    assert parse_address(text, region) == _expected(text, kind, e164, of)


@pytest.mark.parametrize(("text", "region", "kind", "e164", "of"), cells(MESSAGE_ADDRESSES))
def test_an_end_of_a_message_is_told_apart(text: str, region: str, kind: str, e164: str, of: str) -> None:
    assert parse_address(text, region, is_message=True) == _expected(text, kind, e164, of)


def test_an_empty_text_is_a_withheld_number() -> None:
    assert parse_address("  ", "US") == Address(AddressKind.ANONYMOUS, "", None, None)


def test_digits_are_for_matching_rates_and_only_phone_numbers_have_them() -> None:
    assert parse_address("+1 415 555 0100", "US").digits == "14155550100"
    assert parse_address("1002", "US").digits == ""
    assert parse_address("911", "US").digits == ""


@given(st.text(max_size=80) | st.from_regex(r"[+(]?[0-9 ().x*#;@:-]{0,40}", fullmatch=True), st.booleans())
def test_any_text_at_all_is_some_address(text: str, is_message: bool) -> None:
    for region in ("US", "DE", "IN", "XX", ""):
        address = parse_address(text, region, is_message=is_message)

        assert address.text == text.strip()
        assert (address.e164 is not None) == (address.kind is AddressKind.E164)
        assert (address.digits == "") == (address.e164 is None)
        if address.e164 is not None:
            assert address.digits.isascii()
            assert address.digits.isdecimal()
            assert len(address.digits) <= 15


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
@pytest.mark.parametrize("kind", [PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE])
def test_a_number_of_any_country_is_read_from_all_its_spellings(region: str, kind: int) -> None:
    example = phonenumbers.example_number_for_type(region, kind)
    if example is None:
        pytest.skip("this numbering plan has no such numbers")
    e164 = phonenumbers.format_number(example, PhoneNumberFormat.E164)
    # A few plans share their numbers with a neighbour, who is named instead: the Vatican's mobiles are Italian.
    of = phonenumbers.region_code_for_number(example)

    for spelling in (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966):
        address = parse_address(phonenumbers.format_number(example, spelling), "US")
        assert (address.e164, address.region) == (e164, of)
    address = parse_address(phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL), region)
    assert (address.e164, address.region) == (e164, of)


@pytest.fixture
def line() -> OfficeLine:
    """A San Francisco office of a company at home in the United States alone."""
    return office_line("US", ["US"], ["+14155550000", "+18005550000", "not a number"])


# direction | from | to | type | decided by
CALLS = """
    OUTBOUND | +14155550000 | +14155550100  | LOCAL         | to
    OUTBOUND | +14155550000 | +12125550100  | DOMESTIC      | to
    OUTBOUND | +14155550000 | +442083661177 | INTERNATIONAL | to
    OUTBOUND | +14155550000 | +18002345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18332345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18442345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18552345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18662345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18772345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18882345678  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +18001234567  | TOLL_FREE     | to
    OUTBOUND | +14155550000 | +19002345678  | PREMIUM       | to
    OUTBOUND | +14155550000 | +448081570001 | INTERNATIONAL | to
    OUTBOUND | +14155550000 | +80012345678  | INTERNATIONAL | to
    OUTBOUND | +14155550000 | +18765551234  | INTERNATIONAL | to
    OUTBOUND | +14155550000 | +16042345678  | INTERNATIONAL | to
    OUTBOUND | +14155550000 | +17876901234  | INTERNATIONAL | to
    OUTBOUND | 1001         | 1002          | LOCAL         | to
    OUTBOUND | 1001         | 911           | DOMESTIC      | to
    OUTBOUND | 1001         | &             | DOMESTIC      | to
    OUTBOUND | 1001         | +12125550100  | DOMESTIC      | to
    INBOUND  | +12125550100 | +14155550000  | DOMESTIC      | from
    INBOUND  | +14155550100 | 1002          | LOCAL         | from
    INBOUND  | 1001         | 1002          | LOCAL         | from
    INBOUND  | anonymous    | +14155550000  | DOMESTIC      | from
    INBOUND  | +442083661177 | +14155550000 | INTERNATIONAL | from
    INBOUND  | +442083661177 | +18005550000 | TOLL_FREE     | to
    INBOUND  | anonymous    | +18005550000  | TOLL_FREE     | to
    INBOUND  | +14155550100 | +448081570001 | LOCAL         | from
    INBOUND  | +14155550100 | +19002345678  | LOCAL         | from
"""


@pytest.mark.parametrize(("direction", "from_", "to", "expected", "decided_by"), cells(CALLS))
def test_a_call_has_the_type_of_the_number_that_decides_it(
    line: OfficeLine, direction: str, from_: str, to: str, expected: str, decided_by: str
) -> None:
    ends = {"from": parse_address(from_, "US"), "to": parse_address(to, "US")}

    found, decided = call_type(Direction(direction), ends["from"], ends["to"], line)

    assert found is UsageType(expected)
    assert decided == ends[decided_by]


def type_of_call_to(number: str, line: OfficeLine) -> UsageType:
    here = parse_address("+14155550000", line.region)
    return call_type(Direction.OUTBOUND, here, parse_address(number, line.region), line)[0]


@pytest.mark.parametrize(("number", "region"), [("+16042345678", "CA"), ("+17876901234", "PR"), ("+18765551234", "JM")])
def test_a_region_of_the_same_calling_code_is_domestic_only_if_the_company_says_so(number: str, region: str) -> None:
    assert type_of_call_to(number, office_line("US", [], [])) is UsageType.INTERNATIONAL
    assert type_of_call_to(number, office_line("US", [region], [])) is UsageType.DOMESTIC


def test_the_own_region_is_domestic_without_being_named() -> None:
    assert type_of_call_to("+14155550100", office_line("US", ["CA"], [])) is UsageType.DOMESTIC


def test_a_call_is_local_in_the_area_of_any_own_number() -> None:
    line = office_line("US", [], ["+14155550000", "(212) 555-0000"])

    assert line.area_codes == {(1, "415"), (1, "212")}
    assert type_of_call_to("+12125550100", line) is UsageType.LOCAL
    assert type_of_call_to("+13125550100", line) is UsageType.DOMESTIC


def test_an_area_abroad_is_not_local_even_with_an_own_number_there() -> None:
    line = office_line("US", [], ["+442083661177"])
    assert type_of_call_to("+442083661188", line) is UsageType.INTERNATIONAL

    line = office_line("US", ["GB"], ["+442083661177"])
    assert type_of_call_to("+442083661188", line) is UsageType.LOCAL
    assert type_of_call_to("+441614960000", line) is UsageType.DOMESTIC


def test_a_mobile_that_begins_like_an_area_code_is_not_local() -> None:
    """Bengaluru is 080; Indian mobiles may begin with 80 as well."""
    line = office_line("IN", [], ["(080)33118033", "98123 45678"])

    assert line.area_codes == {(91, "80")}
    assert type_of_call_to("(080)35121497", line) is UsageType.LOCAL
    assert type_of_call_to("80955 06212", line) is UsageType.DOMESTIC
    assert type_of_call_to("98123 45679", line) is UsageType.DOMESTIC


def test_toll_free_and_premium_of_another_calling_code_are_international() -> None:
    london = office_line("GB", [], ["+442083661177"])

    assert type_of_call_to("0808 157 0001", london) is UsageType.TOLL_FREE
    assert type_of_call_to("09012345678", london) is UsageType.PREMIUM
    assert type_of_call_to("+18002345678", london) is UsageType.INTERNATIONAL


def test_a_message_has_the_type_the_reporter_tells() -> None:
    assert message_type(Traffic.P2P, is_mms=False) is UsageType.P2P_SMS
    assert message_type(Traffic.P2P, is_mms=True) is UsageType.P2P_MMS
    assert message_type(Traffic.A2P, is_mms=False) is UsageType.A2P_SMS
    assert message_type(Traffic.A2P, is_mms=True) is UsageType.A2P_MMS


def test_a_fax_is_sent_or_received() -> None:
    assert fax_type(Direction.OUTBOUND) is UsageType.FAX_SENT
    assert fax_type(Direction.INBOUND) is UsageType.FAX_RECEIVED


@pytest.mark.parametrize(
    ("mode", "usage_type"),
    [
        (AiAgentMode.VOICE, UsageType.VOICE_AI),
        (AiAgentMode.DIGITAL, UsageType.DIGITAL_AI),
        (AiAgentMode.ROUTING, UsageType.AI_ROUTING),
    ],
)
def test_an_ai_session_has_the_type_of_its_mode(mode: AiAgentMode, usage_type: UsageType) -> None:
    assert ai_type(mode) is usage_type


def test_messages_faxes_and_sessions_are_rated_by_the_other_party() -> None:
    here, there = parse_address("+14155550000", "US"), parse_address("+12125550100", "US")

    assert deciding_address(Direction.OUTBOUND, here, there) == there
    assert deciding_address(Direction.INBOUND, there, here) == there
    assert deciding_address(Direction.OUTBOUND, here, None) is None
    assert deciding_address(Direction.INBOUND, None, here) is None
    assert deciding_address(None, here, there) == there
    assert deciding_address(None, here, None) == here
    assert deciding_address(None, None, None) is None
