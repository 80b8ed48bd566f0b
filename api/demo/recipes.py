"""What each thing an office of the demo company does is made of: who, with whom, how long, how well it went.

A recipe draws from the dice of its day and nothing else, so that the same day is always the same.
"""

from collections.abc import Callable
from random import Random

from api.demo.desk import Desk, Happening, Party, talk_seconds
from api.demo.traffic import Recipe
from domain.catalogue import Direction, Service
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    Call,
    Encoding,
    Fax,
    FaxStatus,
    Message,
    MessageStatus,
    Session,
    Traffic,
)

LONGEST_PREMIUM_SECONDS = 60
LONG_TEXT_PART = 0.25
UCS_2_PART = 0.2
SILENT_PART = 0.05
"""So often an AI agent does not respond: a session that consumed none (R14)."""

_INBOUND, _OUTBOUND = Direction.INBOUND, Direction.OUTBOUND
_SENT = (MessageStatus.DELIVERED,) * 17 + (MessageStatus.SENT, MessageStatus.UNDELIVERED, MessageStatus.FAILED)
_FAXED = (FaxStatus.COMPLETED,) * 11 + (FaxStatus.PARTIAL,)
_SKILLS = (("Opening hours",), ("Order status",), ("Order status", "Delivery date"), ("Returns",), ("Stock check",))
_ACTIONS = (("Create ticket",), ("Send text",), ("Look up order", "Send text"), (), ())
_CHANNELS = ("Web chat", "Web chat", "WhatsApp", "Email")


def happen(desk: Desk, recipe: Recipe, dice: Random) -> Happening:
    return _RECIPES[recipe](desk, dice)


def _call_out(desk: Desk, dice: Random) -> Happening:
    return desk.out(dice, desk.party(dice))


def _call_abroad(desk: Desk, dice: Random) -> Happening:
    return desk.out(dice, desk.party_abroad(dice))


def _call_premium(desk: Desk, dice: Random) -> Happening:
    """Dear, and so kept short."""
    return desk.out(dice, Party(dice.choice(desk.traffic.premium)), LONGEST_PREMIUM_SECONDS)


def _call_service(desk: Desk, dice: Random) -> Happening:
    return desk.out(dice, Party(desk.traffic.service_number))


def _call_inside(desk: Desk, dice: Random) -> Happening:
    caller, called = desk.person(dice), desk.person(dice)
    usage = Call(direction=_OUTBOUND, from_=caller.extension, to=called.extension, duration_seconds=talk_seconds(dice))
    return Happening(usage, caller.external_id)


def _call_in(desk: Desk, dice: Random) -> Happening:
    return desk.answered(dice, desk.party(dice), desk.traffic.main_number)


def _call_missed(desk: Desk, dice: Random) -> Happening:
    """Nobody answered: no time, no quality, and only the group that should have."""
    party, group = desk.party(dice), desk.person(dice).group
    usage = Call(direction=_INBOUND, from_=party.number, to=desk.traffic.main_number, duration_seconds=0)
    return Happening(usage, group=group, contact=party.contact)


def _call_anonymous(desk: Desk, dice: Random) -> Happening:
    return desk.answered(dice, Party("anonymous"), desk.traffic.main_number)


def _call_toll_free(desk: Desk, dice: Random) -> Happening:
    return desk.answered(dice, desk.party(dice), desk.traffic.toll_free_number)


def _text(dice: Random, from_: str, to: str, traffic: Traffic, *, is_inbound: bool = False) -> Message:
    is_long = dice.random() < LONG_TEXT_PART
    return Message(
        direction=_INBOUND if is_inbound else _OUTBOUND,
        traffic=traffic,
        from_=from_,
        to=to,
        segment_count=dice.randint(2, 4) if is_long else 1,
        encoding=Encoding.UCS_2 if dice.random() < UCS_2_PART else Encoding.GSM_7,
        delivery_status=MessageStatus.RECEIVED if is_inbound else dice.choice(_SENT),
    )


def _picture(dice: Random, from_: str, to: str, traffic: Traffic) -> Message:
    return Message(
        direction=_OUTBOUND,
        traffic=traffic,
        from_=from_,
        to=to,
        is_mms=True,
        media_count=dice.randint(1, 3),
        delivery_status=dice.choice(_SENT),
    )


def _text_out(desk: Desk, dice: Random) -> Happening:
    person = desk.person(dice)
    usage = _text(dice, person.direct_line, dice.choice(desk.traffic.mobiles), Traffic.P2P)
    return Happening(usage, person.external_id)


def _text_in(desk: Desk, dice: Random) -> Happening:
    person = desk.person(dice)
    usage = _text(dice, dice.choice(desk.traffic.mobiles), person.direct_line, Traffic.P2P, is_inbound=True)
    return Happening(usage, person.external_id)


def _text_notice(desk: Desk, dice: Random) -> Happening:
    """ "Your order has left the house": from the company's name, or its number."""
    usage = _text(dice, desk.traffic.sender, dice.choice(desk.traffic.mobiles), Traffic.A2P)
    return Happening(usage, group=desk.person(dice).group)


def _text_code(desk: Desk, dice: Random) -> Happening:
    """Somebody's service sends a code to log in with."""
    person = desk.person(dice)
    usage = _text(dice, desk.traffic.short_code, person.direct_line, Traffic.A2P, is_inbound=True)
    return Happening(usage, person.external_id)


def _picture_out(desk: Desk, dice: Random) -> Happening:
    person = desk.person(dice)
    usage = _picture(dice, person.direct_line, dice.choice(desk.traffic.mobiles), Traffic.P2P)
    return Happening(usage, person.external_id)


def _picture_notice(desk: Desk, dice: Random) -> Happening:
    return Happening(_picture(dice, desk.traffic.main_number, dice.choice(desk.traffic.mobiles), Traffic.A2P))


def _fax_out(desk: Desk, dice: Random) -> Happening:
    person, party = desk.person(dice), desk.party(dice)
    status = dice.choice(_FAXED)
    usage = Fax(
        direction=_OUTBOUND,
        from_=desk.traffic.fax_number,
        to=party.number,
        page_count=dice.randint(1, 9),
        fax_line=desk.traffic.fax_number,
        status=status,
    )
    return Happening(usage, person.external_id, contact=party.contact)


def _fax_in(desk: Desk, dice: Random) -> Happening:
    party, group = desk.party(dice), desk.person(dice).group
    usage = Fax(
        direction=_INBOUND,
        from_=party.number,
        to=desk.traffic.fax_number,
        page_count=dice.randint(1, 6),
        fax_line=desk.traffic.fax_number,
        status=dice.choice(_FAXED),
    )
    return Happening(usage, group=group, contact=party.contact)


def _ai(desk: Desk, dice: Random, mode: AiAgentMode, to: str) -> Happening:
    has_responded = dice.random() >= SILENT_PART
    party = desk.party(dice)
    usage = AiAgentSession(
        mode=mode,
        session_count=1 if has_responded else 0,
        duration_seconds=dice.randint(20, 420) if has_responded else 0,
        from_=party.number,
        to=to,
        direction=_INBOUND,
        skills_triggered=dice.choice(_SKILLS) if has_responded else (),
        actions_executed=dice.choice(_ACTIONS) if has_responded else (),
    )
    return Happening(usage, group=desk.traffic.night_group, contact=party.contact)


def _ai_voice(desk: Desk, dice: Random) -> Happening:
    return _ai(desk, dice, AiAgentMode.VOICE, desk.traffic.main_number)


def _ai_digital(desk: Desk, dice: Random) -> Happening:
    return _ai(desk, dice, AiAgentMode.DIGITAL, desk.traffic.main_number)


def _ai_routing(desk: Desk, dice: Random) -> Happening:
    return _ai(desk, dice, AiAgentMode.ROUTING, desk.traffic.toll_free_number)


def _speech_ivr(desk: Desk, dice: Random) -> Happening:
    party = desk.party(dice)
    usage = Session(
        service=Service.SPEECH_IVR,
        duration_seconds=dice.randint(8, 150),
        direction=_INBOUND,
        from_=party.number,
        to=desk.traffic.main_number,
    )
    return Happening(usage, contact=party.contact)


def _omnichannel(desk: Desk, dice: Random) -> Happening:
    person = desk.person(dice)
    usage = Session(
        service=Service.OMNICHANNEL, duration_seconds=dice.randint(60, 1_800), channel=dice.choice(_CHANNELS)
    )
    return Happening(usage, person.external_id, person.group)


_RECIPES: dict[Recipe, Callable[[Desk, Random], Happening]] = {
    Recipe.CALL_OUT: _call_out,
    Recipe.CALL_ABROAD: _call_abroad,
    Recipe.CALL_PREMIUM: _call_premium,
    Recipe.CALL_INSIDE: _call_inside,
    Recipe.CALL_SERVICE: _call_service,
    Recipe.CALL_IN: _call_in,
    Recipe.CALL_MISSED: _call_missed,
    Recipe.CALL_ANONYMOUS: _call_anonymous,
    Recipe.CALL_TOLL_FREE: _call_toll_free,
    Recipe.TEXT_OUT: _text_out,
    Recipe.TEXT_IN: _text_in,
    Recipe.TEXT_NOTICE: _text_notice,
    Recipe.TEXT_CODE: _text_code,
    Recipe.PICTURE_OUT: _picture_out,
    Recipe.PICTURE_NOTICE: _picture_notice,
    Recipe.FAX_OUT: _fax_out,
    Recipe.FAX_IN: _fax_in,
    Recipe.AI_VOICE: _ai_voice,
    Recipe.AI_DIGITAL: _ai_digital,
    Recipe.AI_ROUTING: _ai_routing,
    Recipe.SPEECH_IVR: _speech_ivr,
    Recipe.OMNICHANNEL: _omnichannel,
}
