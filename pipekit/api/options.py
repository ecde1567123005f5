"""The options of components and pipelines as type checkers and editors know them.

Never imported at run time: what holds there is checked in `pipekit.model.options` and `pipeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, TypedDict

from pipekit.api.task import Task
from pipekit.model.status import Status

BlindSpots = Literal["warn", "rerun", "error", "ok"]
OnFailure = Literal["fail", "continue"]


RetryPolicy: TypeAlias = Callable[[Exception, int], bool | float]
Before: TypeAlias = Callable[[Task], bool | None]
After: TypeAlias = Callable[[Task], object]
OnStatus: TypeAlias = Callable[[Task, Status, Status], object]


class CallKeywords(TypedDict, total=False):
    """What `@component(…)` and `.options(…)` of a component both take; see `component` for each."""

    name: str
    outputs: str | Iterable[str] | None
    cache: bool | timedelta | None
    version: str | int
    retries: int
    retry_delay: float
    retry_delay_max: float
    retry_on: type[BaseException] | Iterable[type[BaseException]] | RetryPolicy
    timeout: float | None
    executor: str
    resources: Mapping[str, int | float | str] | None
    memory_retries: int
    depends_on: object
    ignore: str | Iterable[str]
    blind_spots: BlindSpots
    before: Before | None
    on_status: OnStatus | None


class ComponentKeywords(CallKeywords, total=False):
    """What `@component(…)` takes; `after` of `.options(…)` may also be what to wait for."""

    after: After | None


class PipelineKeywords(TypedDict, total=False):
    """What `@pipeline(…)` takes; see `pipeline` for each."""

    name: str
    project: str
    version: str
    on_failure: OnFailure
    executor: str
    before: Before | None
    after: After | None
    on_status: OnStatus | None
    queue: str
    cache: bool
