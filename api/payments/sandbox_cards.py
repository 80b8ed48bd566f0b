"""The sandbox's test cards: numbers that always do the same. Where Stripe has a card for it, it is Stripe's number."""

from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from domain.payments import CardFacts, PaymentFailure

_METHOD_PREFIX = "sandbox_card_"
YEARS_GOOD = 2


class Deed(Enum):
    """What a charge does."""

    PAY = auto()
    REFUSE = auto()
    ASK_CARDHOLDER = auto()
    PAY_AND_LOSE_THE_ANSWER = auto()
    """The money is taken, and the answer lost on its way back. Asked afterwards, it tells."""
    PAY_AND_FALL_SILENT = auto()
    """The money is taken, and nobody hears of it until it is asked for the third time."""


class SandboxCard(NamedTuple):
    number: str
    text: str
    deed: Deed = Deed.PAY
    failure: PaymentFailure | None = None
    is_expired: bool = False

    @property
    def last_four(self) -> str:
        return self.number[-4:]

    @property
    def method_id(self) -> str:
        return _METHOD_PREFIX + self.number

    def facts(self, now: datetime) -> CardFacts:
        """Good for two years from now; the expired one has been over for a month."""
        return CardFacts(self.method_id, "visa", self.last_four, self._expires_month(now))

    def _expires_month(self, now: datetime) -> int:
        """202803 for 2028-03."""
        if not self.is_expired:
            return (now.year + YEARS_GOOD) * 100 + now.month
        return now.year * 100 + now.month - 1 if now.month > 1 else (now.year - 1) * 100 + 12


SUCCESS = SandboxCard("4242424242424242", "Pays")
CARDS = (
    SUCCESS,
    SandboxCard("4000000000000002", "Is declined", Deed.REFUSE, PaymentFailure.CARD_DECLINED),
    SandboxCard("4000000000009995", "Has insufficient funds", Deed.REFUSE, PaymentFailure.INSUFFICIENT_FUNDS),
    SandboxCard("4000002500003155", "Asks the cardholder to confirm (3-D Secure)", Deed.ASK_CARDHOLDER),
    SandboxCard("4000000000000069", "Has expired", Deed.REFUSE, PaymentFailure.CARD_EXPIRED, is_expired=True),
    SandboxCard("4000000000000408", "Pays, and the answer is lost", Deed.PAY_AND_LOSE_THE_ANSWER),
    SandboxCard("4000000000000504", "Pays, and is silent until asked three times", Deed.PAY_AND_FALL_SILENT),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_METHOD = {card.method_id: card for card in CARDS}
