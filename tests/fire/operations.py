"""What the clients of the tests under fire ask for, as they send it."""

RECORD = """mutation Record($input: RecordUsageInput!) { recordUsage(input: $input) {
  results { eventId outcome record { id cost { amount } } rejection { code message } }
  userErrors { code message field } } }"""
REVERSE = """mutation Reverse($input: ReverseUsageInput!) { reverseUsage(input: $input) {
  reversal { id } userErrors { code message } } }"""
QUOTE = """query Quote($input: QuoteCreditPurchaseInput!) { quoteCreditPurchase(input: $input) {
  total { amount currencyCode } userErrors { code message } } }"""
_TOP_UP = "topUp { id state reason credits { amount } nextAction { redirectUrl } } userErrors { code message }"
PURCHASE = f"""mutation Buy($input: PurchaseCreditsInput!) {{ purchaseCredits(input: $input) {{
  isReplayed {_TOP_UP} }} }}"""
COMPLETE = (
    f"""mutation Complete($input: CompletePurchaseInput!) {{ completePurchase(input: $input) {{ {_TOP_UP} }} }}"""
)
REFUND = """mutation Refund($input: RefundTopUpInput!) { refundTopUp(input: $input) {
  topUp { id state refunded { amount } } isReplayed userErrors { code message } } }"""
RECHARGE = f"""mutation Recharge($input: ConfigureAutoRechargeInput!) {{ configureAutoRecharge(input: $input) {{
  autoRecharge {{ isEnabled amount {{ amount }} }} {_TOP_UP} }} }}"""
AUTHORIZE = """mutation Authorize($input: AuthorizeUsageInput!) { authorizeUsage(input: $input) {
  hold { id state } refusal { reason } isReplayed userErrors { code message } } }"""
CAPTURE = """mutation Capture($input: CaptureHoldInput!) { captureHold(input: $input) {
  hold { id state } result { eventId outcome record { id cost { amount } } rejection { code message } }
  userErrors { code message } } }"""
RELEASE = """mutation Release($input: ReleaseHoldInput!) { releaseHold(input: $input) {
  hold { id state } userErrors { code message } } }"""
SET_UP_CARD = """mutation SetUp($input: StartPaymentMethodSetupInput!) { startPaymentMethodSetup(input: $input) {
  setupId nextAction { redirectUrl } userErrors { code message } } }"""
SAVE_CARD = """mutation Save($input: SavePaymentMethodInput!) { savePaymentMethod(input: $input) {
  paymentMethod { lastFour } userErrors { code message } } }"""
