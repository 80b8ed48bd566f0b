"""The overview screens: who am I, my offices, wallets and plan usage."""

from datetime import timedelta

from domain.access import Role
from tests.schema.conftest import House

MONEY = "{ amount currencyCode }"
WALLET = f"""
  id kind name balance {MONEY} committed {MONEY} spent {MONEY} usedPercent
  billingCycle {{ month startsAt endsAt cadence lateUsageUntil isOpen }} expiresAt
"""


async def test_the_header_knows_the_caller_and_his_offices(house: House) -> None:
    data = await house.ask("""{
      viewer { id name role permissions expiresAt company { id slug name currencyCode domesticRegions
        settings { spendingAlertRisePercent spendingAlertMinimum { amount } lateUsageHours } } }
      offices(first: 100) { totalCount pageInfo { hasNextPage endCursor }
        nodes { id slug name timeZone regionCode phoneNumbers anchorDay paymentTerms canPurchase
          canConfigureAutoRecharge billingCycle { month } billingCycles { month startsAt } } }
    }""")
    assert data["viewer"]["role"] == "COMPANY_ADMIN"
    assert data["viewer"]["company"]["slug"] == "acme"
    assert data["viewer"]["company"]["settings"]["spendingAlertMinimum"]["amount"] == "10.000000"
    offices = data["offices"]
    assert [office["slug"] for office in offices["nodes"]] == ["berlin", "hq", "lone"]
    assert offices["totalCount"] == 3
    berlin, hq, _ = offices["nodes"]
    assert berlin["phoneNumbers"] == ["+493012345678"]
    assert (berlin["anchorDay"], berlin["billingCycle"]["month"]) == (31, "2026-02")
    assert (hq["billingCycle"]["month"], hq["canPurchase"]) == ("2026-03", True)


async def test_the_overview_of_an_office_shows_wallets_and_plan(house: House) -> None:
    data = await house.ask(
        f"""query ($id: ID!) {{ office(id: $id) {{ wallets {{ {WALLET} office {{ slug }} }}
        planUsage {{ id service usageTypes unit committed spent available usedPercent
          billingCycle {{ month }} office {{ slug }} }} }} }}""",
        {"id": await house.office()},
    )
    calling, ai, universal = data["office"]["wallets"]
    # 360 s at 0.02, 61 s at 0.10, one segment at 0.01 and two pages at 0.03 are 0.291667.
    assert calling["name"] == "Calling credits"
    assert calling["balance"]["amount"] == "0.708333"
    assert (calling["committed"]["amount"], calling["spent"]["amount"]) == ("1.000000", "0.291667")
    assert (calling["usedPercent"], calling["expiresAt"]) == ("29.2", "2026-04-01T00:00:00Z")
    assert (ai["billingCycle"]["cadence"], ai["billingCycle"]["endsAt"]) == ("ANNUAL", "2027-03-01T00:00:00Z")
    assert ai["balance"]["amount"] == "11.500000"
    assert universal["balance"]["amount"] == "4.830000"
    assert (universal["committed"], universal["usedPercent"], universal["expiresAt"]) == (None, None, None)
    assert (universal["spent"]["amount"], universal["billingCycle"]["month"]) == ("0.170000", "2026-03")
    call, fax = data["office"]["planUsage"]
    assert (call["service"], call["unit"], call["committed"], call["spent"], call["available"]) == (
        "CALLING",
        "SECOND",
        "240",
        "240",
        "0",
    )
    assert (fax["usedPercent"], fax["usageTypes"]) == ("100.0", ["FAX_SENT", "FAX_RECEIVED"])


async def test_the_company_is_summed_over_the_visible_offices(house: House) -> None:
    query = f"""{{ company {{ walletTotals {{ kind name balance {MONEY} committed {MONEY} spent {MONEY} usedPercent
      officeCount }} planUsageTotals {{ service unit committed spent available usedPercent }} }} }}"""
    whole = (await house.ask(query))["company"]
    part = (await house.ask(query, viewer=await house.office_admin("lone")))["company"]
    assert [total["kind"] for total in whole["walletTotals"]] == ["CALLING", "AI_AGENT", "UNIVERSAL"]
    universal = whole["walletTotals"][2]
    # Twelve calls of a minute from Berlin to New York at 0.02, on no credits at all.
    assert (universal["balance"]["amount"], universal["spent"]["amount"]) == ("6.590000", "0.410000")
    assert universal["officeCount"] == 3
    assert [total["service"] for total in whole["planUsageTotals"]] == ["CALLING", "FAX"]
    assert [total["balance"]["amount"] for total in part["walletTotals"]] == ["2.000000"]
    assert part["planUsageTotals"] == []


async def test_a_reader_after_the_cycle_s_end_sees_the_renewed_wallet(house: House) -> None:
    house.world.now += timedelta(days=31)
    data = await house.ask(
        """query ($id: ID!) { wallets(officeId: $id) { kind balance { amount } spent { amount }
          billingCycle { month } cycles(first: 5) { cycle { month isOpen } committed { amount } spent { amount }
          expired { amount } balance { amount } } }
          planUsage(officeId: $id) { spent billingCycle { month } }
          march: planUsage(officeId: $id, month: "2026-03") { spent billingCycle { month isOpen } }
          never: planUsage(officeId: $id, month: "2001-01") { spent } }""",
        {"id": await house.office()},
    )
    calling, ai, universal = data["wallets"]
    assert (calling["balance"]["amount"], calling["spent"]["amount"]) == ("1.000000", "0.000000")
    april, march = calling["cycles"]
    assert (april["cycle"]["month"], march["cycle"]["month"]) == ("2026-04", "2026-03")
    assert (march["spent"]["amount"], march["balance"]["amount"]) == ("0.291667", "0.708333")
    assert march["cycle"]["isOpen"]
    assert len(ai["cycles"]) == 1
    assert [cycle["spent"]["amount"] for cycle in universal["cycles"]] == ["0.000000", "0.170000"]
    assert [cycle["balance"]["amount"] for cycle in universal["cycles"]] == ["4.830000", "4.830000"]
    assert [row["spent"] for row in data["planUsage"]] == ["0", "0"]
    assert [row["spent"] for row in data["march"]] == ["240", "3"]
    assert data["never"] == []


async def test_all_wallets_come_by_office_when_none_is_named(house: House) -> None:
    data = await house.ask("{ wallets { kind office { slug } } }")
    assert [(wallet["office"]["slug"], wallet["kind"]) for wallet in data["wallets"]] == [
        ("berlin", "UNIVERSAL"),
        ("hq", "CALLING"),
        ("hq", "AI_AGENT"),
        ("hq", "UNIVERSAL"),
        ("lone", "UNIVERSAL"),
    ]


async def test_the_ledger_adds_up_to_the_balance(house: House) -> None:
    [calling, _, universal] = (
        await house.ask("query ($id: ID!) { wallets(officeId: $id) { id } }", {"id": await house.office()})
    )["wallets"]
    query = """query ($id: ID!, $month: YearMonth, $after: String) {
      ledger(walletId: $id, month: $month, first: 2, after: $after) {
      nodes { id postedAt occurredAt source destination change { amount } balanceAfter { amount }
        usageRecord { eventId usageType } note } pageInfo { hasNextPage endCursor } } }"""
    lines, after = [], None
    while True:
        page = (await house.ask(query, {"id": universal["id"], "after": after}))["ledger"]
        lines += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [(line["change"]["amount"], line["balanceAfter"]["amount"]) for line in lines] == [
        ("-0.070000", "4.830000"),
        ("-0.100000", "4.900000"),
        ("5.000000", "5.000000"),
    ]
    assert [line["usageRecord"] and line["usageRecord"]["eventId"] for line in lines] == ["chat", "ivr", None]
    assert (lines[2]["source"], lines[2]["destination"]) == ("contract", "wallet:UNIVERSAL")
    ours = (await house.ask(query, {"id": calling["id"], "month": "2026-03"}))["ledger"]
    assert ours["nodes"][0]["source"] == "wallet:CALLING:2026-03"
    assert (await house.ask(query, {"id": calling["id"], "month": "2026-02"}))["ledger"]["nodes"] == []


async def test_an_operator_enters_any_company_by_its_slug(house: House) -> None:
    query = """{ company { slug } theirs: company(slug: "globex") { slug walletTotals { balance { amount } } }
      none: company(slug: "nobody") { slug } offices { totalCount nodes { id } } viewer { company { slug } } }"""
    operator = house.world.viewer(Role.OPERATOR, company_id=None)
    data = await house.ask(query, viewer=operator)
    assert (data["company"], data["none"], data["viewer"]["company"]) == (None, None, None)
    assert data["theirs"]["walletTotals"] == [{"balance": {"amount": "0.980000"}}]
    assert data["offices"] == {"totalCount": 0, "nodes": []}
    assert (await house.ask(query))["theirs"] is None
