"""A compiled executor for any Strawberry schema: graphql-core's answers, from functions made for the operation.

Knows nothing of what the schema is about.
"""

from compiled.executor import compiled_executor
from compiled.prepared import Prepared
from compiled.rows import Inner, Leaf, Lists, RowPlan, Written, row_plan

__all__ = ["Inner", "Leaf", "Lists", "Prepared", "RowPlan", "Written", "compiled_executor", "row_plan"]
