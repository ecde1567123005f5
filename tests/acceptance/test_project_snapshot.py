"""Which files of a project travel, and that they arrive as they were."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.snapshot import pack, unpack
from pipekit.capture.project_files import TooLarge, commit_of, project_files
from pipekit.control.project_snapshot import take_snapshot
from pipekit.errors import PipekitError
from pipekit.settings import Settings

LIMIT = 10_000_000


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def names(root: Path, limit: int = LIMIT) -> list[str]:
    return [f.path for f in project_files(root, home=root / ".pipekit", limit_bytes=limit)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = tmp_path / "project"
    root.mkdir()
    return Settings(home=root / ".pipekit", project_root=root)


class TestWhichFiles:
    def test_in_a_repository_those_that_git_tracks_or_would(self, tmp_path: Path) -> None:
        write(tmp_path, a="1", b="2", skipped="3", **{".gitignore": "skipped\n"})
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", "a")
        assert names(tmp_path) == [".gitignore", "a", "b"]

    def test_a_tracked_file_that_was_deleted_is_none(self, tmp_path: Path) -> None:
        write(tmp_path, a="1", b="2")
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", ".")
        (tmp_path / "a").unlink()
        assert names(tmp_path) == ["b"]

    def test_the_folder_may_lie_within_a_repository(self, tmp_path: Path) -> None:
        write(tmp_path, outside="1", sub__a="2")
        git(tmp_path, "init", "-q")
        assert names(tmp_path / "sub") == ["a"]

    def test_a_repository_in_the_repository_travels_too(self, tmp_path: Path) -> None:
        write(tmp_path, a="1", part__b="2")
        git(tmp_path / "part", "init", "-q")
        git(tmp_path / "part", "add", ".")
        git(tmp_path / "part", "commit", "-qm", "x")
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", ".")
        assert names(tmp_path) == ["a", "part/b"]

    def test_without_git_all_but_what_tools_made(self, tmp_path: Path) -> None:
        write(tmp_path, a="1", pkg__b="2", __pycache____c="3", env__pyvenv="4", skipped="5")
        write(tmp_path, **{"env/pyvenv.cfg": "", "__pycache__/x.pyc": "", ".gitignore": "skipped"})
        assert names(tmp_path) == [".gitignore", "a", "pkg/b"]

    @pytest.mark.parametrize("tracked", [True, False])
    def test_the_ignore_file_leaves_out_more(self, tmp_path: Path, tracked: bool) -> None:
        write(tmp_path, a="1", data__big="2", data__keep="3")
        write(tmp_path, **{".pipekitignore": "data/*\n!data/keep\n"})
        if tracked:
            git(tmp_path, "init", "-q")
            git(tmp_path, "add", ".")
        assert names(tmp_path) == [".pipekitignore", "a", "data/keep"]

    def test_the_home_is_no_part_of_it(self, tmp_path: Path) -> None:
        write(tmp_path, a="1", **{".pipekit/key": "secret"})
        assert names(tmp_path) == ["a"]

    def test_a_link_to_the_outside_travels_as_what_it_holds(self, tmp_path: Path) -> None:
        write(tmp_path, elsewhere="text", project__a="1")
        os.symlink(tmp_path / "elsewhere", tmp_path / "project" / "far")
        os.symlink("a", tmp_path / "project" / "near")
        found = project_files(tmp_path / "project", home=tmp_path / "h", limit_bytes=LIMIT)
        assert [(f.path, f.link, f.size_bytes) for f in found] == [
            ("a", "", 1),
            ("far", "", 4),
            ("near", "a", 0),
        ]

    def test_too_much_is_refused_and_the_largest_files_are_named(self, tmp_path: Path) -> None:
        write(tmp_path, a="1" * 600_000, b="2" * 900_000, c="3")
        with pytest.raises(TooLarge, match=r"1\.5 MB.*b \(0\.9 MB\), a \(0\.6 MB\)") as raised:
            names(tmp_path, limit=1_000_000)
        assert ".pipekitignore" in str(raised.value)

    def test_the_state_of_the_repository_is_named(self, tmp_path: Path) -> None:
        assert commit_of(tmp_path) == ""
        write(tmp_path, a="1")
        git(tmp_path, "init", "-q", "-b", "main")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", "x")
        assert commit_of(tmp_path).startswith("main@")
        write(tmp_path, a="2")
        assert commit_of(tmp_path).endswith(" with changes")


class TestArrival:
    def test_files_links_and_modes_come_back(self, settings: Settings, tmp_path: Path) -> None:
        root = settings.project_root
        write(root, a="1", pkg__ü="text", run="#!/bin/sh")
        (root / "run").chmod(0o755)
        os.symlink("a", root / "near")
        blobs = LocalBlobStore(settings.blob_folder)
        blob = blobs.find(take_snapshot(settings, blobs).blob)
        assert blob is not None
        unpack(blob, tmp_path / "copy")
        copy = tmp_path / "copy"
        assert (copy / "pkg" / "ü").read_text() == "text"
        assert os.access(copy / "run", os.X_OK)
        assert not os.access(copy / "a", os.X_OK)
        assert os.readlink(copy / "near") == "a"

    def test_equal_files_give_the_same_blob_wherever_they_lie(self, tmp_path: Path) -> None:
        found = []
        for name in ("one", "two"):
            root = tmp_path / name
            root.mkdir()
            write(root, a="1", b__c="2")
            blobs = LocalBlobStore(tmp_path / f"blobs-{name}")
            found.append(take_snapshot(Settings(root / ".pipekit", root), blobs).blob)
        assert found[0] == found[1]

    def test_a_changed_file_gives_another(self, settings: Settings) -> None:
        blobs = LocalBlobStore(settings.blob_folder)
        write(settings.project_root, a="1")
        before = take_snapshot(settings, blobs).blob
        assert take_snapshot(settings, blobs).blob == before
        write(settings.project_root, a="2")
        assert take_snapshot(settings, blobs).blob != before

    def test_a_blob_that_is_gone_is_made_anew(self, settings: Settings) -> None:
        blobs = LocalBlobStore(settings.blob_folder)
        write(settings.project_root, a="1")
        first = take_snapshot(settings, blobs).blob
        blobs.remove(first)
        assert blobs.find(take_snapshot(settings, blobs).blob) is not None

    @pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out"])
    def test_a_hostile_name_writes_nothing_outside(self, tmp_path: Path, name: str) -> None:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        blob = tmp_path / "blob"
        packed = zlib.compressobj(1, zlib.DEFLATED, 31)
        blob.write_bytes(packed.compress(raw.getvalue()) + packed.flush())
        with pytest.raises(PipekitError, match="out"):
            unpack(blob, tmp_path / "in" / "copy")
        assert [p.name for p in tmp_path.iterdir()] == ["blob", "in"] or not (
            tmp_path / "out"
        ).exists()

    def test_a_hostile_link_leads_nowhere(self, tmp_path: Path) -> None:
        write(tmp_path, p__a="1")
        blobs = LocalBlobStore(tmp_path / "blobs")
        digest = pack(tmp_path / "p", [("x", 0o644, "../../etc")], blobs)
        blob = blobs.find(digest)
        assert blob is not None
        with pytest.raises(PipekitError, match="leads out"):
            unpack(blob, tmp_path / "copy")

    @pytest.mark.parametrize("keep", [0, 10, -8])
    def test_a_blob_that_is_cut_off_is_an_error(self, tmp_path: Path, keep: int) -> None:
        write(tmp_path, p__a="1" * 5000)
        blobs = LocalBlobStore(tmp_path / "blobs")
        blob = blobs.find(pack(tmp_path / "p", [("a", 0o644, "")], blobs))
        assert blob is not None
        cut = tmp_path / "cut"
        cut.write_bytes(blob.read_bytes()[:keep])
        with pytest.raises(PipekitError, match="cannot be unpacked"):
            unpack(cut, tmp_path / "copy")
