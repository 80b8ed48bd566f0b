"""What one charge took from which source, and the sentences that say why (R22–R26, R36).

They answer the product page's question "Why was I charged if I have a plan allowance?" from the charge's own columns:
nothing is looked up, so the answer is the same years later. A reversal carries negative amounts and gives back.
"""

from dataclasses import dataclass
from typing import NamedTuple

from domain.catalogue import (
    COMMITMENT_OF,
    RATE_UNITS,
    USAGE_UNITS,
    WALLET_NAMES,
    RateUnit,
    Service,
    UsageType,
    UsageUnit,
    WalletKind,
    WalletSource,
)
from domain.money import NANO_DIGITS, Micros, Nanos, decimal_text, money_text
from domain.periods import YearMonth
from domain.rates import Increment
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT, Coverage, Payment

SERVICE_WORDS = {
    Service.CALLING: "calling",
    Service.MESSAGING: "messaging",
    Service.SPEECH_IVR: "speech IVR",
    Service.OMNICHANNEL: "omnichannel",
    Service.FAX: "fax",
    Service.AI_AGENT: "AI agent",
}
TYPE_WORDS = {
    UsageType.LOCAL: "local calls",
    UsageType.DOMESTIC: "domestic calls",
    UsageType.INTERNATIONAL: "international calls",
    UsageType.TOLL_FREE: "toll-free calls",
    UsageType.PREMIUM: "premium-rate calls",
    UsageType.P2P_SMS: "person-to-person SMS",
    UsageType.A2P_SMS: "application-to-person SMS",
    UsageType.P2P_MMS: "person-to-person MMS",
    UsageType.A2P_MMS: "application-to-person MMS",
    UsageType.FAX_SENT: "sent faxes",
    UsageType.FAX_RECEIVED: "received faxes",
    UsageType.VOICE_AI: "voice AI conversations",
    UsageType.DIGITAL_AI: "digital AI conversations",
    UsageType.AI_ROUTING: "AI routing",
    UsageType.SPEECH_IVR: "speech IVR sessions",
    UsageType.OMNICHANNEL: "omnichannel sessions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What of a charge says what it cost and who paid. On a reversal quantities and amounts are negative."""

    service: Service
    usage_type: UsageType
    month: int
    """Of the cycle it is booked in: 202603."""
    is_booked_late: bool
    is_reversal: bool
    duration_seconds: int | None
    """Measured, before increments."""
    quantity: int
    rate_nanos: Nanos
    increment: Increment
    connection_fee_micros: Micros
    """Of the rate; charged where anything was used at all."""
    list_price_micros: Micros
    plan_quantity: int
    plan_micros: Micros
    commitment_micros: Micros
    universal_micros: Micros
    sources: int
    """The set of payers as three bits."""
    coverage: Coverage
    has_commitment: bool


class Share(NamedTuple):
    """What a charge took from one source; of the plan `micros` is the value of the units it covered."""

    source: WalletSource
    quantity: int
    micros: Micros


def sources_of(service: Service, sources: int) -> list[WalletSource]:
    """The payers in spending order, from the three bits and the service's family (R24)."""
    named = [WalletSource.PLAN] if sources & PLAN_BIT else []
    if sources & COMMITMENT_BIT:
        named.append(WalletSource(COMMITMENT_OF[service].value))
    if sources & UNIVERSAL_BIT:
        named.append(WalletSource.UNIVERSAL)
    return named


def allocations_of(charge: Paid) -> list[Share]:
    payment = Payment(charge.plan_quantity, charge.plan_micros, charge.commitment_micros, charge.universal_micros)
    return shares_of(charge.service, charge.quantity, payment)


def shares_of(service: Service, quantity_paid: int, payment: Payment) -> list[Share]:
    """What each payer paid, in spending order; quantities and amounts add up to those of the charge.

    The wallets share what the plan left in proportion to their amounts: the commitment's share is rounded down to
    whole units, the last payer has the rest.
    """
    named = sources_of(service, payment.sources)
    left = quantity_paid
    shares = []
    for source in named:
        if source is WalletSource.PLAN:
            quantity, micros = payment.plan_quantity, payment.plan_micros
        elif source is WalletSource.UNIVERSAL:
            quantity, micros = left, payment.universal_micros
        else:
            micros = payment.commitment_micros
            quantity = _down(left * micros, payment.cost_micros)
        if source is named[-1]:
            quantity = left
        shares.append(Share(source, quantity, micros))
        left -= quantity
    return shares


def _down(numerator: int, denominator: int) -> int:
    """Towards zero, so that a reversal's parts mirror the original's."""
    if denominator == 0:
        return 0
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def rate_text(nanos: Nanos, currency: str) -> str:
    """For a person: `0.0115 USD`, at least two decimals and no zeros behind them."""
    whole, _, fraction = decimal_text(nanos, NANO_DIGITS).partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')} {currency}"


def explain(charge: Paid, currency: str) -> list[str]:
    """Ordered sentences: what was measured, what it costs, who paid and why not somebody earlier."""
    if charge.is_reversal:
        return _explain_reversal(charge, currency)
    sentences = [_measured(charge), _priced(charge, currency), _planned(charge, currency)]
    if charge.commitment_micros or charge.universal_micros:
        sentences += [_committed(charge, currency), _universal(charge, currency)]
    if charge.is_booked_late:
        sentences.append(
            "It was reported after its own billing cycle had closed, so it is charged to"
            f" {YearMonth.from_number(charge.month).text}."
        )
    return [sentence for sentence in sentences if sentence]


def _units(quantity: int, service: Service) -> str:
    unit = USAGE_UNITS[service].value.lower()
    return f"{quantity} {unit}" if quantity == 1 else f"{quantity} {unit}s"


def _measured(charge: Paid) -> str:
    billed = _units(charge.quantity, charge.service)
    if USAGE_UNITS[charge.service] is not UsageUnit.SECOND or charge.duration_seconds is None:
        return f"It was billed as {billed}."
    if charge.duration_seconds == 0:
        return "The call was not answered: nothing is billed."
    measured = _units(charge.duration_seconds, charge.service)
    first, following = charge.increment
    if first == following:
        rule = f"in steps of {_units(first, charge.service)}"
    else:
        rule = f"the first {_units(first, charge.service)} whole, then in steps of {following}"
    return f"The call lasted {measured} and was billed as {billed}: {rule}."


def _priced(charge: Paid, currency: str) -> str:
    unit: RateUnit = RATE_UNITS[USAGE_UNITS[charge.service]]
    rate = f"{rate_text(charge.rate_nanos, currency)} per {unit.value.lower()}"
    fee = charge.connection_fee_micros if charge.quantity else 0
    connecting = f" and a connection fee of {money_text(fee, currency)}" if fee else ""
    return f"At {rate}{connecting} its price is {money_text(charge.list_price_micros, currency)}."


def _planned(charge: Paid, currency: str) -> str:
    service = SERVICE_WORDS[charge.service]
    match charge.coverage:
        case Coverage.FREE:
            return "Usage without a price draws nothing from the plan." if charge.list_price_micros else _NOTHING
        case Coverage.NO_ALLOWANCE:
            return f"The plan includes no allowance for {service} usage."
        case Coverage.NOT_COVERED:
            return f"The plan's {service} allowance does not cover {TYPE_WORDS[charge.usage_type]}."
        case Coverage.USED_UP:
            return f"The plan's {service} allowance was already used up."
        case Coverage.COVERED:
            return _covered(charge, currency)


_NOTHING = "Nobody is charged for it."


def _covered(charge: Paid, currency: str) -> str:
    worth = money_text(charge.plan_micros, currency)
    if charge.plan_quantity != charge.quantity:
        part = f"{charge.plan_quantity} of the {_units(charge.quantity, charge.service)}"
        return f"The plan allowance covered {part}, worth {worth}; then it was used up."
    if charge.plan_micros == charge.list_price_micros:
        return f"The plan allowance covered all of it, worth {worth}."
    return f"The plan allowance covered all of the usage, worth {worth}; it never covers connection fees."


def _committed(charge: Paid, currency: str) -> str:
    kind = COMMITMENT_OF.get(charge.service)
    if kind is None:
        return f"No prepaid commitment pays for {SERVICE_WORDS[charge.service]} usage."
    name = WALLET_NAMES[kind]
    if not charge.has_commitment:
        return f"The office has no {name.lower() if kind is WalletKind.CALLING else name}."
    if not charge.commitment_micros:
        return f"{name} were used up."
    paid = f"{name} paid {money_text(charge.commitment_micros, currency)}"
    return f"{paid}; then they were used up." if charge.universal_micros else f"{paid}."


def _universal(charge: Paid, currency: str) -> str:
    if not charge.universal_micros:
        return ""
    return f"Universal credits paid {money_text(charge.universal_micros, currency)}."


def _explain_reversal(charge: Paid, currency: str) -> list[str]:
    price = money_text(-charge.list_price_micros, currency)
    sentences = [f"This takes back an earlier charge of {price}."]
    if charge.plan_quantity:
        returned = _units(-charge.plan_quantity, charge.service)
        sentences.append(f"The plan allowance got back {returned}, worth {money_text(-charge.plan_micros, currency)}.")
    elif charge.plan_micros:
        sentences.append("What the plan allowance covered does not come back: that billing cycle has closed.")
    if charge.commitment_micros:
        name = WALLET_NAMES[COMMITMENT_OF[charge.service]]
        sentences.append(f"{name} got back {money_text(-charge.commitment_micros, currency)}.")
    if charge.universal_micros:
        sentences.append(f"Universal credits got back {money_text(-charge.universal_micros, currency)}.")
    return sentences
