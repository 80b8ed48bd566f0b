"""Words to buy with over the wire: two offices of a taxed company, the sandbox's cards, and the screens' operations."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.access import PartnerScope, Role, Viewer
from domain.money import Currency
from domain.provisioning import OfficePlan, PaymentTerms
from domain.stories.collect import settle_due
from persistence.database import Database
from persistence.sandbox_store import SandboxState, SandboxStore
from persistence.tables.payments import CARD_SETUP, TOP_UP
from persistence.tables.sandbox import SANDBOX_PAYMENT
from schema.ids import IdKind, decode
from tests.schema.conftest import House
from tests.world import World, office

PAYS, DECLINES, POOR = "4242424242424242", "4000000000000002", "4000000000009995"
ASKS, EXPIRED, FORGETFUL = "4000002500003155", "4000000000000069", "4000000000000408"
NOWHERE = "off_" + "0" * 32
NOTHING = {IdKind.TOP_UP: "top_" + "0" * 32, IdKind.CARD_SETUP: "set_" + "0" * 32}

FRAGMENTS = """
fragment M on Money { amount currencyCode }
fragment TopUpState on TopUp { id state reason reasonText credits { ...M } total { ...M }
  nextAction { processor clientSecret publishableKey redirectUrl expiresAt } }
fragment Errors on UserError { __typename code message field
  ... on PaymentUserError { reason topUp { id state } }
  ... on LimitUserError { minimum { amount } maximum { amount } remaining { amount } }
  ... on IdempotencyUserError { differingFields } }
"""
QUOTE = """query ReviewCost($input: QuoteCreditPurchaseInput!) { quoteCreditPurchase(input: $input) { office { slug }
  credits { ...M } tax { ...M } total { ...M } balanceAfter { ...M } paymentTerms paymentMethod { id brand lastFour }
  userErrors { ...Errors } } }"""
PURCHASE = """mutation PurchaseCredits($input: PurchaseCreditsInput!) { purchaseCredits(input: $input) { isReplayed
  topUp { ...TopUpState tax { amount } requestedBy } wallet { kind balance { amount } } userErrors { ...Errors } } }"""
COMPLETE = """mutation AfterThreeDSecure($input: CompletePurchaseInput!) { completePurchase(input: $input) {
  topUp { ...TopUpState } wallet { balance { amount } } userErrors { ...Errors } } }"""
START = """mutation StartCardSetup($input: StartPaymentMethodSetupInput!) { startPaymentMethodSetup(input: $input) {
  setupId nextAction { processor clientSecret publishableKey redirectUrl expiresAt } userErrors { ...Errors } } }"""
SAVE = """mutation SaveCard($input: SavePaymentMethodInput!) { savePaymentMethod(input: $input) {
  office { id paymentMethod { id brand lastFour } } paymentMethod { id brand lastFour expiresMonth isExpired }
  userErrors { ...Errors } } }"""
REFUND = """mutation ($input: RefundTopUpInput!) { refundTopUp(input: $input) { isReplayed
  topUp { id state refunded { amount } refundable { amount } } wallet { balance { amount } }
  userErrors { ...Errors } } }"""
SETTLE = """mutation ($input: SettleInvoiceInput!) { settleInvoice(input: $input) { isReplayed
  topUps { id paidAt } totalPaid { ...M } userErrors { ...Errors } } }"""
CONFIGURE = """mutation SaveAutoRecharge($input: ConfigureAutoRechargeInput!) { configureAutoRecharge(input: $input) {
  autoRecharge { ...Form } topUp { ...TopUpState } userErrors { ...Errors } } }
fragment Form on AutoRecharge { id isEnabled state threshold { ...M } amount { ...M } cycleCap { ...M }
  spentOfCap { ...M } nextAttemptAt thresholdOptions { ...M } amountOptions { ...M } lastTopUp { id state reasonText }
  minimumAmount { amount } maximumAmount { amount } updatedAt office { slug } }"""


@dataclass
class Till:
    house: House
    currency: str = "USD"

    @property
    def world(self) -> World:
        return self.house.world

    def amount(self, text: str) -> dict[str, str]:
        return {"amount": text, "currencyCode": self.currency}

    def buyer(self) -> Viewer:
        return self.world.viewer(Role.COMPANY_ADMIN)

    async def send(self, query: str, input: dict[str, Any], viewer: Viewer | None = None) -> Any:
        """The root field's value."""
        used = FRAGMENTS.split("\nfragment ")
        text = query
        for fragment in reversed(used[1:]):
            if f"...{fragment.split()[0]}" in text:
                text += f"\nfragment {fragment}"
        data = await self.house.ask(text, {"input": input}, viewer)
        [value] = data.values()
        return value

    async def quote(self, credits: str, slug: str = "hq", viewer: Viewer | None = None) -> Any:
        input = {"officeId": await self.house.office(slug), "credits": self.amount(credits)}
        return await self.send(QUOTE, input, viewer)

    async def buy(
        self, credits: str, total: str, key: str = "k", *, slug: str = "hq", viewer: Viewer | None = None, **more: Any
    ) -> Any:
        input = {
            "idempotencyKey": key,
            "officeId": await self.house.office(slug),
            "credits": self.amount(credits),
            "expectedTotal": self.amount(total),
            **more,
        }
        return await self.send(PURCHASE, input, viewer)

    async def start(self, slug: str = "hq", **more: Any) -> Any:
        return await self.send(START, {"officeId": await self.house.office(slug), **more})

    async def save(self, setup_id: str, slug: str = "hq", viewer: Viewer | None = None) -> Any:
        return await self.send(SAVE, {"officeId": await self.house.office(slug), "setupId": setup_id}, viewer)

    async def choose_card(self, setup_id: str, number: str) -> None:
        """The cardholder chooses a test card on the sandbox's page."""
        [row] = await self.house.database.rows(
            CARD_SETUP.select().where(CARD_SETUP.c.id == decode(IdKind.CARD_SETUP, setup_id))
        )
        setup = UUID(hex=row.processor_setup_id)
        await SandboxStore(self.house.database).choose_card(self.world.company_id, setup, number)

    async def save_card(self, number: str = PAYS, slug: str = "hq") -> Any:
        setup_id = (await self.start(slug))["setupId"]
        await self.choose_card(setup_id, number)
        saved = await self.save(setup_id, slug)
        assert saved["userErrors"] == []
        return saved["paymentMethod"]

    async def confirm(self, top_up_id: str) -> None:
        """The cardholder says yes on the sandbox's page."""
        store, value = SandboxStore(self.house.database), decode(IdKind.TOP_UP, top_up_id)
        [row] = await self.house.database.rows(SANDBOX_PAYMENT.select().where(SANDBOX_PAYMENT.c.top_up_id == value))
        payment = await store.find_payment(self.world.company_id, row.id)
        assert payment is not None
        await store.move(payment, SandboxState.SUCCEEDED, takes_money=True)

    async def complete(self, top_up_id: str, viewer: Viewer | None = None) -> Any:
        return await self.send(COMPLETE, {"topUpId": top_up_id}, viewer)

    async def settle(self) -> int:
        """One round of the worker."""
        return await settle_due(self.world.begin, self.house.processors, now=self.world.now)

    async def configure(self, slug: str = "hq", viewer: Viewer | None = None, **settings: Any) -> Any:
        return await self.send(CONFIGURE, {"officeId": await self.house.office(slug), **settings}, viewer)

    async def charges(self) -> list[int]:
        """How often money was taken, by payment."""
        return [row.charge_count for row in await self.house.database.rows(SANDBOX_PAYMENT.select())]

    async def top_up_count(self) -> int:
        return len(await self.house.database.rows(TOP_UP.select()))

    async def strangers(self) -> dict[str, Viewer]:
        """Who may see wallets and not buy, and who may buy elsewhere."""
        berlin = frozenset({await self.world.office_id("paper")})
        return {
            "office admin without billing": await self.house.office_admin("hq"),
            "partner": self.world.viewer(Role.PARTNER, scopes=frozenset(PartnerScope)),
            "operator": self.world.viewer(Role.OPERATOR),
            "of another office": self.world.viewer(Role.OFFICE_ADMIN, office_ids=berlin, has_billing=True),
            "of another company": self.house.neighbour.viewer(Role.COMPANY_ADMIN),
        }


def codes(answer: Any) -> list[str]:
    return [error["code"] for error in answer["userErrors"]]


async def open_till(database: Database, currency: Currency = Currency.USD, **company: Any) -> Till:
    """`acme` with hq, which pays by card, and paper, which pays by invoice; its neighbour `globex`."""
    world = World(database)
    await world.apply(_taxed("hq", opening_credits_micros=2_000_000), _on_paper(), currency=currency, **company)
    neighbour = World(database, slug="globex")
    await neighbour.apply(office(phone_numbers=()), currency=currency)
    return Till(House(world, neighbour), currency.value)


def _taxed(slug: str, **changes: Any) -> OfficePlan:
    return office(slug, tax_name="Sales tax", tax_rate_micros=88_750, **changes)


def _on_paper() -> OfficePlan:
    return _taxed("paper", payment_terms=PaymentTerms.INVOICE)
