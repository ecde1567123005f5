"""`pipekit gc`: deletes what is not needed any more, and says what that was."""

from __future__ import annotations

import json

from pipekit.cli.amount import parse_bytes, parse_seconds
from pipekit.cli.home import has_store, open_home
from pipekit.cli.outcome import DONE, tell
from pipekit.console.quantity import bytes_text, moment_text
from pipekit.control.collection import Collection, Report
from pipekit.errors import short
from pipekit.settings import read_settings

_MOST_RUNS = 10


def collect(*, size: str, runs_older_than: str, grace: str, dry: bool, as_json: bool) -> int:
    """Delete, or say what would be; the exit code.

    Raises:
        UsageError: a size or a duration is none.
        StoreError: the home cannot be read or written.
    """
    most_bytes = parse_bytes("--size", size) if size else None
    older = parse_seconds("--runs-older-than", runs_older_than) if runs_older_than else None
    grace_seconds = parse_seconds("--grace", grace)
    if not has_store(read_settings()):
        tell("There is nothing to delete: nothing was ever recorded.")
        if as_json:
            print(json.dumps(_plain(Report(), dry=dry)))
        return DONE
    with open_home() as home:
        report = Collection(
            home.archive, older_than_seconds=older, most_bytes=most_bytes,
            grace_seconds=grace_seconds, dry=dry,
        ).run()  # fmt: skip
    if as_json:
        print(json.dumps(_plain(report, dry=dry)))
    else:
        _tell(report, dry=dry)
    if most_bytes is not None and report.left_bytes > most_bytes:
        tell(
            f"{bytes_text(report.left_bytes)} of values are left, more than {size}: they belong to "
            f"runs that go on, are pinned or ended within the last {grace}."
        )
    return DONE


def _tell(report: Report, *, dry: bool) -> None:
    print("Would delete:" if dry else "Deleted:")
    runs = "run" if len(report.runs) == 1 else "runs"
    rows = (
        (len(report.runs), runs, f"with {report.tasks} tasks in all"),
        (report.memos, "entries of the cache", ""),
        (report.contents, "small values", bytes_text(report.content_bytes)),
        (report.blobs, "blobs", bytes_text(report.blob_bytes)),
        (report.logs, "logs", bytes_text(report.log_bytes)),
        (report.others, "temporary files and copies", bytes_text(report.other_bytes)),
    )
    for count, what, more in rows:
        if count:
            print(f"  {count} {what}{', ' + more if more else ''}")
    for run in report.runs[:_MOST_RUNS]:
        print(f"    {short(run.id)} {run.name}, {moment_text(run.created_at)}")
    if len(report.runs) > _MOST_RUNS:
        print(f"    and {len(report.runs) - _MOST_RUNS} more")
    if not any(count for count, _, _ in rows):
        print("  nothing")
    print(
        f"{bytes_text(report.bytes)} {'would be' if dry else 'are'} free; "
        f"{bytes_text(report.left_bytes)} of values {'would be ' if dry else ''}left."
    )


def _plain(report: Report, *, dry: bool) -> dict[str, object]:
    return {
        "dry": dry,
        "runs": [run.id for run in report.runs],
        "tasks": report.tasks,
        "entries": report.memos,
        "contents": report.contents,
        "blobs": report.blobs,
        "logs": report.logs,
        "others": report.others,
        "content_bytes": report.content_bytes,
        "blob_bytes": report.blob_bytes,
        "log_bytes": report.log_bytes,
        "other_bytes": report.other_bytes,
        "bytes": report.bytes,
        "left_bytes": report.left_bytes,
        "going": [run.id for run in report.going],
    }
