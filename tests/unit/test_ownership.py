"""Whose code a file is."""

from __future__ import annotations

import collections
import json
import os
from pathlib import Path

import numpy
import pytest

from pipekit.capture.ownership import (
    PACKAGE,
    PIPEKIT,
    STANDARD,
    USER,
    owner_of_file,
    owner_of_module,
)


def test_a_file_of_the_project_is_the_users() -> None:
    assert owner_of_file(__file__).kind == USER


def test_a_notebook_cell_is_the_users() -> None:
    assert owner_of_file("<ipython-input-1-abc>").kind == USER


@pytest.mark.parametrize("file", [json.__file__, collections.__file__, "<frozen os>"])
def test_the_standard_library_is_known_by_its_folder(file: str) -> None:
    assert owner_of_file(file).kind == STANDARD


@pytest.mark.parametrize("name", ["sys", "builtins", "os.path", "_thread"])
def test_modules_without_a_file_of_their_own_are_known(name: str) -> None:
    assert owner_of_module(name).kind == STANDARD


def test_pipekit_is_no_ones_dependency() -> None:
    import pipekit.errors

    assert owner_of_file(str(pipekit.errors.__file__)).kind == PIPEKIT


def test_an_installed_file_belongs_to_its_distribution_in_its_version() -> None:
    owner = owner_of_file(str(numpy.linalg.__file__))
    assert (owner.kind, owner.distribution, owner.version) == (PACKAGE, "numpy", numpy.__version__)


def test_a_distribution_is_found_whose_name_is_not_that_of_its_package() -> None:
    import sklearn

    assert owner_of_file(str(sklearn.__file__)).distribution == "scikit-learn"


def install(site: Path, distribution: str, version: str, *files: str) -> Path:
    info = site / f"{distribution}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
    return info


def test_a_namespace_that_two_distributions_share_is_told_apart(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install(site, "acme_one", "1.0", "acme/one/__init__.py")
    install(site, "acme_two", "2.0", "acme/two/__init__.py")
    owner = owner_of_file(str(site / "acme" / "two" / "__init__.py"))
    assert (owner.distribution, owner.version) == ("acme-two", "2.0")


def test_an_editable_install_is_the_users(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install(site, "mine", "1.0", "__editable__.mine.pth")
    source = tmp_path / "src" / "mine" / "__init__.py"
    source.parent.mkdir(parents=True)
    source.write_text("")
    assert owner_of_file(str(source)).kind == USER


def test_what_was_copied_into_the_packages_by_hand_counts_by_content(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install(site, "other", "1.0", "other/__init__.py")
    copied = site / "copied_by_hand.py"
    copied.write_text("")
    assert owner_of_file(str(copied)).kind == USER


def test_a_package_installed_from_a_folder_counts_by_its_files_too(tmp_path: Path) -> None:
    digests = set()
    for content in ("a", "b"):
        site = tmp_path / content / "site-packages"
        info = install(site, "mine", "1.0", "mine/__init__.py")
        (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {}}')
        (info / "RECORD").write_text(f"mine/__init__.py,sha256={content},1\n")
        digests.add(owner_of_file(os.fspath(site / "mine" / "__init__.py")).digest)
    assert len(digests) == 2
