"""Buying, auto-recharge, holds, refunds, the audit trail.

Revision: 0002, after 0001.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from persistence.tables import Id, Json, UtcDateTime

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tables()
    _widen_tables()


def _create_tables() -> None:
    op.create_table('sandbox_payment',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('top_up_id', Id(), nullable=False),
    sa.Column('card', sa.String(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('reason', sa.String(), nullable=True),
    sa.Column('charge_count', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('sandbox_payment', schema=None) as batch_op:
        batch_op.create_index('ix_sandbox_payment_top_up', ['company_id', 'top_up_id'], unique=False)

    op.create_table('sandbox_refund',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('payment_id', Id(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('sandbox_refund', schema=None) as batch_op:
        batch_op.create_index('ix_sandbox_refund_payment', ['company_id', 'payment_id'], unique=False)

    op.create_table('sandbox_setup',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('card', sa.String(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    op.create_table('activity',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=True),
    sa.Column('address', sa.String(), nullable=True),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('office_id', Id(), nullable=True),
    sa.Column('target_kind', sa.String(), nullable=True),
    sa.Column('target_id', Id(), nullable=True),
    sa.Column('changes', Json, nullable=False),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.ForeignKeyConstraint(['company_id'], ['company.company_id'], name='fk_company'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('activity', schema=None) as batch_op:
        batch_op.create_index('ix_activity_at', ['company_id', 'at', 'id'], unique=False)

    op.create_table('auto_recharge',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('is_enabled', sa.Boolean(), nullable=False),
    sa.Column('threshold_micros', sa.BigInteger(), nullable=False),
    sa.Column('amount_micros', sa.BigInteger(), nullable=False),
    sa.Column('cycle_cap_micros', sa.BigInteger(), nullable=True),
    sa.Column('decline_count', sa.Integer(), nullable=False),
    sa.Column('retry_at', UtcDateTime(), nullable=True),
    sa.Column('is_switched_off', sa.Boolean(), nullable=False),
    sa.Column('skip_reason', sa.String(), nullable=True),
    sa.Column('judge_at', UtcDateTime(), nullable=True),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('threshold_micros >= 0 AND amount_micros > 0', name='ck_auto_recharge_amounts'),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.PrimaryKeyConstraint('company_id', 'office_id')
    )
    with op.batch_alter_table('auto_recharge', schema=None) as batch_op:
        batch_op.create_index('ix_auto_recharge_judge', ['judge_at'], unique=False, sqlite_where=sa.text('judge_at IS NOT NULL'), postgresql_where=sa.text('judge_at IS NOT NULL'))

    op.create_table('payment_method',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('processor', sa.String(), nullable=False),
    sa.Column('processor_customer_id', sa.String(), nullable=False),
    sa.Column('processor_method_id', sa.String(), nullable=False),
    sa.Column('brand', sa.String(), nullable=False),
    sa.Column('last_four', sa.String(), nullable=False),
    sa.Column('expires_month', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('replaced_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('payment_method', schema=None) as batch_op:
        batch_op.create_index('uq_payment_method_current', ['company_id', 'office_id'], unique=True, sqlite_where=sa.text('replaced_at IS NULL'), postgresql_where=sa.text('replaced_at IS NULL'))

    op.create_table('card_setup',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('processor', sa.String(), nullable=False),
    sa.Column('processor_customer_id', sa.String(), nullable=False),
    sa.Column('processor_setup_id', sa.String(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('payment_method_id', Id(), nullable=True),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.ForeignKeyConstraint(['company_id', 'payment_method_id'], ['payment_method.company_id', 'payment_method.id'], name='fk_payment_method_payment_method_id'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('card_setup', schema=None) as batch_op:
        batch_op.create_index('ix_card_setup_office', ['company_id', 'office_id', 'id'], unique=False)

    op.create_table('top_up',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('origin', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('reason', sa.String(), nullable=True),
    sa.Column('payment_terms', sa.String(), nullable=False),
    sa.Column('credits_micros', sa.BigInteger(), nullable=False),
    sa.Column('tax_micros', sa.BigInteger(), nullable=False),
    sa.Column('total_micros', sa.BigInteger(), nullable=False),
    sa.Column('refunded_micros', sa.BigInteger(), nullable=False),
    sa.Column('month', sa.Integer(), nullable=False),
    sa.Column('payment_method_id', Id(), nullable=True),
    sa.Column('processor', sa.String(), nullable=True),
    sa.Column('processor_payment_id', sa.String(), nullable=True),
    sa.Column('next_action', Json, nullable=True),
    sa.Column('action_expires_at', UtcDateTime(), nullable=True),
    sa.Column('return_url', sa.String(), nullable=True),
    sa.Column('requested_by', sa.String(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('settled_at', UtcDateTime(), nullable=True),
    sa.Column('paid_at', UtcDateTime(), nullable=True),
    sa.Column('due_at', UtcDateTime(), nullable=True),
    sa.Column('attempt_count', sa.Integer(), nullable=False),
    sa.CheckConstraint("(state = 'SETTLED') = (settled_at IS NOT NULL)", name='ck_top_up_settled'),
    sa.CheckConstraint('credits_micros > 0 AND tax_micros >= 0', name='ck_top_up_amounts'),
    sa.CheckConstraint('refunded_micros BETWEEN 0 AND credits_micros', name='ck_top_up_refunded'),
    sa.CheckConstraint('total_micros = credits_micros + tax_micros', name='ck_top_up_total'),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.ForeignKeyConstraint(['company_id', 'payment_method_id'], ['payment_method.company_id', 'payment_method.id'], name='fk_payment_method_payment_method_id'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('top_up', schema=None) as batch_op:
        batch_op.create_index('ix_top_up_payment', ['processor_payment_id'], unique=False, sqlite_where=sa.text('processor_payment_id IS NOT NULL'), postgresql_where=sa.text('processor_payment_id IS NOT NULL'))
        batch_op.create_index('ix_top_up_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_top_up_office', ['company_id', 'office_id', 'created_at', 'id'], unique=False)
        batch_op.create_index('uq_top_up_in_flight', ['company_id', 'office_id'], unique=True, sqlite_where=sa.text("origin = 'AUTO_RECHARGE' AND state IN ('PENDING', 'REQUIRES_ACTION')"), postgresql_where=sa.text("origin = 'AUTO_RECHARGE' AND state IN ('PENDING', 'REQUIRES_ACTION')"))
        batch_op.create_index('uq_top_up_payment', ['company_id', 'processor', 'processor_payment_id'], unique=True, sqlite_where=sa.text('processor_payment_id IS NOT NULL'), postgresql_where=sa.text('processor_payment_id IS NOT NULL'))

    op.create_table('hold',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('event_id', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('service', sa.String(), nullable=False),
    sa.Column('usage_type', sa.String(), nullable=False),
    sa.Column('direction', sa.String(), nullable=False),
    sa.Column('from_text', sa.String(), nullable=False),
    sa.Column('to_text', sa.String(), nullable=False),
    sa.Column('wanted_quantity', sa.BigInteger(), nullable=False),
    sa.Column('granted_quantity', sa.BigInteger(), nullable=False),
    sa.Column('rate_id', Id(), nullable=False),
    sa.Column('rate_nanos', sa.BigInteger(), nullable=False),
    sa.Column('first_seconds', sa.Integer(), nullable=False),
    sa.Column('next_seconds', sa.Integer(), nullable=False),
    sa.Column('connection_fee_micros', sa.BigInteger(), nullable=False),
    sa.Column('destination', sa.String(), nullable=True),
    sa.Column('month', sa.Integer(), nullable=False),
    sa.Column('plan_quantity', sa.BigInteger(), nullable=False),
    sa.Column('plan_micros', sa.BigInteger(), nullable=False),
    sa.Column('commitment_micros', sa.BigInteger(), nullable=False),
    sa.Column('universal_micros', sa.BigInteger(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('resolved_at', UtcDateTime(), nullable=True),
    sa.Column('charge_id', Id(), nullable=True),
    sa.CheckConstraint("(state = 'ACTIVE') = (resolved_at IS NULL)", name='ck_hold_resolved'),
    sa.CheckConstraint("(state = 'CAPTURED') = (charge_id IS NOT NULL)", name='ck_hold_captured'),
    sa.CheckConstraint('plan_quantity >= 0 AND plan_micros >= 0 AND commitment_micros >= 0 AND universal_micros >= 0', name='ck_hold_amounts'),
    sa.ForeignKeyConstraint(['company_id', 'charge_id'], ['charge.company_id', 'charge.id'], name='fk_charge_charge_id'),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.PrimaryKeyConstraint('company_id', 'id'),
    sa.UniqueConstraint('company_id', 'source', 'event_id', name='uq_hold_event')
    )
    with op.batch_alter_table('hold', schema=None) as batch_op:
        batch_op.create_index('ix_hold_active', ['company_id', 'office_id', 'expires_at'], unique=False, sqlite_where=sa.text("state = 'ACTIVE'"), postgresql_where=sa.text("state = 'ACTIVE'"))

    op.create_table('refund',
    sa.Column('company_id', Id(), nullable=False),
    sa.Column('id', Id(), nullable=False),
    sa.Column('office_id', Id(), nullable=False),
    sa.Column('top_up_id', Id(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('credits_micros', sa.BigInteger(), nullable=False),
    sa.Column('tax_micros', sa.BigInteger(), nullable=False),
    sa.Column('total_micros', sa.BigInteger(), nullable=False),
    sa.Column('told_micros', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('author', sa.String(), nullable=False),
    sa.Column('processor_refund_id', sa.String(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('settled_at', UtcDateTime(), nullable=True),
    sa.Column('due_at', UtcDateTime(), nullable=True),
    sa.Column('attempt_count', sa.Integer(), nullable=False),
    sa.CheckConstraint('credits_micros >= 0 AND tax_micros >= 0', name='ck_refund_amounts'),
    sa.CheckConstraint("told_micros > 0 AND (total_micros = told_micros OR kind <> 'REFUND' AND total_micros < told_micros)", name='ck_refund_told'),
    sa.CheckConstraint('total_micros = credits_micros + tax_micros', name='ck_refund_total'),
    sa.ForeignKeyConstraint(['company_id', 'office_id'], ['office.company_id', 'office.id'], name='fk_office_office_id'),
    sa.ForeignKeyConstraint(['company_id', 'top_up_id'], ['top_up.company_id', 'top_up.id'], name='fk_top_up_top_up_id'),
    sa.PrimaryKeyConstraint('company_id', 'id')
    )
    with op.batch_alter_table('refund', schema=None) as batch_op:
        batch_op.create_index('ix_refund_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_refund_top_up', ['company_id', 'top_up_id'], unique=False)
        batch_op.create_index('uq_refund_processor', ['company_id', 'top_up_id', 'processor_refund_id'], unique=True, sqlite_where=sa.text('processor_refund_id IS NOT NULL'), postgresql_where=sa.text('processor_refund_id IS NOT NULL'))


SPENT = ('ck_allowance_cycle_spent', 'spent_quantity BETWEEN 0 AND committed_quantity')
ANCHOR = ('ck_office_anchor_day', 'anchor_day BETWEEN 1 AND 31')
AMOUNT = ('ck_posting_amount', 'amount_micros > 0 AND source <> destination')


def _widen_tables() -> None:
    _add('company', {
        'purchase_minimum_micros': (sa.BigInteger(), '5000000'),
        'purchase_maximum_micros': (sa.BigInteger(), '2000000000'),
        'purchase_daily_micros': (sa.BigInteger(), '5000000000'),
        'purchase_presets': (Json, '[20000000, 50000000, 100000000, 200000000, 500000000]'),
        'invoice_limit_micros': (sa.BigInteger(), '250000000'),
        'hold_grant_seconds': (sa.Integer(), '600'),
    })
    _add('allowance_cycle', {'reserved_quantity': (sa.BigInteger(), '0')}, SPENT)
    with _altering('allowance_cycle', SPENT) as batch_op:
        batch_op.create_check_constraint('ck_allowance_cycle_reserved', 'reserved_quantity >= 0')
    with _altering('office', ANCHOR) as batch_op:
        batch_op.add_column(sa.Column('invoice_limit_micros', sa.BigInteger(), nullable=True))
    with _altering('posting', AMOUNT) as batch_op:
        batch_op.add_column(sa.Column('top_up_id', Id(), nullable=True))
        batch_op.create_foreign_key('fk_top_up_top_up_id', 'top_up', ['company_id', 'top_up_id'], ['company_id', 'id'])
        batch_op.create_index(
            'ix_posting_top_up', ['company_id', 'top_up_id'], unique=False,
            sqlite_where=sa.text('top_up_id IS NOT NULL'), postgresql_where=sa.text('top_up_id IS NOT NULL'),
        )
        into_universal = sa.text("destination = 'wallet:UNIVERSAL'")
        batch_op.create_index(
            'ix_posting_into_universal', ['company_id', 'wallet_id', 'sequence'], unique=False,
            sqlite_where=into_universal, postgresql_where=into_universal,
        )
        adjusted = sa.text("destination = 'adjustment'")
        batch_op.create_index(
            'ix_posting_adjusted', ['company_id', 'wallet_id', 'sequence'], unique=False,
            sqlite_where=adjusted, postgresql_where=adjusted,
        )


def _altering(table: str, *checks: tuple[str, str]) -> Any:
    """SQLite builds a table anew to change it and forgets its CHECKs on the way: they are named again."""
    if op.get_context().dialect.name != 'sqlite':
        return op.batch_alter_table(table)
    named = tuple(sa.CheckConstraint(text, name=name) for name, text in checks)
    return op.batch_alter_table(table, recreate='always', table_args=named)


def _add(table: str, columns: dict[str, tuple[Any, str]], *checks: tuple[str, str]) -> None:
    """Columns that may not be null: what is there gets the value, what comes brings its own."""
    with _altering(table, *checks) as batch_op:
        for name, (kind, value) in columns.items():
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=sa.text(f"'{value}'")))
    with _altering(table, *checks) as batch_op:
        for name in columns:
            batch_op.alter_column(name, server_default=None)
