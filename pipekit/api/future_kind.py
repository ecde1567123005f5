"""What makes an object a future: the metaclass, and the one test that does not touch the object.

Owns nothing of what a future does; that is `future.py`.
"""

from __future__ import annotations

import sys
from typing import Any

_FIELDS = "__dataclass_fields__"


class FutureType(type):
    """The class of the classes of futures.

    A future's class has the special methods of every type at once, for its value may be of any.
    Who looks for methods in the class would find all of them: `isinstance(f, Iterable)` would hold
    for a future of 5. The ancestors of a future's class are therefore hidden from Python code
    (the interpreter has its own list), and such a question is answered by the value alone.
    """

    @property
    def __mro__(cls) -> tuple[type, ...]:
        return ()

    def __instancecheck__(cls, instance: object) -> bool:
        return is_future(instance)

    def __getattr__(cls, name: str) -> Any:
        if name == _FIELDS:
            # `dataclasses` asks `type(obj)` for its fields: those of the value are meant.
            caller = sys._getframe(1)
            if caller.f_globals.get("__name__") == "dataclasses":
                asked = caller.f_locals.get("obj")
                if type(asked) is cls:
                    return getattr(asked.__class__, name)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def is_future(value: object) -> bool:
    """Whether `value` is a future, done or not. Never waits, never touches it.

    By the class of its class: `value.__class__` is that of the plain value, and waits.
    """
    return type(type(value)) is FutureType
