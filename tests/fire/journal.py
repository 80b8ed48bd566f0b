"""What the clients were told, and may therefore rely on: a ledger of their own, kept apart from the server's."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from domain.money import parse_micros

Event = tuple[str, str]
"""Office and event id."""


@dataclass
class Journal:
    charged: dict[Event, int] = field(default_factory=dict)
    """What each acknowledged event cost its wallets, in micros."""
    reversed: dict[str, Event] = field(default_factory=dict)
    """Keys of reversals that were acknowledged."""
    top_ups: dict[str, str] = field(default_factory=dict)
    """The state that was told last, by the id on the wire."""
    purchases: dict[str, str] = field(default_factory=dict)
    """The top-up that was told for each key: it is the same one for ever."""
    refunds: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By key: the top-up, and the credits given back, in micros."""
    holds: dict[str, str] = field(default_factory=dict)
    """CAPTURED or RELEASED, by the id on the wire."""
    settings: dict[str, tuple[bool, int]] = field(default_factory=dict)
    """By office: is auto-recharge on, and with how much."""
    refusals: Counter[str] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)
    """Two answers that cannot both be true, or one that no rule explains."""

    def keep_results(self, office: str, answer: dict[str, Any]) -> None:
        """Of recordUsage and captureHold. An event that is charged again must have cost what it cost before."""
        for result in answer["results"]:
            event = (office, result["eventId"])
            if result["outcome"] not in {"CHARGED", "REPLAYED"}:
                self.contradictions.append(f"{event}: {result['outcome']} {result['rejection']}")
                continue
            cost = parse_micros(result["record"]["cost"]["amount"])
            if self.charged.setdefault(event, cost) != cost:
                self.contradictions.append(f"{event} cost {self.charged[event]}, then {cost}")

    def keep_top_up(self, told: dict[str, Any]) -> str:
        """A settled top-up stays settled."""
        top_up_id, state = str(told["id"]), str(told["state"])
        if self.top_ups.get(top_up_id) == "SETTLED" and state != "SETTLED":
            self.contradictions.append(f"{top_up_id} was SETTLED, then {state}")
        self.top_ups[top_up_id] = state
        return state

    def keep_purchase(self, key: str, told: dict[str, Any]) -> str:
        if self.purchases.setdefault(key, told["id"]) != told["id"]:
            self.contradictions.append(f"the purchase {key} is {self.purchases[key]}, then {told['id']}")
        return self.keep_top_up(told)

    def keep_refusals(self, operation: str, errors: list[dict[str, Any]], *expected: str) -> None:
        for error in errors:
            self.refusals[f"{operation}: {error['code']}"] += 1
            if error["code"] not in expected:
                self.contradictions.append(f"{operation}: {error}")
