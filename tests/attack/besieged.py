"""How an attacker speaks to the server, and what he must never be told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from api.demo import DEMO_COMPANY
from domain.access import Role
from tests.fire.server import Server, token

PRODUCTION = {"FAREBOX_ENV": "production", "FAREBOX_PAYMENTS": "sandbox", "FAREBOX_LOG_LEVEL": "info"}

FAULTS = re.compile(
    r"Traceback|File \\?\"|INTERNAL_SERVER_ERROR|Exception|sqlalchemy|sqlite3|asyncpg|graphql-core|strawberry"
    r"|SELECT .* FROM",
    re.IGNORECASE,
)
"""What an answer shows when something behind it broke, or when it tells what it is made of."""


def told_tokens() -> dict[Role, str]:
    return {role: token(DEMO_COMPANY, role) for role in Role}


@dataclass(frozen=True)
class Besieged:
    server: Server
    tokens: Mapping[Role, str]

    @property
    def url(self) -> str:
        return f"{self.server.address}/graphql"

    def headers(self, role: Role | None = Role.COMPANY_ADMIN) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}

    def post(self, body: Any, role: Role | None = Role.COMPANY_ADMIN, **headers: str) -> httpx2.Response:
        return httpx2.post(self.url, json=body, headers=self.headers(role) | headers, timeout=20)

    def ask(self, query: str, role: Role | None = Role.COMPANY_ADMIN, **variables: Any) -> dict[str, Any]:
        """The whole answer, which shows nothing of what is behind it."""
        response = self.post({"query": query, "variables": variables}, role)
        assert not FAULTS.search(response.text), response.text[:500]
        answer: dict[str, Any] = response.json()
        return answer

    def code(self, query: str, role: Role | None = Role.COMPANY_ADMIN, **variables: Any) -> str | None:
        """The code of the first error; None when there is none."""
        errors = self.ask(query, role, **variables).get("errors")
        return errors[0]["extensions"]["code"] if errors else None

    def assert_stands(self) -> None:
        """It still serves, and its log tells of no fault."""
        assert httpx2.get(f"{self.server.address}/readyz").status_code == 200
        assert "Traceback" not in self.server.log, self.server.log[-3_000:]
