"""A compiled executor for any Strawberry schema: graphql-core's answers, from functions made for the operation.

Knows nothing of what the schema is about.
"""

from compiled.executor import compiled_executor
from compiled.prepared import Prepared

__all__ = ["Prepared", "compiled_executor"]
