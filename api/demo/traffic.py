"""How the demo company's offices use their telephones: whom they reach, how much on a full weekday, at what hours.

Nothing but data. Every number lies in a range that its country keeps free for fiction, and is still a possible number:
555-01xx in North America, Ofcom's and ACMA's drama numbers, BNetzA's and Arcep's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.usage import CallLocation


class Recipe(StrEnum):
    """Something an office does many times. `api.demo.recipes` says what each is made of."""

    CALL_OUT = "CALL_OUT"
    CALL_ABROAD = "CALL_ABROAD"
    CALL_PREMIUM = "CALL_PREMIUM"
    CALL_INSIDE = "CALL_INSIDE"
    CALL_SERVICE = "CALL_SERVICE"
    """A network's own short number, such as the time announcement."""
    CALL_IN = "CALL_IN"
    CALL_MISSED = "CALL_MISSED"
    CALL_ANONYMOUS = "CALL_ANONYMOUS"
    CALL_TOLL_FREE = "CALL_TOLL_FREE"
    TEXT_OUT = "TEXT_OUT"
    TEXT_IN = "TEXT_IN"
    TEXT_NOTICE = "TEXT_NOTICE"
    TEXT_CODE = "TEXT_CODE"
    PICTURE_OUT = "PICTURE_OUT"
    PICTURE_NOTICE = "PICTURE_NOTICE"
    FAX_OUT = "FAX_OUT"
    FAX_IN = "FAX_IN"
    AI_VOICE = "AI_VOICE"
    AI_DIGITAL = "AI_DIGITAL"
    AI_ROUTING = "AI_ROUTING"
    SPEECH_IVR = "SPEECH_IVR"
    OMNICHANNEL = "OMNICHANNEL"


AROUND_THE_CLOCK = frozenset(
    {Recipe.AI_VOICE, Recipe.AI_DIGITAL, Recipe.AI_ROUTING, Recipe.SPEECH_IVR, Recipe.OMNICHANNEL}
)
"""What machines answer does not keep office hours."""

OFFICE_WEEK = (1.0, 1.06, 1.04, 1.02, 0.9, 0.14, 0.07)
ROUND_WEEK = (1.0, 1.02, 1.0, 1.0, 0.95, 0.5, 0.42)
"""Monday to Sunday, as parts of a full weekday."""

OFFICE_HOURS = (0, 0, 0, 0, 0, 0, 1, 4, 26, 55, 68, 60, 30, 44, 64, 60, 48, 24, 8, 3, 1, 1, 0, 0)
ROUND_HOURS = (6, 4, 3, 3, 3, 5, 9, 16, 28, 38, 40, 38, 30, 34, 38, 36, 34, 32, 30, 30, 28, 22, 15, 10)
"""Weight of each hour of the local day. At noon people eat."""

QUIET_DAYS = frozenset({(1, 1), (12, 24), (12, 25), (12, 26), (12, 31)})
"""(Month, day) on which offices are nearly empty."""
QUIET_PART = 0.12

GROWTH = 0.25
GROWTH_DAYS = 180
"""The company uses a quarter more after its first half year, and then stays as it is."""


def _numbers(prefix: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:02d}" for number in range(first, last + 1))


def _north_american(*area_codes: int) -> tuple[str, ...]:
    return tuple(number for area_code in area_codes for number in _numbers(f"+1{area_code}55501", 30, 49))


_GERMANY = _numbers("+49302312504", 10, 29)
_FRANCE = _numbers("+331990012", 10, 29)
_IRELAND = _numbers("+3532091012", 10, 19)
_BRITAIN = _numbers("+4420794602", 30, 89)
_BRITISH_MOBILES = _numbers("+4477009002", 10, 69)
_AUSTRALIA = _numbers("+612555002", 10, 89)
_AUSTRALIAN_MOBILES = ("+61491570006", "+61491570110", *_numbers("+614915701", 56, 59))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeTraffic:
    """One office of the demo company, seen from its telephones."""

    slug: str
    main_number: str
    """Direct lines and extensions of members count on from it."""
    toll_free_number: str
    fax_number: str
    service_number: str
    calling_code: str
    """Contacts whose numbers begin with it are called as often as strangers; all others are abroad."""
    strangers: tuple[str, ...]
    """In its own country."""
    mobiles: tuple[str, ...]
    abroad: tuple[str, ...]
    premium: tuple[str, ...]
    unwelcome: str
    """A number that no rate prices, or that is blocked; dialled once in a while."""
    unwelcome_every_days: int
    sender: str
    """From whom notices come: a sender name where the country knows them."""
    short_code: str
    night_group: str
    locations: tuple[CallLocation, CallLocation]
    """Of the office, and where some work from home."""
    volumes: Mapping[Recipe, float]
    """How many on a full weekday in the beginning."""


NEW_YORK = OfficeTraffic(
    slug="new-york",
    main_number="+12125550100",
    toll_free_number="+18005550142",
    fax_number="+12125550190",
    service_number="611",
    calling_code="+1",
    strangers=_numbers("+121255501", 30, 89) + _north_american(201, 617, 312, 305, 206, 415),
    mobiles=_north_american(917, 347, 646),
    abroad=_BRITAIN + _BRITISH_MOBILES + _GERMANY + _FRANCE + _north_american(416, 604) + _AUSTRALIA,
    premium=_numbers("+190055501", 10, 19),
    unwelcome="+18765550133",
    unwelcome_every_days=53,
    sender="+12125550100",
    short_code="22395",
    night_group="ny-night",
    locations=(CallLocation("US", "New York", "New York"), CallLocation("US", "New Jersey", "Hoboken")),
    volumes={
        Recipe.CALL_OUT: 12,
        Recipe.CALL_ABROAD: 2.2,
        Recipe.CALL_PREMIUM: 0.12,
        Recipe.CALL_INSIDE: 1.6,
        Recipe.CALL_SERVICE: 0.1,
        Recipe.CALL_IN: 8,
        Recipe.CALL_MISSED: 1.8,
        Recipe.CALL_ANONYMOUS: 0.5,
        Recipe.CALL_TOLL_FREE: 3,
        Recipe.TEXT_OUT: 3.6,
        Recipe.TEXT_IN: 2.4,
        Recipe.TEXT_NOTICE: 3.4,
        Recipe.TEXT_CODE: 0.4,
        Recipe.PICTURE_OUT: 0.4,
        Recipe.PICTURE_NOTICE: 0.4,
        Recipe.FAX_OUT: 0.7,
        Recipe.FAX_IN: 0.6,
        Recipe.AI_VOICE: 1.7,
        Recipe.AI_DIGITAL: 1.6,
        Recipe.AI_ROUTING: 2.2,
        Recipe.SPEECH_IVR: 2.2,
        Recipe.OMNICHANNEL: 0.9,
    },
)

LONDON = OfficeTraffic(
    slug="london",
    main_number="+442079460100",
    toll_free_number="+448081570142",
    fax_number="+442079460190",
    service_number="123",
    calling_code="+44",
    strangers=_BRITAIN + _numbers("+4411349602", 30, 49) + _numbers("+4413149602", 30, 49) + _BRITISH_MOBILES,
    mobiles=_BRITISH_MOBILES,
    abroad=_GERMANY + _FRANCE + _IRELAND + _north_american(212, 206) + _AUSTRALIA,
    premium=_numbers("+4490987901", 10, 19),
    unwelcome="+46846500433",
    unwelcome_every_days=67,
    sender="HARROWGALE",
    short_code="60777",
    night_group="ln-dispatch",
    locations=(CallLocation("GB", "England", "London"), CallLocation("GB", "England", "Gravesend")),
    volumes={
        Recipe.CALL_OUT: 6.5,
        Recipe.CALL_ABROAD: 3.4,
        Recipe.CALL_PREMIUM: 0.1,
        Recipe.CALL_INSIDE: 1,
        Recipe.CALL_SERVICE: 0.05,
        Recipe.CALL_IN: 4.2,
        Recipe.CALL_MISSED: 1,
        Recipe.CALL_ANONYMOUS: 0.35,
        Recipe.CALL_TOLL_FREE: 1.1,
        Recipe.TEXT_OUT: 1.9,
        Recipe.TEXT_IN: 1.1,
        Recipe.TEXT_NOTICE: 1.9,
        Recipe.TEXT_CODE: 0.2,
        Recipe.PICTURE_OUT: 0.2,
        Recipe.PICTURE_NOTICE: 0.15,
        Recipe.FAX_OUT: 0.3,
        Recipe.FAX_IN: 0.35,
        Recipe.AI_VOICE: 0.4,
        Recipe.AI_DIGITAL: 0.6,
        Recipe.AI_ROUTING: 0.7,
        Recipe.SPEECH_IVR: 0.6,
        Recipe.OMNICHANNEL: 1.6,
    },
)

SYDNEY = OfficeTraffic(
    slug="sydney",
    main_number="+61255500100",
    toll_free_number="+611800160401",
    fax_number="+61255500190",
    service_number="1194",
    calling_code="+61",
    strangers=_AUSTRALIA + _numbers("+613555002", 10, 29) + _numbers("+617555002", 10, 29) + _AUSTRALIAN_MOBILES,
    mobiles=_AUSTRALIAN_MOBILES,
    abroad=_north_american(212, 415) + _BRITAIN + _FRANCE,
    premium=_numbers("+6119025550", 10, 19),
    unwelcome="+46846500466",
    unwelcome_every_days=61,
    sender="HARROWGALE",
    short_code="19777",
    night_group="sy-service",
    locations=(CallLocation("AU", "New South Wales", "Sydney"), CallLocation("AU", "New South Wales", "Wollongong")),
    volumes={
        Recipe.CALL_OUT: 6,
        Recipe.CALL_ABROAD: 1,
        Recipe.CALL_PREMIUM: 0.1,
        Recipe.CALL_INSIDE: 0.8,
        Recipe.CALL_SERVICE: 0.05,
        Recipe.CALL_IN: 3.3,
        Recipe.CALL_MISSED: 0.8,
        Recipe.CALL_ANONYMOUS: 0.3,
        Recipe.CALL_TOLL_FREE: 0.9,
        Recipe.TEXT_OUT: 1.8,
        Recipe.TEXT_IN: 1,
        Recipe.TEXT_NOTICE: 2.2,
        Recipe.TEXT_CODE: 0.2,
        Recipe.PICTURE_OUT: 0.2,
        Recipe.PICTURE_NOTICE: 0.15,
        Recipe.FAX_OUT: 0.4,
        Recipe.FAX_IN: 0.3,
        Recipe.AI_VOICE: 0.8,
        Recipe.AI_DIGITAL: 0.8,
        Recipe.AI_ROUTING: 0.9,
        Recipe.SPEECH_IVR: 1.4,
        Recipe.OMNICHANNEL: 1.5,
    },
)

OFFICES = (NEW_YORK, LONDON, SYDNEY)
