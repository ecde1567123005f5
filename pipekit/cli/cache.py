"""`pipekit cache`: what is remembered, and forgetting or keeping it. Deletes no bytes: that is up
to `gc`."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pipekit.cli.home import Home, has_store, open_home
from pipekit.cli.outcome import DONE, FAILED, tell
from pipekit.console.quantity import bytes_text, moment_text
from pipekit.console.table import draw_table
from pipekit.errors import NotFound, UsageError, nearest, short
from pipekit.model.records import Memo
from pipekit.settings import read_settings

_KEY_CHARACTERS = 12
_FEWEST_CHARACTERS = 6
"""Of a key or an id, so that a mistyped name is not taken for one."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are meant: all that fit everything that is said."""

    names: tuple[str, ...] = ()
    """Components (`fit`, `flow:fit`), or the beginnings of keys or of ids of steps."""
    run: str = ""
    """Id of the run that computed them."""
    older_than_seconds: float | None = None
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.names or self.run or self.everything) and self.older_than_seconds is None


@dataclass(frozen=True, slots=True)
class Entry:
    """A memo, and what became of it."""

    memo: Memo
    component: str
    hits: int
    used_at: float
    pinned: bool

    @property
    def size_bytes(self) -> int:
        return sum(value.size_bytes for _, value in self.memo.outputs)


def list_entries(selection: Selection, *, limit: int, as_json: bool) -> int:
    """Print the entries, those used last first; the exit code."""
    if not has_store(read_settings()):
        return _nothing(as_json, "[]")
    with open_home() as home:
        entries = _select(home, selection)
        entries.sort(key=lambda entry: entry.used_at, reverse=True)
        now = home.archive.clock.now()
        if as_json:
            print(json.dumps([_plain(entry, now) for entry in entries[:limit]]))
            return DONE
        if not entries:
            return _nothing(as_json, "")
        draw_table(
            ("key", "component", "run", "size", "computed", "hits", "last used", ""),
            [_row(entry) for entry in entries[:limit]],
        )
        if len(entries) > limit:
            tell(f"{len(entries) - limit} more: --limit {len(entries)}")
    return DONE


def remove_entries(selection: Selection, *, without_asking: bool) -> int:
    """Forget entries, once that is confirmed; the exit code.

    Raises:
        UsageError: nothing is named, or nobody can be asked.
    """
    _check_said(selection, "rm")
    with open_home() as home:
        entries = _select(home, selection)
        if not entries:
            tell("No entry of the cache is meant: nothing was removed.")
            return DONE
        if not without_asking and not _confirmed(f"Forget {_count(entries)}?"):
            tell("Nothing was removed.")
            return FAILED
        keys = [entry.memo.key for entry in entries]
        removed = sum(home.store.remove_memo(key) for key in keys)
        home.store.unpin(keys)
        tell(
            f"Removed {_number(removed)}. Values that runs refer to stay with them; 'pipekit gc' "
            "deletes those that nothing refers to."
        )
    return DONE


def pin_entries(selection: Selection, *, off: bool) -> int:
    """Keep entries from `gc`, or no longer; a run that is named is kept with all that it made. The
    exit code.

    Raises:
        UsageError: nothing is named.
    """
    _check_said(selection, "pin")
    with open_home() as home:
        entries = _select(home, selection)
        ids = [entry.memo.key for entry in entries]
        what = _count(entries)
        if selection.run and not selection.names:
            run = home.get_task(selection.run)
            ids.append(run.id)
            what = f"run {run.name} {short(run.id)}, and {what}"
        if not ids:
            tell("No entry of the cache is meant: nothing was pinned.")
            return DONE
        (home.store.unpin if off else home.store.pin)(ids)
        tell(f"{'No longer pinned' if off else 'Pinned'}: {what}.")
    return DONE


def print_stats(*, as_json: bool) -> int:
    """Print how much is remembered, and how often it was of use; the exit code."""
    if not has_store(read_settings()):
        return _nothing(as_json, json.dumps(_stats([], {})))
    with open_home() as home:
        stats = _stats(_entries(home), home.store.count_outcomes())
    if as_json:
        print(json.dumps(stats))
        return DONE
    hits, misses = stats["hits"], stats["misses"]
    share = f" ({hits / (hits + misses):.0%})" if hits + misses else ""
    print(
        f"{stats['entries']} entries, {bytes_text(stats['bytes'])}, {stats['pinned']} pinned. Of "
        f"{hits + misses} completed steps {hits}{share} were reused."
    )
    draw_table(
        ("component", "entries", "size", "reused", "computed"),
        [
            [name, str(row["entries"]), bytes_text(row["bytes"]), str(row["hits"]),
             str(row["misses"])]
            for name, row in stats["components"].items()
        ],
    )  # fmt: skip
    return DONE


def _entries(home: Home) -> list[Entry]:
    uses, pins = home.store.count_uses(), home.store.list_pins()
    entries = []
    for memo in home.store.list_memos():
        hits, used_at = uses.get(memo.task_id, (0, 0.0))
        component = memo.component or _component_of(home, memo)
        last = max(memo.created_at, used_at)
        entries.append(Entry(memo, component, hits, last, memo.key in pins))
    return entries


def _component_of(home: Home, memo: Memo) -> str:
    task = home.store.find_task(memo.task_id)
    return task.spec.entry if task is not None else "?"


def _select(home: Home, selection: Selection) -> list[Entry]:
    """
    Raises:
        NotFound: a name is that of nothing.
    """
    entries = _entries(home)
    known = {entry.component for entry in entries}
    for name in selection.names:
        if not any(_is_meant(entry, name) for entry in entries):
            names = sorted({component.rpartition(":")[2] for component in known})
            listed = f"There are: {', '.join(names[:12])}." if names else "It is empty."
            raise NotFound(
                f"The cache has no component, key or step {name!r}. {listed}",
                hint=nearest(name, names) or "'pipekit cache ls' lists the entries.",
            )
    if selection.names:
        entries = [e for e in entries if any(_is_meant(e, name) for name in selection.names)]
    if selection.run:
        run = home.get_task(selection.run)
        ids = {run.id} | _below(home, run.id)
        entries = [entry for entry in entries if entry.memo.task_id in ids]
    if selection.older_than_seconds is not None:
        until = home.archive.clock.now() - selection.older_than_seconds
        entries = [entry for entry in entries if entry.memo.created_at < until]
    return entries


def _below(home: Home, run: str) -> set[str]:
    ids: set[str] = set()
    for task in home.store.list_tasks(parent=run):
        ids |= {task.id} | _below(home, task.id)
    return ids


def _is_meant(entry: Entry, name: str) -> bool:
    component = entry.component
    qualname = component.rpartition(":")[2]
    if name in (component, qualname, qualname.rpartition(".")[2]):
        return True
    ids = (entry.memo.key, entry.memo.task_id)
    return len(name) >= _FEWEST_CHARACTERS and any(one.startswith(name.lower()) for one in ids)


def _check_said(selection: Selection, command: str) -> None:
    if selection.is_empty:
        raise UsageError(
            f"'pipekit cache {command}' needs to know which entries.",
            hint=f"pipekit cache {command} COMPONENT, or --run ID, --older-than 30d, --all.",
        )


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here.", hint="add --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _number(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _count(entries: Collection[Entry]) -> str:
    size = bytes_text(sum(entry.size_bytes for entry in entries))
    return f"{_number(len(entries))} of the cache ({size})"


def _nothing(as_json: bool, empty: str) -> int:
    if as_json:
        print(empty)
    else:
        tell("Nothing is remembered.")
    return DONE


def _row(entry: Entry) -> list[str]:
    memo = entry.memo
    return [
        memo.key[:_KEY_CHARACTERS],
        entry.component,
        memo.run,
        bytes_text(entry.size_bytes),
        moment_text(memo.created_at),
        str(entry.hits),
        moment_text(entry.used_at),
        "pinned" if entry.pinned else "",
    ]


def _plain(entry: Entry, now: float) -> dict[str, Any]:
    memo = entry.memo
    return {
        "key": memo.key,
        "component": entry.component,
        "task": memo.task_id,
        "run": memo.run,
        "bytes": entry.size_bytes,
        "created_at": memo.created_at,
        "age_seconds": max(0.0, now - memo.created_at),
        "duration_seconds": memo.duration_seconds,
        "hits": entry.hits,
        "used_at": entry.used_at,
        "pinned": entry.pinned,
        "outputs": [name for name, _ in memo.outputs],
    }


def _stats(entries: Sequence[Entry], outcomes: dict[str, tuple[int, int]]) -> dict[str, Any]:
    components: dict[str, dict[str, int]] = {}
    for name in sorted({entry.component for entry in entries} | outcomes.keys()):
        hits, misses = outcomes.get(name, (0, 0))
        mine = [entry for entry in entries if entry.component == name]
        components[name] = {
            "entries": len(mine), "bytes": _distinct_bytes(mine), "hits": hits, "misses": misses
        }  # fmt: skip
    return {
        "entries": len(entries),
        "bytes": _distinct_bytes(entries),
        "pinned": sum(entry.pinned for entry in entries),
        "hits": sum(hits for hits, _ in outcomes.values()),
        "misses": sum(misses for _, misses in outcomes.values()),
        "components": components,
    }


def _distinct_bytes(entries: Sequence[Entry]) -> int:
    """Equal bytes are kept once."""
    sizes = {v.blob: v.size_bytes for entry in entries for _, v in entry.memo.outputs}
    return sum(sizes.values())
