"""What a mutation says when it cannot: anticipated failures in the payload, well-formedness by graphql-core."""

import inspect
from typing import Any

import pytest

from domain import errors
from schema.errors import (
    CODES,
    InputUserError,
    LimitUserError,
    PaymentUserError,
    UserErrorCode,
    bad_input_message,
    user_error,
)
from schema.payment_words import REASON_TEXTS, TopUpReason
from schema.scalars import money
from tests.schema.conftest import House

RECORD = "mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount } }"
MESSAGE = {"direction": "OUTBOUND", "traffic": "A2P", "from": "+14155550100", "to": "+12125550123"}
SECRET = "Your code is 4711"


def test_every_failure_of_the_domain_has_its_code() -> None:
    family = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.FareboxError) and kind is not errors.FareboxError
    }
    families = {errors.OutOfBounds, errors.PaymentFailed}
    assert family - set(CODES) == {errors.RateConflict, *families}


def test_a_path_is_told_as_text() -> None:
    error = user_error(errors.InvalidInput("No.", field=("events", 17, "eventId")))
    assert isinstance(error, InputUserError)
    assert error.field == ["events", "17", "eventId"]
    assert user_error(errors.NotFound("No.")).field is None


def test_limits_are_told_in_money_and_only_those_that_matter() -> None:
    raised = errors.LimitReached("No.", currency="JPY", field=("credits",), remaining_micros=0)
    error = user_error(raised)
    assert isinstance(error, LimitUserError)
    assert (error.code, error.field) == (UserErrorCode.LIMIT_REACHED, ["credits"])
    assert (error.minimum, error.maximum, error.remaining) == (None, None, money(0, "JPY"))


def test_why_no_money_came_is_told_with_every_failed_payment() -> None:
    error = user_error(errors.NoPaymentMethod("No.", reason=TopUpReason.CARD_EXPIRED))
    assert isinstance(error, PaymentUserError)
    assert (error.code, error.reason) == (UserErrorCode.NO_PAYMENT_METHOD, TopUpReason.CARD_EXPIRED)


def test_every_reason_is_told_in_a_sentence_for_a_person() -> None:
    assert set(REASON_TEXTS) == set(TopUpReason)
    assert all(text[0].isupper() and text.endswith(".") and "_" not in text for text in REASON_TEXTS.values())


def test_what_no_mutation_can_meet_is_a_fault_of_ours() -> None:
    with pytest.raises(errors.RateConflict):
        user_error(errors.RateConflict("Two rates tie."))


async def test_a_user_error_is_no_error_of_the_request(small_house: House) -> None:
    result = await small_house.run(RECORD, {"input": {"events": []}})
    assert result.errors is None
    assert result.data == {"recordUsage": {"chargedCount": 0}}


def _event(**changes: Any) -> dict[str, Any]:
    event = {
        "eventId": "e",
        "occurredAt": "2026-03-01T12:00:00Z",
        "usage": {"message": {**MESSAGE, "content": {"smsBody": SECRET}}},
    }
    return {name: value for name, value in (event | changes).items() if value is not ...}


def _content(content: Any) -> dict[str, Any]:
    return _event(usage={"message": {**MESSAGE, "content": content}})


@pytest.mark.parametrize(
    ("event", "place"),
    [
        (_event(occurredAt=...), ".events[17].occurredAt: this field is required."),
        (_event(occurredAt=None), ".events[17].occurredAt: "),
        (_event(occurredAt="2026-03-01"), ".events[17].occurredAt: "),
        (_event(occurredAt="2026-03-01T12:00:00"), ".events[17].occurredAt: "),
        (_event(eventId=5), ".events[17].eventId: "),
        (_event(usage={}), ".events[17].usage: "),
        (_event(usage={"call": None}), ".events[17].usage.call: "),
        (_event(usage={"message": {**MESSAGE, "direction": "UP"}}), ".events[17].usage.message.direction: "),
        (_event(usage={"message": {**MESSAGE}}), ".events[17].usage.message.content: this field is required."),
        (_event(office={"slug": "hq", "id": "off_"}), ".events[17].office: "),
        (_event(office={"phoneNumber": "hq"}), ".events[17].office.phoneNumber: "),
        (_event(colour="red"), ".events[17]: "),
        (_content({"smsBody": SECRET, "smsSegmentCount": 1}), ".events[17].usage.message.content: "),
        (_content({"smsBody": [SECRET]}), ".events[17].usage.message.content.smsBody: "),
        (_content(SECRET), ".events[17].usage.message.content: "),
        (_content({"smsSegmentCount": 2**31}), ".events[17].usage.message.content.smsSegmentCount: "),
    ],
)
async def test_a_batch_that_is_not_well_formed_is_refused_whole_and_names_the_place(
    small_house: House, event: dict[str, Any], place: str
) -> None:
    events = [*(_event(eventId=str(at)) for at in range(17)), event]
    result = await small_house.run(RECORD, {"input": {"events": events}})
    assert result.data is None
    assert result.errors is not None
    messages = [bad_input_message(error.message) for error in result.errors]
    assert any(place in message for message in messages), messages
    assert not any("4711" in message for message in messages)


async def test_a_missing_list_is_named_as_well(small_house: House) -> None:
    message = await small_house.refusal(RECORD, {"input": {}})
    assert bad_input_message(message) == "Variable '$input' has invalid value at .events: this field is required."


def test_other_messages_stay_as_they_are() -> None:
    message = (
        "Variable '$input' has invalid value: Expected a value of non-null type 'RecordUsageInput!' to be provided."
    )
    assert bad_input_message(message) == message


async def test_one_of_is_checked_in_documents_as_in_variables(small_house: House) -> None:
    refused = await small_house.refusal(
        """mutation { recordUsage(input: {office: {slug: "hq", id: "x"}, events: []}) { chargedCount } }"""
    )
    assert "OneOf" in refused or "exactly one" in refused
