"""The contract as text: what `schema.graphql` at the root of the repository holds.

`python -m schema.sdl > schema.graphql` writes it anew. Definitions are sorted when printed; sorting the schema object
itself would break its unions.
"""

import sys

from schema.root import schema


def print_sdl() -> str:
    return schema.as_str().rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(print_sdl())
