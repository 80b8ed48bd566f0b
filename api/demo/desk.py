"""The people of one office of the demo company, and whom they talk to.

Members, groups and contacts are those of the company file; lines and extensions follow from their order in it.
"""

from random import Random
from typing import NamedTuple

from api.demo.traffic import OfficeTraffic
from domain.catalogue import Direction
from domain.provisioning import CompanyPlan, DirectoryContact, DirectoryMember
from domain.usage import Call, DirectoryReference, UsageFacts

FIRST_EXTENSION = 1001
KNOWN_PART = 0.45
"""So many of an office's talks are with contacts, the rest with strangers."""
HOME_PART = 0.15
LONGEST_TALK_SECONDS = 5_400
ENDLESS_SECONDS = 18_000
SUPPLIER, SUPPLIER_CONTACT = "+494066969251", "c-11"
NEGOTIATION_SECONDS = (3_300, 4_500)


class Happening(NamedTuple):
    """One thing that happened, before it has a time and an id."""

    usage: UsageFacts
    member: str | None = None
    group: str | None = None
    contact: str | None = None
    """External ids."""


class Person(NamedTuple):
    external_id: str
    group: str | None
    extension: str
    direct_line: str


class Party(NamedTuple):
    number: str
    contact: str | None = None


class Desk:
    """One office with its people and whom they talk to."""

    def __init__(self, traffic: OfficeTraffic, plan: CompanyPlan) -> None:
        self.traffic = traffic
        active = [member for member in plan.members if member.office == traffic.slug and member.is_active]
        self._people = [self._person(place, member) for place, member in enumerate(active)]
        self._at_home = tuple(_parties(plan.contacts, traffic.calling_code, is_home=True))
        self._far_away = tuple(_parties(plan.contacts, traffic.calling_code, is_home=False))

    def _person(self, place: int, member: DirectoryMember) -> Person:
        group = member.group_external_ids[0] if member.group_external_ids else None
        line = f"{self.traffic.main_number[:-2]}{place + 1:02d}"
        return Person(member.external_id, group, str(FIRST_EXTENSION + place), line)

    def unwelcome_call(self, dice: Random) -> Happening:
        """A call that is rejected: no rate prices it, or one blocks it."""
        person = dice.choice(self._people)
        usage = self._call(dice, Direction.OUTBOUND, person.direct_line, self.traffic.unwelcome, talk_seconds(dice))
        return Happening(usage, person.external_id)

    def endless_call(self, dice: Random) -> Happening:
        """A conference that nobody hung up for five hours. It is given back afterwards."""
        person = dice.choice(self._people)
        usage = self._call(dice, Direction.OUTBOUND, person.direct_line, self.traffic.abroad[0], ENDLESS_SECONDS)
        return Happening(usage, person.external_id)

    def negotiation(self, dice: Random) -> Happening:
        """The office's newest hand is on the phone to a supplier abroad for an hour, as every weekday of that month."""
        person, supplier = self._people[-1], Party(SUPPLIER, SUPPLIER_CONTACT)
        seconds = dice.randint(*NEGOTIATION_SECONDS)
        usage = self._call(dice, Direction.OUTBOUND, person.direct_line, supplier.number, seconds)
        return Happening(usage, person.external_id, contact=supplier.contact)

    def party(self, dice: Random) -> Party:
        if dice.random() < KNOWN_PART:
            return dice.choice(self._at_home)
        return Party(dice.choice(self.traffic.strangers))

    def party_abroad(self, dice: Random) -> Party:
        if dice.random() < KNOWN_PART:
            return dice.choice(self._far_away)
        return Party(dice.choice(self.traffic.abroad))

    def person(self, dice: Random) -> Person:
        return dice.choice(self._people)

    def out(self, dice: Random, party: Party, longest_seconds: int = LONGEST_TALK_SECONDS) -> Happening:
        person = self.person(dice)
        seconds = min(talk_seconds(dice), longest_seconds)
        usage = self._call(dice, Direction.OUTBOUND, person.direct_line, party.number, seconds)
        return Happening(usage, person.external_id, contact=party.contact)

    def answered(self, dice: Random, from_: Party, to: str) -> Happening:
        """Members answer for the group they work in; some have a line of their own."""
        person = self.person(dice)
        usage = self._call(dice, Direction.INBOUND, from_.number, to, talk_seconds(dice))
        return Happening(usage, person.external_id, person.group, from_.contact)

    def _call(self, dice: Random, direction: Direction, from_: str, to: str, seconds: int) -> Call:
        return Call(
            direction=direction,
            from_=from_,
            to=to,
            duration_seconds=seconds,
            location=self.traffic.locations[dice.random() < HOME_PART],
            quality_tenths=int(dice.triangular(26, 47, 43)),
        )


def _parties(contacts: tuple[DirectoryContact, ...], calling_code: str, *, is_home: bool) -> list[Party]:
    return [
        Party(number, contact.external_id)
        for contact in contacts
        for number in contact.phone_numbers
        if number.startswith(calling_code) == is_home
    ]


def talk_seconds(dice: Random) -> int:
    """Most talks are short and a few are long: a log-normal curve around two minutes and a quarter."""
    return min(4 + int(dice.lognormvariate(4.9, 0.9)), LONGEST_TALK_SECONDS)


def reference(external_id: str | None) -> DirectoryReference | None:
    """Without a name: the directory has it, and somebody may have changed it since."""
    return None if external_id is None else DirectoryReference(external_id)
