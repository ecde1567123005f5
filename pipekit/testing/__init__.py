"""For tests of pipelines: assertions about runs, a home of a test's own, a clock whose waits pass
at once. The pytest plugin is `pipekit.testing.plugin`; `pipekit.testing.suites` is for adapters.

Names are loaded when they are first used, so that the plugin costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.testing.assertion import assert_ran as assert_ran
    from pipekit.testing.assertion import assert_reused as assert_reused
    from pipekit.testing.fake_clock import FakeClock as FakeClock
    from pipekit.testing.home import Home as Home
    from pipekit.testing.home import temporary_home as temporary_home
    from pipekit.testing.one_step import run_step as run_step

_EXPORTS = {
    "FakeClock": "pipekit.testing.fake_clock",
    "Home": "pipekit.testing.home",
    "assert_ran": "pipekit.testing.assertion",
    "assert_reused": "pipekit.testing.assertion",
    "run_step": "pipekit.testing.one_step",
    "temporary_home": "pipekit.testing.home",
}

if not TYPE_CHECKING:  # else every name would be one, of any type
    __all__ = list(_EXPORTS)

    def __getattr__(name: str) -> Any:
        module = _EXPORTS.get(name)
        if module is None:
            raise AttributeError(f"module 'pipekit.testing' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(module), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
