"""The floor's statements, shaped by hand for each engine: ids and money leave the database as they go on the wire.

Moments of PostgreSQL are left to the JSON encoder, which writes them as Farebox does.
"""

PG_HISTORY = """
SELECT 'use_' || encode(uuid_send(ch.id), 'hex'), ch.occurred_at, ch.service, ch.usage_type, ch.direction,
  ch.duration_seconds, ch.is_booked_late,
  CASE WHEN ch.reverses_id IS NOT NULL THEN 'REVERSAL' WHEN ch.reversed_by_id IS NOT NULL THEN 'REVERSED'
    ELSE 'CHARGED' END,
  'off_' || encode(uuid_send(o.id), 'hex'), o.name,
  'mem_' || encode(uuid_send(ch.member_id), 'hex'), m.name,
  'grp_' || encode(uuid_send(ch.group_id), 'hex'), g.name,
  CASE ch.direction WHEN 'OUTBOUND' THEN ch.from_text ELSE ch.to_text END,
  CASE ch.direction WHEN 'OUTBOUND' THEN ch.from_kind ELSE ch.to_kind END,
  ch.quantity::text, ch.sources, (ch.cost_micros * 0.000001)::text, co.currency,
  (ch.rate_nanos * 0.000000001)::text, ch.first_seconds || '/' || ch.next_seconds
FROM charge ch
JOIN company co ON co.company_id = ch.company_id
JOIN office o ON o.company_id = ch.company_id AND o.id = ch.office_id
LEFT JOIN directory_member m ON m.company_id = ch.company_id AND m.id = ch.member_id
LEFT JOIN directory_group g ON g.company_id = ch.company_id AND g.id = ch.group_id
WHERE ch.company_id = $1 AND ch.office_id = $2
ORDER BY ch.occurred_at DESC, ch.id DESC LIMIT $3"""

_SQLITE_MONEY = "printf('%s%d.%0{digits}d', iif({value} < 0, '-', ''), abs({value}) / {whole}, abs({value}) % {whole})"


def _decimal(value: str, digits: int = 6) -> str:
    return _SQLITE_MONEY.format(value=value, digits=digits, whole=10**digits)


SQLITE_HISTORY = f"""
SELECT 'use_' || lower(hex(ch.id)),
  strftime('%Y-%m-%dT%H:%M:%S', ch.occurred_at / 1000000, 'unixepoch')
    || iif(ch.occurred_at % 1000000 = 0, '', printf('.%06d', ch.occurred_at % 1000000)) || 'Z',
  ch.service, ch.usage_type, ch.direction, ch.duration_seconds, ch.is_booked_late,
  CASE WHEN ch.reverses_id IS NOT NULL THEN 'REVERSAL' WHEN ch.reversed_by_id IS NOT NULL THEN 'REVERSED'
    ELSE 'CHARGED' END,
  'off_' || lower(hex(o.id)), o.name, iif(ch.member_id IS NULL, NULL, 'mem_' || lower(hex(ch.member_id))), m.name,
  iif(ch.group_id IS NULL, NULL, 'grp_' || lower(hex(ch.group_id))), g.name,
  iif(ch.direction = 'OUTBOUND', ch.from_text, ch.to_text), iif(ch.direction = 'OUTBOUND', ch.from_kind, ch.to_kind),
  CAST(ch.quantity AS text), ch.sources, {_decimal("ch.cost_micros")}, co.currency, {_decimal("ch.rate_nanos", 9)},
  ch.first_seconds || '/' || ch.next_seconds
FROM charge ch
JOIN company co ON co.company_id = ch.company_id
JOIN office o ON o.company_id = ch.company_id AND o.id = ch.office_id
LEFT JOIN directory_member m ON m.company_id = ch.company_id AND m.id = ch.member_id
LEFT JOIN directory_group g ON g.company_id = ch.company_id AND g.id = ch.group_id
WHERE ch.company_id = ?1 AND ch.office_id = ?2
ORDER BY ch.occurred_at DESC, ch.id DESC LIMIT ?3"""

PG_CREDITS = """
WITH cycle AS (
  SELECT month FROM billing_cycle WHERE company_id = $1 AND office_id = $2 AND starts_at <= now()
  ORDER BY starts_at DESC LIMIT 1),
held AS (
  SELECT w.id, w.kind, w.reserved_micros AS reserved, co.currency,
    CASE WHEN w.kind = 'UNIVERSAL' THEN w.balance_micros ELSE coalesce(c.balance_micros, 0) END AS balance,
    CASE WHEN w.kind = 'UNIVERSAL' THEN NULL ELSE coalesce(c.committed_micros, 0) END AS committed,
    CASE WHEN w.kind = 'UNIVERSAL' THEN (
      SELECT coalesce(sum(u.universal_micros), 0)::bigint FROM usage_by_cycle u, cycle
      WHERE u.company_id = $1 AND u.office_id = $2 AND u.month = cycle.month)
    ELSE coalesce(c.spent_micros, 0) END AS spent
  FROM wallet w JOIN company co ON co.company_id = w.company_id
  LEFT JOIN wallet_cycle c ON c.company_id = w.company_id AND c.wallet_id = w.id
    AND c.starts_at <= now() AND c.ends_at > now()
  WHERE w.company_id = $1 AND w.office_id = $2)
SELECT 0, 'wal_' || encode(uuid_send(id), 'hex'), kind, currency, (balance * 0.000001)::text,
  (reserved * 0.000001)::text, ((balance - reserved) * 0.000001)::text, (committed * 0.000001)::text,
  (spent * 0.000001)::text, round(spent * 100.0 / nullif(committed, 0), 1)::text,
  array_position(ARRAY['CALLING', 'AI_AGENT', 'UNIVERSAL'], kind)
FROM held
UNION ALL
SELECT 1, 'plu_' || encode(uuid_send(a.id), 'hex'), a.service, NULL, a.committed_quantity::text, a.spent_quantity::text,
  (a.committed_quantity - a.spent_quantity - a.reserved_quantity)::text, NULL, NULL,
  round(a.spent_quantity * 100.0 / nullif(a.committed_quantity, 0), 1)::text,
  array_position(ARRAY['CALLING', 'MESSAGING', 'SPEECH_IVR', 'OMNICHANNEL', 'FAX'], a.service)
FROM allowance_cycle a, cycle WHERE a.company_id = $1 AND a.office_id = $2 AND a.month = cycle.month
ORDER BY 1, 11"""

_NOW = "CAST(strftime('%s', 'now') AS integer) * 1000000"


def _tenths(part: str, whole: str) -> str:
    tenths = f"(({part}) * 2000 + ({whole})) / (2 * ({whole}))"
    return f"iif(coalesce({whole}, 0) = 0, NULL, printf('%d.%d', {tenths} / 10, {tenths} % 10))"


SQLITE_CREDITS = f"""
WITH cycle AS (
  SELECT month FROM billing_cycle WHERE company_id = ?1 AND office_id = ?2 AND starts_at <= {_NOW}
  ORDER BY starts_at DESC LIMIT 1),
held AS (
  SELECT w.id, w.kind, w.reserved_micros AS reserved, co.currency,
    iif(w.kind = 'UNIVERSAL', w.balance_micros, coalesce(c.balance_micros, 0)) AS balance,
    iif(w.kind = 'UNIVERSAL', NULL, coalesce(c.committed_micros, 0)) AS committed,
    iif(w.kind = 'UNIVERSAL', (
      SELECT coalesce(sum(u.universal_micros), 0) FROM usage_by_cycle u, cycle
      WHERE u.company_id = ?1 AND u.office_id = ?2 AND u.month = cycle.month), coalesce(c.spent_micros, 0)) AS spent
  FROM wallet w JOIN company co ON co.company_id = w.company_id
  LEFT JOIN wallet_cycle c ON c.company_id = w.company_id AND c.wallet_id = w.id
    AND c.starts_at <= {_NOW} AND c.ends_at > {_NOW}
  WHERE w.company_id = ?1 AND w.office_id = ?2)
SELECT 0, 'wal_' || lower(hex(id)), kind, currency, {_decimal("balance")}, {_decimal("reserved")},
  {_decimal("(balance - reserved)")}, iif(committed IS NULL, NULL, {_decimal("committed")}), {_decimal("spent")},
  {_tenths("spent", "committed")}, CASE kind WHEN 'CALLING' THEN 0 WHEN 'AI_AGENT' THEN 1 ELSE 2 END
FROM held
UNION ALL
SELECT 1, 'plu_' || lower(hex(a.id)), a.service, NULL, CAST(a.committed_quantity AS text),
  CAST(a.spent_quantity AS text), CAST(a.committed_quantity - a.spent_quantity - a.reserved_quantity AS text),
  NULL, NULL, {_tenths("a.spent_quantity", "a.committed_quantity")},
  CASE a.service WHEN 'CALLING' THEN 0 WHEN 'MESSAGING' THEN 1 ELSE 2 END
FROM allowance_cycle a, cycle WHERE a.company_id = ?1 AND a.office_id = ?2 AND a.month = cycle.month
ORDER BY 1, 11"""
