"""The options of components and pipelines as type checkers and editors know them.

Never imported at run time: what holds there is checked in `pipekit.model.options` and `pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, TypedDict

BlindSpots = Literal["warn", "rerun", "error", "ok"]
OnFailure = Literal["fail", "continue"]


class ComponentKeywords(TypedDict, total=False):
    """What `@component(…)` and `.options(…)` of a component take; see `component` for each."""

    name: str
    outputs: str | Iterable[str] | None
    cache: bool | timedelta | None
    version: str | int
    retries: int
    retry_delay: float
    retry_on: type[BaseException] | Iterable[type[BaseException]]
    timeout: float | None
    executor: str
    depends_on: object
    ignore: str | Iterable[str]
    blind_spots: BlindSpots


class PipelineKeywords(TypedDict, total=False):
    """What `@pipeline(…)` takes; see `pipeline` for each."""

    name: str
    project: str
    version: str
    on_failure: OnFailure
    executor: str
    cache: bool
