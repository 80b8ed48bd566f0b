"""How often a process looks for what it could forget."""

import gc

NEW_OBJECTS = 20_000
"""Between two looks. A batch of 500 events makes some ten thousand that are all gone, uncollected, when it is charged:
to look every 700 takes a quarter of its time, and of a start as much."""


def look_seldom() -> None:
    """Before anything is loaded."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


def keep_what_is_there() -> None:
    """Once a process is ready. What stays for good is not looked through again: that would stop everybody for a tenth
    of a second at a time."""
    look_seldom()
    gc.freeze()
