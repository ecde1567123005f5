"""The pytest plugin: the fixture `pipekit_home` and the mark `pipekit`. Every pytest loads it where
pipekit is installed, so it imports nothing until the fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pipekit.testing.home import Home

_MARK = "pipekit"
_FIXTURE = "pipekit_home"
_OPTIONS = ("executor", "store", "real_clock")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "pipekit(executor='inline', store='sqlite', real_clock=False): "
        "how the fixture pipekit_home is set up.",
    )
    # Where the package is installed in place, pytest does not find its modules by itself.
    pytest.register_assert_rewrite("pipekit.testing.suites")


def pytest_runtest_setup(item: pytest.Item) -> None:
    is_marked = any(mark.name == _MARK for mark in item.own_markers)
    if is_marked and _FIXTURE not in getattr(item, "fixturenames", ()):
        pytest.fail(
            f"{item.name} is marked 'pipekit', but does not use the fixture {_FIXTURE!r}, which the"
            f" mark sets up. Hint: add {_FIXTURE} to its arguments.",
            pytrace=False,
        )


@pytest.fixture
def pipekit_home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """A home of the test's own: pipelines run there, with an empty cache and in this process.

    It has `path`, `runs` (newest first), `last_run` and `clock`; see `pipekit.testing.Home`. Its
    folder is `.pipekit` in `tmp_path`. The mark `pipekit(executor=, store=, real_clock=)` on a
    test, a class or a module sets it up otherwise, as `pipekit.testing.temporary_home` says.

    Example:
        ```python
        @pytest.mark.pipekit(executor="process:2")
        def test_it_runs_in_worker_processes(pipekit_home):
            assert train(epochs=1) > 0.9
            assert len(pipekit_home.runs) == 1
        ```
    """
    from os import environ

    from pipekit.errors import UsageError
    from pipekit.testing.home import Home

    try:
        home = Home(tmp_path / ".pipekit", **_options(request.node))
    except UsageError as error:
        pytest.fail(f"The mark 'pipekit' cannot be right: {error}", pytrace=False)
    # By `monkeypatch`, so that what the test sets by it as well is undone in the right order.
    for name in [name for name in environ if name.startswith("PIPEKIT_")]:
        monkeypatch.delenv(name)
    for name, value in home.variables.items():
        monkeypatch.setenv(name, value)
    home.open()
    yield home
    home.close()


def _options(node: pytest.Item) -> dict[str, Any]:
    """What the marks say; the nearest to the test wins."""
    options: dict[str, Any] = {}
    for mark in node.iter_markers(_MARK):
        unknown = [*map(repr, mark.args), *(name for name in mark.kwargs if name not in _OPTIONS)]
        if unknown:
            pytest.fail(
                f"The mark 'pipekit' takes {', '.join(f'{name}=' for name in _OPTIONS)}; it was "
                f"given {', '.join(unknown)}.",
                pytrace=False,
            )
        options = {**mark.kwargs, **options}
    return options
