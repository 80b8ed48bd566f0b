"""Where several processes of one server keep their figures, so that any of them can tell those of all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that says where; the library's own name for it. It has to be set before that is imported."""


@contextmanager
def shared_figures(process_count: int) -> Iterator[None]:
    """A folder that is gone afterwards; nothing where one process serves. Figures begin at 0 with every start."""
    os.environ.pop(SHARED_FOLDER, None)
    if process_count == 1:
        yield
        return
    folder = tempfile.mkdtemp(prefix="farebox-figures-")
    os.environ[SHARED_FOLDER] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
