"""Words about a charge that the list and the export both say."""

from enum import StrEnum

from domain.catalogue import UsageType
from domain.usage import AiAgentMode


class UsageRecordState(StrEnum):
    CHARGED = "CHARGED"
    REVERSED = "REVERSED"
    REVERSAL = "REVERSAL"


AI_AGENT_MODES = {
    UsageType.VOICE_AI: AiAgentMode.VOICE,
    UsageType.DIGITAL_AI: AiAgentMode.DIGITAL,
    UsageType.AI_ROUTING: AiAgentMode.ROUTING,
}
"""How an AI agent worked, by the type it is charged as."""


def state_of(*, is_reversal: bool, is_reversed: bool) -> UsageRecordState:
    if is_reversal:
        return UsageRecordState.REVERSAL
    return UsageRecordState.REVERSED if is_reversed else UsageRecordState.CHARGED
