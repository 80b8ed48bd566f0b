"""What names something and is no probe, with the reason."""

PROVEN_ELSEWHERE = {
    "Mutation.recordUsage.input.source": "test_keys",
    "Mutation.recordUsage.input.events.eventId": "test_keys",
    "Mutation.recordUsage.input.events.member.externalId": "test_keys",
    "Mutation.recordUsage.input.events.group.externalId": "test_keys",
    "Mutation.recordUsage.input.events.contact.externalId": "test_keys",
    "Mutation.syncDirectory.input.members.externalId": "test_keys",
    "Mutation.syncDirectory.input.members.groupExternalIds": "test_keys",
    "Mutation.syncDirectory.input.groups.externalId": "test_keys",
    "Mutation.syncDirectory.input.contacts.externalId": "test_keys",
    "Mutation.reverseUsage.input.idempotencyKey": "test_keys",
    "Mutation.adjustWallet.input.idempotencyKey": "test_keys",
    "Mutation.authorizeUsage.input.source": "test_hold_keys",
    "Mutation.authorizeUsage.input.eventId": "test_hold_keys",
    "Mutation.captureHold.input.event.eventId": "test_hold_keys",
    "Mutation.captureHold.input.event.office.id": "test_hold_keys",
    "Mutation.captureHold.input.event.office.slug": "test_hold_keys",
    "Mutation.captureHold.input.event.office.phoneNumber": "test_hold_keys",
    "Mutation.captureHold.input.event.member.externalId": "test_hold_keys",
    "Mutation.captureHold.input.event.group.externalId": "test_hold_keys",
    "Mutation.captureHold.input.event.contact.externalId": "test_hold_keys",
    "Mutation.purchaseCredits.input.idempotencyKey": "test_buying_keys",
    "Mutation.refundTopUp.input.idempotencyKey": "test_buying_keys",
    "Mutation.settleInvoice.input.idempotencyKey": "test_buying_keys",
    "Mutation.settleInvoice.input.topUpIds": "test_buying_keys",
    "Mutation.savePaymentMethod.input.setupId": "test_buying_keys",
}
"""Keys that each company has for itself, and the file that proves it. Cursors: `test_lists`."""

NAMES_NOTHING = frozenset({"Query.rates.filter.number"})
"""A number that is compared with prefixes, and finds no object."""
