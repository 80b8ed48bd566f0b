"""An office's alerts are judged: soon after it spent, when its local day ends, and when somebody asks (R38, R39)."""

from datetime import datetime
from uuid import UUID

from domain.ports import Door


async def watch_due(door: Door, company_id: UUID | None, now: datetime) -> int:
    """Judges the alerts of every office that is due, of one company or of all; the number of offices.

    Safe to run anywhere, by many at once. One office that fails does not keep the others waiting. Raises
    ExceptionGroup with all that failed.
    """
    return 0
