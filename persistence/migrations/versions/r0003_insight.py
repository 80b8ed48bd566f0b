"""Exports, alerts, API keys, webhooks.

Revision: 0003, after 0002.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from persistence.tables import Id, Json, UtcDateTime

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tables()
    _widen_office()
    # Charts of a billing cycle look for its days.
    op.create_index('ix_usage_by_day_month', 'usage_by_day', ['company_id', 'office_id', 'month'], unique=False)


def _create_tables() -> None:
    op.create_table('api_key',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('prefix', sa.String(), nullable=False),
    sa.Column('key_hash', sa.LargeBinary(), nullable=False),
    sa.Column('scopes', Json, nullable=False),
    sa.Column('office_ids', Json, nullable=True),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('last_used_at', UtcDateTime(), nullable=True),
    sa.Column('revoked_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['company_id'], ['company.company_id'], name='fk_company'),
    sa.PrimaryKeyConstraint('company_id', 'id'),
    sa.UniqueConstraint('company_id', 'key_hash', name='uq_api_key_hash')
    )
    with op.batch_alter_table('api_key', schema=None) as batch_op:
        batch_op.create_index('ix_api_key_hash', ['key_hash'], unique=False)

    op.create_table('usage_export',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('wanted', Json, nullable=False),
    sa.Column('is_descending', sa.Boolean(), nullable=False),
    sa.Column('watermarks', Json, nullable=False),
    sa.Column('row_count', sa.BigInteger(), nullable=False),
    sa.Column('cost_micros', sa.BigInteger(), nullable=False),
    sa.Column('file_name', sa.String(), nullable=False),
    sa.Column('as_of', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['company_id'], ['company.company_id'], name='fk_company'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('usage_export', schema=None) as batch_op:
        batch_op.create_index('ix_usage_export_expires', ['company_id', 'expires_at'], unique=False)

    op.create_table('webhook_endpoint',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('url', sa.String(), nullable=False),
    sa.Column('topics', Json, nullable=False),
    sa.Column('is_enabled', sa.Boolean(), nullable=False),
    sa.Column('sealed_secret', sa.String(), nullable=False),
    sa.Column('earlier_sealed_secret', sa.String(), nullable=True),
    sa.Column('earlier_until', UtcDateTime(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['company_id'], ['company.company_id'], name='fk_company'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    op.create_table('webhook_delivery',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('endpoint_id', Id(), nullable=False),
    sa.Column('topic', sa.String(), nullable=False),
    sa.Column('message_id', Id(), nullable=False),
    sa.Column('body', sa.String(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('attempt_count', sa.Integer(), nullable=False),
    sa.Column('round_attempt_count', sa.Integer(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('problem', sa.String(), nullable=True),
    sa.Column('due_at', UtcDateTime(), nullable=True),
    sa.Column('delivered_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint('delivered_at IS NULL OR due_at IS NULL', name='ck_webhook_delivery_over'),
    sa.ForeignKeyConstraint(['company_id', 'endpoint_id'], ['webhook_endpoint.company_id', 'webhook_endpoint.id'], name='fk_webhook_endpoint_endpoint_id'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('webhook_delivery', schema=None) as batch_op:
        batch_op.create_index('ix_webhook_delivery_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_webhook_delivery_endpoint', ['company_id', 'endpoint_id', 'created_at', 'id'], unique=False)

    op.create_table('spending_alert',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('month', sa.Integer(), nullable=False),
    sa.Column('period_start', UtcDateTime(), nullable=False),
    sa.Column('period_end', UtcDateTime(), nullable=False),
    sa.Column('raised_at', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('current_micros', sa.BigInteger(), nullable=False),
    sa.Column('previous_micros', sa.BigInteger(), nullable=True),
    sa.Column('latest_current_micros', sa.BigInteger(), nullable=True),
    sa.Column('latest_previous_micros', sa.BigInteger(), nullable=True),
    sa.Column('cause_service', sa.String(), nullable=True),
    sa.Column('cause_usage_type', sa.String(), nullable=True),
    sa.Column('cause_region', sa.String(), nullable=True),
    sa.Column('cause_member_id', Id(), nullable=True),
    sa.Column('cause_group_id', Id(), nullable=True),
    sa.Column('cause_current_micros', sa.BigInteger(), nullable=True),
    sa.Column('cause_previous_micros', sa.BigInteger(), nullable=True),
    sa.Column('wallet_id', Id(), nullable=True),
    sa.Column('allowance_cycle_id', Id(), nullable=True),
    sa.Column('limit_micros', sa.BigInteger(), nullable=True),
    sa.Column('used_percent', sa.Integer(), nullable=True),
    sa.Column('spent_quantity', sa.BigInteger(), nullable=True),
    sa.Column('committed_quantity', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("(state = 'ENDED') = (ended_at IS NOT NULL)", name='ck_spending_alert_ended'),
    sa.ForeignKeyConstraint(['company_id', 'allowance_cycle_id'], ['allowance_cycle.company_id', 'allowance_cycle.id'], name='fk_allowance_cycle_allowance_cycle_id'),
    sa.ForeignKeyConstraint(['company_id', 'cause_group_id'], ['directory_group.company_id', 'directory_group.id'], name='fk_directory_group_cause_group_id'),
    sa.ForeignKeyConstraint(['company_id', 'cause_member_id'], ['directory_member.company_id', 'directory_member.id'], name='fk_directory_member_cause_member_id'),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.ForeignKeyConstraint(['company_id', 'wallet_id'], ['wallet.company_id', 'wallet.id'], name='fk_wallet_wallet_id'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('spending_alert', schema=None) as batch_op:
        batch_op.create_index('ix_spending_alert_raised', ['company_id', 'office_id', 'raised_at', 'id'], unique=False)
        batch_op.create_index('uq_spending_alert_open', ['company_id', 'office_id', 'kind', 'subject'], unique=True, sqlite_where=sa.text("state <> 'ENDED'"), postgresql_where=sa.text("state <> 'ENDED'"))

    op.create_table('alert_dismissal',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('alert_id', Id(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('dismissed_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['company_id', 'alert_id'], ['spending_alert.company_id', 'spending_alert.id'], name='fk_spending_alert_alert_id'),
    sa.PrimaryKeyConstraint('company_id', 'alert_id', 'subject')
    )


def _widen_office() -> None:
    """Every office there is gets its alerts judged at once. SQLite forgets a CHECK on the way: it is named again."""
    is_sqlite = op.get_context().dialect.name == 'sqlite'
    anchor = sa.CheckConstraint('anchor_day BETWEEN 1 AND 31', name='ck_office_anchor_day')
    options: dict[str, Any] = {'recreate': 'always', 'table_args': (anchor,)} if is_sqlite else {}
    with op.batch_alter_table('office', **options) as batch_op:
        due = sa.text("'0'" if is_sqlite else "'1970-01-01 00:00:00+00'")
        batch_op.add_column(sa.Column('watch_due_at', UtcDateTime(), nullable=False, server_default=due))
    with op.batch_alter_table('office', **options) as batch_op:
        batch_op.alter_column('watch_due_at', server_default=None)
        batch_op.create_index('ix_office_watch_due', ['watch_due_at'], unique=False)
