"""Pipelines that are swept over. A log of what really ran is kept beside the home."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipekit import component, log_metric, pipeline


def note(text: str) -> None:
    with open(os.environ["SWEEP_JOURNAL"], "a") as file:
        file.write(f"{text}\n")


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


@component
def load(count: int) -> list[float]:
    note("load")
    time.sleep(0.1)
    return [float(number) for number in range(count)]


@component
def fit(data: list[float], rate: float, depth: int) -> float:
    note(f"fit {rate} {depth}")
    return (rate - 0.3) ** 2 + (depth - 3) ** 2 + 0 * sum(data)


@pipeline
def train(rate: float = 0.5, depth: int = 2, count: int = 10) -> float:
    loss = fit(load(count), rate, depth)
    log_metric("error", float(loss))
    return loss


@component(cache=False)
def fragile(rate: float) -> float:
    if rate > 0.5:
        raise ValueError(f"{rate} is too much")
    return rate


@pipeline
def fragile_train(rate: float) -> float:
    return fragile(rate)


@component(cache=False)
def learn(rate: int, hold: str) -> int:
    """Goes on until it is told to stop, where it is a bad one."""
    for epoch in range(3):
        log_metric("loss", float(rate), step=epoch)
        time.sleep(0.25 if hold else 0.0)
    if hold and rate > 10:
        wait_for(Path(hold))
    return rate


@pipeline
def learning(rate: int, hold: str = "") -> int:
    return learn(rate, hold)


@pipeline
def logging_itself(rate: int, hold: str = "") -> int:
    for epoch in range(3):
        log_metric("loss", float(rate), step=epoch)
    if hold and rate > 10:
        learn(0, "")
        while True:
            learn.options(key=str(time.monotonic()))(0, "").__index__()
    return rate


@pipeline
def two_that_log(rate: int) -> int:
    return learn(rate, "") + learn(rate + 1, "")


@component(cache=False)
def held(rate: float, gate: str) -> float:
    note(f"held {rate}")
    if rate > 1:
        wait_for(Path(gate))
    return rate


@pipeline
def holding(rate: float, gate: str) -> float:
    return held(rate, gate)
