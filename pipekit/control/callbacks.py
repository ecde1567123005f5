"""The user's callbacks: calling one, and what its answer or its failing means. Does not know when
one is due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pipekit.control.callback_thread import CallbackThread
from pipekit.control.run import Gate
from pipekit.errors import CallbackFailed
from pipekit.model.failure import Failure, FailureKind
from pipekit.worker.raised import class_name
from pipekit.worker.runner import text_of, user_traceback

SHOWN_AS = "_pipekit_shown_as"
"""Attribute of a function that stands for a callback of another name: how that is spoken of."""


class Callback(NamedTuple):
    """One call of a function of the user's."""

    option: str
    """`before`, `after`, `on_status` or `retry_on`."""
    function: Callable[..., Any]
    whose: str
    """`step 'fit' (01j9zk7…)`."""

    @property
    def name(self) -> str:
        """`before=check`."""
        function = self.function
        if shown := getattr(function, SHOWN_AS, ""):
            return str(shown)
        name = getattr(function, "__name__", None) or type(function).__name__
        return f"{self.option}={name}"


def wait_for(
    thread: CallbackThread, callback: Callback, arguments: Callable[[], tuple[Any, ...]],
    check: Callable[[Callback, Any], Any] = lambda callback, answer: None,
) -> Any:  # fmt: skip
    """Have a callback called in its thread, and wait for what `check` makes of what it returns.

    Raises:
        CallbackFailed: it raised, or `check` did.
    """
    done = Gate()
    told: list[tuple[Any, CallbackFailed | None]] = []

    def work() -> None:
        told.append(call(callback, arguments, check))
        done.open()

    thread.add(work)
    done.wait()
    answer, error = told[0]
    if error is not None:
        raise error
    return answer


def call(
    callback: Callback, arguments: Callable[[], tuple[Any, ...]],
    check: Callable[[Callback, Any], Any] = lambda callback, answer: None,
) -> tuple[Any, CallbackFailed | None]:  # fmt: skip
    """What `check` makes of what a callback returns, or how it failed."""
    try:
        answer = callback.function(*arguments())
    except BaseException as error:  # noqa: BLE001 - user code; the thread goes on for the others
        return None, failed(callback, error)
    try:
        return check(callback, answer), None
    except CallbackFailed as error:
        return None, error
    except BaseException as error:  # noqa: BLE001 - user code: how an answer compares
        return None, failed(callback, error)


def failed(callback: Callback, error: BaseException) -> CallbackFailed:
    """The error for a callback that raised."""
    text, name = text_of(error), type(error).__name__
    told = CallbackFailed(
        callback=callback.name,
        whose=callback.whose,
        reason=f"{name}: {text}" if text else name,
        traceback=user_traceback(error),
        exception=class_name(type(error)),
    )
    told.__cause__ = error
    return told


def failure_of_callback(error: CallbackFailed) -> Failure:
    """The same as it is recorded."""
    return Failure(FailureKind.CALLBACK, str(error), error.traceback, error.exception)


def agrees(callback: Callback, answer: Any) -> bool:
    """Whether a `before` lets the task run.

    Raises:
        CallbackFailed: it returned neither True, False nor None.
    """
    if answer is None or isinstance(answer, bool):
        return answer is not False
    cls = type(answer)
    if cls.__module__ == "numpy" and cls.__name__ in ("bool", "bool_"):
        return bool(answer)
    raise CallbackFailed(
        callback=callback.name,
        whose=callback.whose,
        reason=f"it returned {_short(answer)}, wanted True, False or None",
    )


def seconds_of(callback: Callback, answer: Any) -> float | bool:
    """What a policy says of another attempt: whether there is to be one, or after how many seconds.

    Raises:
        CallbackFailed: it returned something else.
    """
    if isinstance(answer, bool):
        return answer
    if isinstance(answer, int | float) and 0 <= answer < float("inf"):
        return float(answer)
    raise CallbackFailed(
        callback=callback.name,
        whose=callback.whose,
        reason=f"it returned {_short(answer)}, wanted True, False or seconds",
    )


def _short(answer: Any) -> str:
    try:
        text = repr(answer)
    except Exception:  # noqa: BLE001 - user code: an object's own `__repr__`
        text = ""
    return text if 0 < len(text) <= 80 else f"a {type(answer).__qualname__}"
