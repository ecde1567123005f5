"""What `cache=` takes, how ages and sizes are typed, and who may write a home."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from pipekit import component, pipeline
from pipekit.artifacts.blob import LocalBlobStore
from pipekit.cli.amount import parse_bytes, parse_seconds
from pipekit.control.gate import Gate
from pipekit.control.private import check_private
from pipekit.errors import HomeNotPrivate, UsageError
from pipekit.model.options import ComponentOptions
from pipekit.settings import Settings


def test_an_age_is_a_timedelta_above_zero() -> None:
    assert ComponentOptions(cache=timedelta(minutes=1)).most_seconds == 60.0
    for wrong in (timedelta(), timedelta(seconds=-1), 60, 1.5, "1d"):
        with pytest.raises(UsageError, match="cache="):
            component(cache=wrong)(len)  # type: ignore[call-overload]


def test_an_age_is_recorded_in_words() -> None:
    assert ComponentOptions(cache=timedelta(days=1)).settings() == {"cache": "1 day, 0:00:00"}


def test_none_alone_is_kept_where_caching_was_asked_for() -> None:
    kept = [ComponentOptions(cache=c).keeps_none for c in (True, timedelta(1), None, False)]
    assert kept == [True, True, False, False]


def test_a_pipeline_takes_names_of_steps_to_refresh() -> None:
    flow = pipeline(lambda: None)
    assert flow.options(refresh="fit").refresh == ("fit",)
    assert flow.options(refresh=["fit", "load"], cache=False).options(name="a").cache is False
    with pytest.raises(UsageError, match="refresh="):
        flow.options(refresh=[""])
    with pytest.raises(UsageError, match="cache="):
        pipeline(cache="no")(len)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5 min", 90), ("2h", 7200), ("30d", 2592000), ("0s", 0)]
)
def test_an_age_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_seconds("--grace", text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1d2h"])
def test_what_is_no_age_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_seconds("--grace", text)


@pytest.mark.parametrize(("text", "size"), [("10GB", 10**10), ("1kib", 1024), ("5", 5)])
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_bytes("--size", text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "10 apples"])
def test_what_is_no_size_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        parse_bytes("--size", text)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    (home / "blobs").mkdir(parents=True)
    home.chmod(0o700)
    (home / "key").write_text("")
    (home / "key").chmod(0o600)
    return Settings(home=home, project_root=tmp_path)


def test_a_home_of_ones_own_is_used(settings: Settings) -> None:
    check_private(settings)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
@pytest.mark.parametrize("name", ["", "blobs"])
def test_a_folder_that_others_may_write_is_refused(
    settings: Settings, name: str, mode: int
) -> None:
    (settings.home / name).chmod(mode)
    with pytest.raises(HomeNotPrivate, match=r"may be written .* chmod go-w"):
        check_private(settings)


def test_a_key_that_others_may_read_is_refused(settings: Settings) -> None:
    (settings.home / "key").chmod(0o640)
    with pytest.raises(HomeNotPrivate, match="chmod go= "):
        check_private(settings)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_home_of_another_user_is_refused(settings: Settings) -> None:
    os.chown(settings.home, 12345, -1)
    with pytest.raises(HomeNotPrivate, match=r"another user .* chown"):
        check_private(settings)


def test_the_gate_is_held_alone_or_shared(tmp_path: Path) -> None:
    import fcntl

    one = Gate(tmp_path / "gate")
    with one.hold(), open(tmp_path / "gate", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with (
        one.hold(alone=True),
        open(tmp_path / "gate", "rb") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    one.close()


def test_a_blob_that_was_taken_out_by_a_process_that_died_comes_back(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "ab").mkdir()
    digest = "ab" * 32
    (tmp_path / "tmp" / f"old-{digest}-0123456789abcdef").write_bytes(b"x")
    blobs.restore()
    found = blobs.find(digest)
    assert found is not None
    assert found.read_bytes() == b"x"
    assert list((tmp_path / "tmp").iterdir()) == []
