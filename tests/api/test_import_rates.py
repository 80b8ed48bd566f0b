"""Reading rate decks: which rows load, what they become, and why the others do not (R18–R21)."""

from pathlib import Path

import pytest

from api.imports.deck_fields import parse_increment
from api.imports.rates import BadRow, Deck, DeckFormat, read_deck
from domain.catalogue import Direction, Service, UsageType
from domain.errors import InvalidInput
from domain.rates import PER_MINUTE, PER_SECOND, Increment, NewRate
from tests.api.import_words import documented, real_file

FAREBOX_HEADER = "service,usage_type,direction,prefix,destination,rate,increment,connection_fee,priority"
COUNTRY_HEADER = "Country,Code,Initial Rate per Minute,Increment Rate Per Minute,Time Of Day"


def deck_of(path: Path, *lines: str) -> Deck:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_deck(path)


def rate(prefix: str, nanos: int, **other: object) -> NewRate:
    usual = NewRate(
        service=Service.CALLING,
        usage_type=None,
        direction=Direction.OUTBOUND,
        prefix=prefix,
        destination=None,
        nanos_per_unit=nanos,
        increment=PER_MINUTE,
        connection_fee_micros=0,
        priority=0,
        is_blocked=False,
    )
    return usual._replace(**other)  # type: ignore[arg-type]  # each test names fields of NewRate


def test_the_documented_npa_nxx_deck(path: Path) -> None:
    deck = deck_of(path, *documented("csv", "npa-nxx").splitlines())
    assert deck == Deck(
        format=DeckFormat.NPA_NXX,
        rates=[
            (2, rate("1201200", 4_356_000, destination="Land line")),
            (3, rate("1201202", 3_600_000, destination="Wireless")),
        ],
        bad_rows=[],
    )


def test_the_documented_country_deck(path: Path) -> None:
    deck = deck_of(path, *documented("csv", "country").splitlines())
    assert deck.format is DeckFormat.COUNTRY
    assert deck.rates == [
        (2, rate("355", 150_000_000, destination="Albania")),
        (3, rate("3110", 0, destination="Netherlands,Rotterdam", is_blocked=True)),
        (4, rate("1411", 100_000_000, destination="Directory", connection_fee_micros=230_000)),
    ]
    assert deck.bad_rows == []


def test_the_documented_deck_of_our_own(path: Path) -> None:
    deck = deck_of(path, *documented("csv", "farebox").splitlines())
    assert deck.format is DeckFormat.FAREBOX
    assert [rate for _, rate in deck.rates] == [
        rate(
            "44",
            21_000_000,
            destination="United Kingdom",
            increment=Increment(60, 10),
            connection_fee_micros=50_000,
        ),
        rate("44900", 0, direction=None, destination="Premium", priority=10, is_blocked=True),
        rate(
            "1",
            8_500_000,
            service=Service.MESSAGING,
            usage_type=UsageType.A2P_SMS,
            destination="United States",
            increment=PER_SECOND,
        ),
        rate("", 30_000_000, service=Service.FAX, direction=None, increment=PER_SECOND),
        rate(
            "",
            500_000_000,
            service=Service.AI_AGENT,
            usage_type=UsageType.VOICE_AI,
            direction=None,
            increment=PER_SECOND,
        ),
    ]
    assert deck.bad_rows == []


def test_what_a_deck_does_not_say_is_said_by_the_operator(path: Path) -> None:
    path.write_text("NPANXX,Rate\n201200,0.5\n")
    deck = read_deck(
        path,
        direction="ANY",
        increment=Increment(6, 6),
        prefix_completion="",
        usage_types=[UsageType.LOCAL, UsageType.DOMESTIC],
    )
    usual = rate("201200", 500_000_000, direction=None, increment=Increment(6, 6))
    assert deck.rates == [
        (2, usual._replace(usage_type=UsageType.LOCAL)),
        (2, usual._replace(usage_type=UsageType.DOMESTIC)),
    ]


def test_a_header_is_known_in_any_case_with_spaces_a_mark_and_crlf(path: Path) -> None:
    text = '\ufeff npanxx , RATE ,Wireless,"Land  Line"\r\n201200, 0.004356 ,,x\r\n,,,\r\n\r\n'
    path.write_bytes(text.encode())
    assert read_deck(path).rates == [(2, rate("1201200", 4_356_000, destination="Land line"))]


def test_an_unknown_header_is_answered_with_the_known_ones(path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        deck_of(path, "Zone,Price", "1,2")
    for name in ("npa-nxx: npanxx,rate", "country: code,", "farebox: service,rate"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("service,rate,increments", "unknown column 'increments'"),
        ("service,rate,rate", "'rate' twice"),
        ("", "not that of a deck"),
    ],
)
def test_a_header_that_would_be_misread_is_refused(path: Path, header: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        deck_of(path, header, "CALLING,1,1")


def test_a_named_format_is_not_guessed_again(path: Path) -> None:
    path.write_text(f"{COUNTRY_HEADER}\nAlbania,355,1,1,peak\n")
    with pytest.raises(InvalidInput, match="npanxx"):
        read_deck(path, format=DeckFormat.NPA_NXX)
    assert len(read_deck(path, format=DeckFormat.COUNTRY).rates) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("20120,0.1,,", "'20120' is not an NPA-NXX: write six digits."),
        ("٢٠١٢٠٠,0.1,,", "'٢٠١٢٠٠' is not an NPA-NXX: write six digits."),
        ("201200,,,", "'' is not a decimal"),
        ("201200,1e3,,", "'1e3' is not a decimal"),
        ("201200,nan,,", "'nan' is not a decimal"),
        ("201200,-0.1,,", "the rate -0.1 is not between 0 and 1000."),
        ("201200,1000.000000001,,", "the rate 1000.000000001 is not between 0 and 1000."),
        ("201200,0.0000000001,,", "is not a decimal"),
        ("201200,0.1,,,x", "the row has 5 fields and the header 4"),
        ('201200,"0.1"5,,', "this is not CSV"),
    ],
)
def test_a_bad_row_of_an_npa_nxx_deck(path: Path, row: str, reason: str) -> None:
    deck = deck_of(path, "NPANXX,Rate,Wireless,Land Line", "201201,1000,x,", row, "201202,.5,x,")
    assert [line for line, _ in deck.rates] == [2, 4]
    assert [bad.line for bad in deck.bad_rows] == [3]
    assert reason in deck.bad_rows[0].reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Emergency,5.41144E+11,0.04,0.04,peak", "exponent form (5.41144E+11)"),
        ("On-Net,*1003,0,0,peak", "'*1003' is no prefix: write 1 to 15 digits."),
        ("Nowhere,,0.1,0.1,peak", "the code is empty."),
        ("Long,1234567890123456,0.1,0.1,peak", "is no prefix: write 1 to 15 digits."),
        ("Half,59951,Blocked,0.2,peak", "the rates are Blocked and 0.2: block both or neither."),
        ("Cheap first,1411,0.1,0.33,peak", "the first minute (0.1) is cheaper than the next (0.33)"),
        ("Fine,1411,0.3300000001,0.1,peak", "is not a decimal"),
        ("Fine,1411,0.330000001,0.1,peak", "0.330000001 less 0.1 has more than six decimals."),
        ("Night,355,0.1,0.1,off-peak", "'off-peak': rates here are the same at all times of day."),
        ("Netherlands,Rotterdam,3110,0.1,0.1,peak", "quote a field that contains a comma."),
    ],
)
def test_a_bad_row_of_a_country_deck(path: Path, row: str, reason: str) -> None:
    deck = deck_of(path, COUNTRY_HEADER, row, "Albania,+355,0.15,0.15,ANY")
    assert deck.rates == [(3, rate("355", 150_000_000, destination="Albania"))]
    assert deck.bad_rows[0][:2] == (2, row)
    assert reason in deck.bad_rows[0].reason


def test_a_dearer_first_minute_needs_a_first_minute_that_is_billed_whole(path: Path) -> None:
    path.write_text(f"{COUNTRY_HEADER}\nDirectory,1411,0.33,0.1,peak\n")
    assert "exact only where it is billed whole" in read_deck(path, increment=PER_SECOND).bad_rows[0].reason
    assert read_deck(path, increment=Increment(60, 1)).rates[0][1].connection_fee_micros == 230_000


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("TELEX,,,,,1,,,", "'TELEX' is no service: write one of CALLING, MESSAGING"),
        ("FAX,LOCAL,,,,1,,,", "'LOCAL' is no usage type of FAX: write one of FAX_SENT, FAX_RECEIVED."),
        ("CALLING,,UP,,,1,,,", "'UP' is no direction: write one of INBOUND, OUTBOUND, ANY."),
        ("CALLING,,,1-876,,1,,,", "'1-876' is no prefix"),
        ("CALLING,,,1,,1,60,,", "'60' is not an increment: write first/next seconds as in 60/10"),
        ("CALLING,,,1,,1,60/3601,,", "'60/3601' is not an increment"),
        ("CALLING,,,1,,1,0/1,,", "'0/1' is not an increment"),
        ("FAX,,,1,,1,60/60,,", "only calls have increments"),
        ("CALLING,,,1,,1,,1000.000001,", "the connection fee 1000.000001 is not between 0 and 1000."),
        ("CALLING,,,1,,1,,0.0000001,", "has more than 6 decimals"),
        ("CALLING,,,1,,1,,,1001", "the priority '1001' is not between -1000 and 1000."),
        ("CALLING,,,1,,1,,,1.5", "the priority '1.5'"),
        (f"CALLING,,,1,{'x' * 201},1,,,", "the destination is longer than 200"),
        ("CALLING,,,1,a\x07b,1,,,", "has control characters"),
    ],
)
def test_a_bad_row_of_our_own_deck(path: Path, row: str, reason: str) -> None:
    deck = deck_of(path, FAREBOX_HEADER, row, "CALLING,,,1,,1,,,")
    assert [line for line, _ in deck.rates] == [3]
    assert reason in deck.bad_rows[0].reason
    assert deck.bad_rows[0].text.isprintable()


def test_the_later_of_two_rows_that_no_usage_could_tell_apart_does_not_load(path: Path) -> None:
    deck = deck_of(
        path,
        FAREBOX_HEADER,
        "CALLING,,,1,first,1,,,",
        "CALLING,,,1,other priority,1,,,5",
        "CALLING,,INBOUND,1,other direction,1,,,",
        "CALLING,,OUTBOUND,1,the same,2,,,",
        "CALLING,,,bad,x,2,,,",
        "MESSAGING,,OUTBOUND,1,other service,2,,,",
    )
    assert [line for line, _ in deck.rates] == [2, 3, 4, 7]
    assert deck.bad_rows[0] == BadRow(
        5,
        "CALLING,,OUTBOUND,1,the same,2,,,",
        "the same prefix, priority, direction and usage type as line 2.",
    )
    assert [bad.line for bad in deck.bad_rows] == [5, 6]


def test_a_line_that_is_not_utf_8_is_one_bad_row(path: Path) -> None:
    path.write_bytes(b"service,rate,destination\nCALLING,1,Cura\xe7ao\nFAX,1,Cura\xc3\xa7ao\n")
    deck = read_deck(path)
    assert [(line, rate.destination) for line, rate in deck.rates] == [(3, "Curaçao")]
    assert deck.bad_rows == [
        BadRow(2, "CALLING,1,Cura\N{REPLACEMENT CHARACTER}ao", "this line is not UTF-8: save the file as UTF-8.")
    ]


def test_a_file_in_utf_16_or_not_there_is_refused(path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_deck(path)
    path.write_text("NPANXX,Rate\n", encoding="utf-16")
    with pytest.raises(InvalidInput, match="UTF-16"):
        read_deck(path)


def test_keywords_that_contradict_each_other_are_refused(path: Path) -> None:
    path.write_text("NPANXX,Rate\n201200,0.5\n")
    with pytest.raises(InvalidInput, match="no usage type of CALLING"):
        read_deck(path, usage_types=[UsageType.FAX_SENT])
    with pytest.raises(InvalidInput, match="digits"):
        read_deck(path, prefix_completion="+1")


def test_an_increment_is_first_and_next_seconds() -> None:
    assert parse_increment("60/10") == Increment(60, 10)
    for text in ("60", "60/", "060/10", "60/10/1", "-1/1", "6٠/1"):
        with pytest.raises(InvalidInput):
            parse_increment(text)


def test_the_real_npa_nxx_deck_loads_whole() -> None:
    deck = read_deck(real_file("npanxx_ratedeck.csv"))
    assert (deck.format, len(deck.rates), deck.bad_rows) == (DeckFormat.NPA_NXX, 184_215, [])


def test_the_real_country_deck_lists_its_bad_rows() -> None:
    deck = read_deck(real_file("caribbeano_rates.csv"))
    assert (deck.format, len(deck.rates), len(deck.bad_rows)) == (DeckFormat.COUNTRY, 856, 18)
    assert sum(rate.is_blocked for _, rate in deck.rates) == 54
    assert [bad.line for bad in deck.bad_rows if "exponent" in bad.reason] == [37]
    assert [bad.line for bad in deck.bad_rows if "block both" in bad.reason] == [553]
    assert sum("is no prefix" in bad.reason for bad in deck.bad_rows) == 16
