"""Pipelines whose components are called in threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

from joblib import Parallel, delayed

from pipekit import component, get, log_metric, pipeline


@component
def square(x: int) -> int:
    return x * x


executor = ThreadPoolExecutor(2)
pool = ThreadPool(2)


@pipeline
def own_threads(n: int) -> Any:
    found: list[int] = []
    threads = [threading.Thread(target=lambda i=i: found.append(square(i))) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(get(found))


@pipeline
def own_executor(n: int) -> Any:
    with ThreadPoolExecutor(2) as mine:
        return list(mine.map(square, range(n)))


@pipeline
def kept_executor(n: int) -> Any:
    return [future.result() for future in [executor.submit(square, i) for i in range(n)]]


@pipeline
def kept_pool(n: int) -> Any:
    return [
        pool.map(square, range(n)),
        pool.apply(square, (n,)),
        list(pool.imap(square, range(n))),
        pool.starmap_async(func=square, iterable=[(n,)]).get(),
    ]


@pipeline
def joblib_threads(n: int) -> Any:
    return Parallel(n_jobs=2, prefer="threads")(delayed(square)(i) for i in range(n))


@pipeline
def event_loop(n: int) -> Any:
    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(square, i) for i in range(n)))

    return asyncio.run(all_of_them())


_kept: list[threading.Thread] = []
_wanted: Any = None


@pipeline
def kept_thread(n: int) -> Any:
    import queue

    global _wanted
    if not _kept:
        _wanted = queue.Queue()
        _kept.append(threading.Thread(target=_serve, daemon=True))
        _kept[0].start()
    answer: Any = queue.Queue()
    _wanted.put((n, answer))
    found = answer.get()
    if isinstance(found, BaseException):
        raise found
    return found


@pipeline
def doubled(number: int) -> int:
    log_metric("number", number)
    return 2 * number


def _serve() -> None:
    while True:
        n, answer = _wanted.get()
        try:
            answer.put(get(square(n)))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            answer.put(error)
