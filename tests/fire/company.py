"""The company under fire: offices whose cards do everything that cards do."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from api.clock import utc_now
from api.payments.processors import build_processors
from api.settings import Settings
from domain.money import MICROS_PER_UNIT, Micros
from domain.payments import Processors
from domain.provisioning import PaymentTerms
from persistence.database import Database
from tests.fire.caller import Caller
from tests.fire.operations import SAVE_CARD, SET_UP_CARD
from tests.fire.server import SECRET
from tests.world import World, office

TAX_RATE_MICROS = 88_750


class Pays(StrEnum):
    """How an office pays: the test card's number, or by invoice."""

    GOOD = "4242424242424242"
    DECLINED = "4000000000000002"
    ASKS = "4000002500003155"
    LOSES_ANSWER = "4000000000000408"
    INVOICE = "invoice"


class FireOffice(NamedTuple):
    slug: str
    id: str
    pays: Pays


def processors_of(database: Database) -> Processors:
    """The sandbox, as a server on this database has it."""
    return build_processors(Settings(_env_file=None, secret_key=SECRET), database)


async def found_company(database_url: str, blocks: int, opening_micros: Micros) -> tuple[World, list[list[FireOffice]]]:
    """Blocks of five offices, one of each kind: a block is used for a while, so that daily limits do not matter."""
    world = World(Database(database_url), now=utc_now(), slug="fire")
    opened_on = (world.now - timedelta(days=40)).date()
    kinds = {f"{pays.name.lower().replace('_', '-')}-{block}": pays for block in range(blocks) for pays in Pays}
    plans = [
        office(
            slug,
            opened_on=opened_on,
            opening_credits_micros=opening_micros,
            payment_terms=PaymentTerms.INVOICE if pays is Pays.INVOICE else PaymentTerms.CARD,
            tax_rate_micros=TAX_RATE_MICROS,
        )
        for slug, pays in kinds.items()
    ]
    await world.apply(
        *plans,
        purchase_daily_micros=100_000 * MICROS_PER_UNIT,
        invoice_limit_micros=2_000 * MICROS_PER_UNIT,
    )
    await world.deck(at=world.now - timedelta(days=400))
    offices = [FireOffice(slug, f"off_{(await world.office_id(slug)).hex}", pays) for slug, pays in kinds.items()]
    return world, [offices[at : at + len(Pays)] for at in range(0, len(offices), len(Pays))]


async def save_cards(admin: Caller, offices: list[FireOffice]) -> None:
    for each in offices:
        if each.pays is Pays.INVOICE:
            continue
        begun = await admin.change(SET_UP_CARD, officeId=each.id)
        assert begun["userErrors"] == []
        await admin.visit(begun["nextAction"]["redirectUrl"], card=each.pays.value)
        saved = await admin.change(SAVE_CARD, officeId=each.id, setupId=begun["setupId"])
        assert saved["userErrors"] == []
        assert saved["paymentMethod"]["lastFour"] == each.pays[-4:]
