"""A call as a switch reports it: may it begin, how long did it last, who paid.

python call.py new-york 1002 +442079460000 95
"""

import os
import sys
from datetime import UTC, datetime
from uuid import uuid4

import farebox_client as fx

office, caller, callee, seconds = sys.argv[1:]
call_id = str(uuid4())  # the key of the hold and of the charge: whatever is sent again happens once

headers = {"Authorization": f"Bearer {os.environ['FAREBOX_TOKEN']}"}
with fx.Farebox(url=os.environ.get("FAREBOX_URL", "http://localhost:8000/graphql"), headers=headers) as farebox:
    wanted = fx.AuthorizeUsageInput(
        event_id=call_id,
        office=fx.OfficeReferenceInput(slug=office),
        service=fx.Service.CALLING,
        direction=fx.Direction.OUTBOUND,
        from_=caller,
        to=callee,
        quantity=int(seconds),
    )
    asked = farebox.authorize_usage(wanted).authorize_usage
    if not asked.hold:
        sys.exit(f"No call: {asked.refusal or asked.user_errors}")
    print(f"It may last {asked.hold.granted.value} seconds.")

    call = fx.CallUsageInput(direction=fx.Direction.OUTBOUND, from_=caller, to=callee, duration_seconds=int(seconds))
    event = fx.UsageEventInput(event_id=call_id, occurred_at=datetime.now(UTC), usage=fx.UsageInput(call=call))
    done = farebox.capture_hold(fx.CaptureHoldInput(hold_id=asked.hold.id, event=event)).capture_hold
    if not done.result or not done.result.record:
        sys.exit(f"Not charged: {done.user_errors or done.result}")
    record = done.result.record
    print(f"{record.usage_type.value}: {record.quantity.value} s cost {record.cost.amount} {record.cost.currency_code}")
    for payer in record.allocations:
        print(f"  {payer.source.value} paid for {payer.quantity.value} s: {payer.amount.amount}")
