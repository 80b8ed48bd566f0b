"""Row-level security: who works for one company sees that company's rows and no other.

Revision: 0004, after 0003.

PostgreSQL alone. The owner of the tables is not bound, so nothing changes for who does not use a tenant role. Without a
company nothing is seen: once set, the setting is an empty text and not null for the rest of the session.
"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

TABLES = (
    'activity',
    'alert_dismissal',
    'allowance',
    'allowance_cycle',
    'api_key',
    'auto_recharge',
    'billing_cycle',
    'card_setup',
    'charge',
    'company',
    'directory_contact',
    'directory_group',
    'directory_member',
    'hold',
    'idempotency_key',
    'office',
    'office_number',
    'payment_method',
    'posting',
    'rate',
    'rate_card',
    'refund',
    'rejected_usage',
    'sandbox_payment',
    'sandbox_refund',
    'sandbox_setup',
    'spending_alert',
    'top_up',
    'usage_by_cycle',
    'usage_by_day',
    'usage_export',
    'wallet',
    'wallet_cycle',
    'webhook_delivery',
    'webhook_endpoint',
)


def upgrade() -> None:
    if op.get_context().dialect.name != 'postgresql':
        return
    for table in TABLES:
        own = "company_id = nullif(current_setting('farebox.company', true), '')::uuid"
        op.execute(sa.text(f'ALTER TABLE {table} ENABLE ROW LEVEL SECURITY'))
        op.execute(sa.text(f'CREATE POLICY of_company ON {table} USING ({own}) WITH CHECK ({own})'))
