"""Who may see and do what (R40): viewer, role, permission, scope.

A `Viewer` is made by whoever checked a token. A `Scope` can only be made from a viewer, and every read of
`persistence` asks for one: a query that forgets to narrow does not type-check.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.errors import NotFound, NotPermitted


class Role(StrEnum):
    COMPANY_ADMIN = "COMPANY_ADMIN"
    OFFICE_ADMIN = "OFFICE_ADMIN"
    PARTNER = "PARTNER"
    OPERATOR = "OPERATOR"


class Permission(StrEnum):
    VIEW_USAGE = "VIEW_USAGE"
    VIEW_WALLETS = "VIEW_WALLETS"
    VIEW_RATES = "VIEW_RATES"
    PURCHASE_CREDITS = "PURCHASE_CREDITS"
    CONFIGURE_AUTO_RECHARGE = "CONFIGURE_AUTO_RECHARGE"
    RECORD_USAGE = "RECORD_USAGE"
    SYNC_DIRECTORY = "SYNC_DIRECTORY"
    REVERSE_USAGE = "REVERSE_USAGE"
    HOLD_FUNDS = "HOLD_FUNDS"
    REFUND_PURCHASES = "REFUND_PURCHASES"
    ADJUST_WALLETS = "ADJUST_WALLETS"
    SETTLE_INVOICES = "SETTLE_INVOICES"
    VIEW_ACTIVITY = "VIEW_ACTIVITY"
    MANAGE_SETTINGS = "MANAGE_SETTINGS"
    MANAGE_API_KEYS = "MANAGE_API_KEYS"
    MANAGE_WEBHOOKS = "MANAGE_WEBHOOKS"


class PartnerScope(StrEnum):
    """What a partner's token or key may be used for, as it stands in the token's `scopes` claim."""

    USAGE_WRITE = "usage:write"
    USAGE_READ = "usage:read"
    USAGE_REVERSE = "usage:reverse"
    WALLETS_READ = "wallets:read"
    HOLDS_WRITE = "holds:write"
    DIRECTORY_WRITE = "directory:write"
    RATES_READ = "rates:read"


_ADMIN = frozenset({Permission.VIEW_USAGE, Permission.VIEW_WALLETS, Permission.VIEW_RATES})
_BILLING = frozenset({Permission.PURCHASE_CREDITS, Permission.CONFIGURE_AUTO_RECHARGE, Permission.REFUND_PURCHASES})
_COMPANY = frozenset(
    {
        Permission.VIEW_ACTIVITY,
        Permission.MANAGE_SETTINGS,
        Permission.MANAGE_API_KEYS,
        Permission.MANAGE_WEBHOOKS,
    }
)
_OPERATOR = frozenset(
    {
        Permission.RECORD_USAGE,
        Permission.SYNC_DIRECTORY,
        Permission.REVERSE_USAGE,
        Permission.HOLD_FUNDS,
        Permission.REFUND_PURCHASES,
        Permission.ADJUST_WALLETS,
        Permission.SETTLE_INVOICES,
        Permission.VIEW_ACTIVITY,
        Permission.MANAGE_SETTINGS,
    }
)
_PARTNER = {
    PartnerScope.USAGE_WRITE: Permission.RECORD_USAGE,
    PartnerScope.USAGE_READ: Permission.VIEW_USAGE,
    PartnerScope.USAGE_REVERSE: Permission.REVERSE_USAGE,
    PartnerScope.WALLETS_READ: Permission.VIEW_WALLETS,
    PartnerScope.HOLDS_WRITE: Permission.HOLD_FUNDS,
    PartnerScope.DIRECTORY_WRITE: Permission.SYNC_DIRECTORY,
    PartnerScope.RATES_READ: Permission.VIEW_RATES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The caller, as a checked token describes him. Offices are already resolved to ids."""

    subject: str
    name: str
    role: Role
    company_id: UUID | None
    """None only for an operator whose token names no company."""
    office_ids: frozenset[UUID] | None
    """None: every office of the company."""
    has_billing: bool
    scopes: frozenset[PartnerScope]
    expires_at: datetime | None
    """None: an API key, which works until it is revoked."""
    address: str | None = None
    """Where the call comes from, for the audit trail; None on the command line."""

    @property
    def identity(self) -> tuple[UUID | None, str]:
        """A person or a system within a company, whatever token he comes with."""
        return self.company_id, self.subject

    @property
    def permissions(self) -> frozenset[Permission]:
        match self.role:
            case Role.COMPANY_ADMIN:
                return _ADMIN | _BILLING | _COMPANY
            case Role.OFFICE_ADMIN:
                return _ADMIN | _BILLING if self.has_billing else _ADMIN
            case Role.OPERATOR:
                return _ADMIN | _OPERATOR
            case Role.PARTNER:
                return frozenset(_PARTNER[scope] for scope in self.scopes if scope in _PARTNER)

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises NotPermitted: the whole kind of action is closed to this caller, whatever he names."""
        if not self.may(permission):
            raise NotPermitted(f"This token may not do that: it lacks the permission {permission}.")


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows a viewer may touch. Made by `Scope.of` alone; without a company it touches none."""

    company_id: UUID | None
    office_ids: frozenset[UUID] | None
    is_operator: bool = False

    @classmethod
    def of(cls, viewer: Viewer) -> "Scope":
        return cls(viewer.company_id, viewer.office_ids, viewer.role is Role.OPERATOR)

    def within(self, company_id: UUID) -> "Scope":
        """The same for one company: an operator enters any, everybody else stays in his own. Raises NotFound."""
        if company_id == self.company_id:
            return self
        if not self.is_operator:
            raise NotFound("There is no such company.")
        return Scope(company_id, None, is_operator=True)

    @property
    def company(self) -> UUID:
        """The company, where there must be one. Raises NotFound."""
        if self.company_id is None:
            raise NotFound("This token names no company.")
        return self.company_id

    def covers(self, office_id: UUID) -> bool:
        """Within the company: whether the office is one of the viewer's."""
        return self.office_ids is None or office_id in self.office_ids

    @property
    def is_whole_company(self) -> bool:
        return self.company_id is not None and self.office_ids is None
