"""Who may see and do what, said once more in the words of R40 and independently of the code that keeps it.

A caller sees a place when it is of his company and among his offices. A probe is one way of naming a thing; what it
must answer follows from the caller's permissions and from whether he sees the place that the thing belongs to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from domain.access import PartnerScope, Role
from schema.ids import IdKind
from tests.access.estate import NUMBERS, Answer, Estate, token, unknown

COMPANY_OF = {"hq": "acme", "berlin": "acme", "lone": "acme", "acme": "acme", "vault": "globex", "globex": "globex"}

READER = frozenset({"VIEW_USAGE", "VIEW_WALLETS", "VIEW_RATES"})
REPORTER = frozenset({"RECORD_USAGE", "SYNC_DIRECTORY", "REVERSE_USAGE", "HOLD_FUNDS"})
BUYER = frozenset({"PURCHASE_CREDITS", "CONFIGURE_AUTO_RECHARGE", "REFUND_PURCHASES"})
AUDITOR = frozenset({"VIEW_ACTIVITY", "MANAGE_SETTINGS"})
ADMIN = AUDITOR | {"MANAGE_API_KEYS", "MANAGE_WEBHOOKS"}
KEEPER = AUDITOR | {"REFUND_PURCHASES", "SETTLE_INVOICES", "ADJUST_WALLETS"}


@dataclass(frozen=True)
class Caller:
    name: str
    claims: dict[str, Any]
    permissions: frozenset[str] = READER
    company: str | None = "acme"
    offices: frozenset[str] | None = None
    """None: every office of the company."""
    is_operator: bool = False

    @property
    def bearer(self) -> str:
        return token(**self.claims)

    def sees(self, place: str) -> bool:
        """Whether the place is in his company and, when it is an office, one of his."""
        if COMPANY_OF[place] != self.company:
            return False
        return self.offices is None or place in self.offices or place == self.company


def _of_offices(role: Role, *offices: str, **claims: Any) -> dict[str, Any]:
    return {"role": role, "offices": offices, **claims}


EVERY_SCOPE = frozenset(PartnerScope)
CALLERS = (
    Caller("company admin", {"role": Role.COMPANY_ADMIN}, READER | BUYER | ADMIN),
    Caller("office admin of one", _of_offices(Role.OFFICE_ADMIN, "hq"), offices=frozenset({"hq"})),
    Caller(
        "office admin of two with billing",
        _of_offices(Role.OFFICE_ADMIN, "hq", "lone", has_billing=True),
        READER | BUYER,
        offices=frozenset({"hq", "lone"}),
    ),
    Caller("office admin of none", _of_offices(Role.OFFICE_ADMIN), offices=frozenset()),
    Caller("partner with every scope", {"role": Role.PARTNER, "scopes": EVERY_SCOPE}, READER | REPORTER),
    Caller("partner with no scope", {"role": Role.PARTNER}, frozenset()),
    Caller(
        "partner limited to one office",
        _of_offices(Role.PARTNER, "hq", scopes=EVERY_SCOPE),
        READER | REPORTER,
        offices=frozenset({"hq"}),
    ),
    Caller("operator", {"role": Role.OPERATOR}, READER | REPORTER | KEEPER, is_operator=True),
    Caller(
        "operator without company",
        {"role": Role.OPERATOR, "company": None},
        READER | REPORTER | KEEPER,
        company=None,
        is_operator=True,
    ),
    Caller("admin of another company", {"company": "globex"}, READER | BUYER | ADMIN, company="globex"),
)


def broken_bearers() -> dict[str, str | None]:
    """Tokens that prove nothing, and the lack of one."""
    good = token()
    head, payload, signature = good.split(".")
    last_year = datetime.now(UTC) - timedelta(days=365)
    return {
        "no token": None,
        "expired": token(now=last_year),
        "broken signature": f"{head}.{payload}.{signature[::-1]}",
        "payload of another": f"{head}.{token(company='globex').split('.')[1]}.{signature}",
        "unknown company": token(company="nobody"),
        "office of another company": token(role=Role.OFFICE_ADMIN, offices=("vault",)),
    }


class Expected(Enum):
    FOUND = "the thing itself"
    NOTHING = "as if there were no such thing"
    FORBIDDEN = "the permission is lacking, whatever is named"
    BAD_INPUT = "this is no such id"


class Of(Enum):
    """What a thing belongs to."""

    OFFICE = "an office"
    COMPANY = "the company as a whole"


@dataclass(frozen=True)
class Probe:
    """One way of naming a thing: the operation, the argument, and what the answer looks like when it is found."""

    through: str
    """The argument, as `Query.office.id`."""
    document: str
    """With a variable `$id: ?`, unless the field takes nothing; `$key` is a text of its own for each thing named."""
    values: dict[str, str] | IdKind
    """What stands for each place; for an id, those of the estate."""
    is_found: Callable[[Any, str], bool]
    """Given the root field's value and what was named."""
    needs: frozenset[str] = frozenset()
    """Any of these permissions opens it; none: open to all."""
    needs_all: bool = False
    of: Of = Of.OFFICE
    has_bad_input: bool = False
    """A filter cannot answer null, so it refuses what is no id of its kind."""
    is_of_any_kind: bool = False
    """`node` takes ids of every kind. What a token does not open at all is then like not found, not FORBIDDEN."""
    is_for_whole_companies: bool = False
    is_open_to_operators: bool = False
    takes: str = "ID!"
    beside: IdKind | None = None
    """A second thing that has to be named with it, as `$beside`: that of the same place, or of hq."""

    @property
    def root(self) -> str:
        return self.through.split(".")[1]

    @property
    def is_mutation(self) -> bool:
        return self.through.startswith("Mutation.")

    def named(self, estate: Estate) -> dict[str, str]:
        """By place, what names something of it; also `unknown`, `malformed` and `other type` where these exist."""
        if not isinstance(self.values, IdKind):
            return self.values
        own = self._ids(estate, self.values)
        first = next(iter(own.values()))
        other = IdKind.WALLET if self.values is IdKind.OFFICE else IdKind.OFFICE
        none = {
            "unknown": unknown(self.values),
            "malformed": "garbage",
            "upper case": first.upper(),
            "other prefix": first.replace(self.values.value, "viw"),
        }
        return own | none | ({} if self.is_of_any_kind else {"other type": estate.one(other, "hq")})

    def _ids(self, estate: Estate, kind: IdKind) -> dict[str, str]:
        if kind is IdKind.CONTACT and self.of is Of.OFFICE:
            # Contacts belong to the company; here they stand for the usage of the one office that named them.
            [of_hq, of_berlin], [of_vault] = estate.ids[kind]["acme"], estate.ids[kind]["globex"]
            return {"hq": of_hq, "berlin": of_berlin, "vault": of_vault}
        places = ("acme", "globex") if self.of is Of.COMPANY else ("hq", "berlin", "vault")
        return {place: estate.one(kind, place) for place in places}

    def expected(self, caller: Caller, place: str) -> Expected:
        is_open = not self.needs or bool(self.needs & caller.permissions)
        if self.needs_all:
            is_open = self.needs <= caller.permissions
        if not is_open and not self.is_of_any_kind:
            return Expected.FORBIDDEN
        if place not in COMPANY_OF:
            is_bad = self.has_bad_input and place != "unknown"
            return Expected.BAD_INPUT if is_bad else Expected.NOTHING
        if self.is_open_to_operators and caller.is_operator:
            return Expected.FOUND
        if self.is_for_whole_companies and caller.offices is not None:
            return Expected.NOTHING
        return Expected.FOUND if is_open and caller.sees(place) else Expected.NOTHING

    async def ask(self, estate: Estate, bearer: str | None, value: str) -> Answer:
        variables = {name: value for name in ("id", "key") if f"${name}" in self.document}
        if self.beside is not None:
            place = next((place for place, named in self.named(estate).items() if named == value), "hq")
            variables["beside"] = estate.one(self.beside, place if place in COMPANY_OF else "hq")
        return await estate.ask(bearer, self.document.replace("$id: ?", f"$id: {self.takes}"), **variables)

    def met(self, answer: Answer, value: str) -> Expected:
        """What an answer amounts to."""
        body = answer.json
        for error in body.get("errors", ()):
            codes = {"FORBIDDEN": Expected.FORBIDDEN, "BAD_USER_INPUT": Expected.BAD_INPUT}
            return codes[error["extensions"]["code"]]
        found = body["data"][self.root]
        for error in (found or {}).get("userErrors", ()) if self.is_mutation else ():
            return _OF_CODE[error["code"]]
        return Expected.FOUND if self.is_found(found, value) else Expected.NOTHING


_OF_CODE = {
    "NOT_PERMITTED": Expected.FORBIDDEN,
    "INVALID": Expected.BAD_INPUT,
    "NOT_FOUND": Expected.NOTHING,
    "NOT_REFUNDABLE": Expected.FOUND,  # it was looked at, and nothing of it is unspent
}

PHONES = {place: NUMBERS[place] for place in ("hq", "berlin", "vault")} | {"unknown": "+12025550199"}
SLUGS = {"hq": "hq", "berlin": "berlin", "vault": "vault", "unknown": "nowhere", "malformed": "", "upper case": "VAULT"}
REFERENCES: dict[str, tuple[dict[str, str] | IdKind, str]] = {
    "id": (IdKind.OFFICE, "ID!"),
    "slug": (SLUGS, "String!"),
    "phoneNumber": (PHONES, "PhoneNumber!"),
}
"""The three ways of an office reference, and the type of each."""
