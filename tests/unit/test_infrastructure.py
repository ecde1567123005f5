"""What a step lacks around it is told from what it does itself."""

from __future__ import annotations

import errno
import os

import pytest

from pipekit.errors import ArtifactError, NotSerializable, StoreUnavailable
from pipekit.model.failure import FailureKind
from pipekit.worker.infrastructure import is_infrastructure, kind_of, no_worker, sentence_of


def os_error(number: int, file: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), file)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("The artifact store cannot use '/home': full."),
        os_error(errno.ENOSPC),
        os_error(errno.EDQUOT),
        os_error(errno.EIO),
        caused(NotSerializable(where="Output 'x'", type_name="T"), os_error(errno.ENOSPC)),
        caused(ArtifactError("cannot be loaded"), os_error(errno.EMFILE)),
    ],
)
def test_space_disks_and_descriptors_are_infrastructure(error: Exception) -> None:
    assert kind_of(error, FailureKind.OUTPUTS) is FailureKind.INFRASTRUCTURE


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        os_error(errno.ENOENT),
        NotSerializable(where="Output 'x'", type_name="lock"),
        caused(NotSerializable(where="Output 'x'", type_name="T"), TypeError("lock")),
        caused(ValueError("mine"), os_error(errno.ENOSPC)),
    ],
)
def test_what_the_value_is_to_blame_for_is_not(error: Exception) -> None:
    assert not is_infrastructure(error)
    assert kind_of(error, FailureKind.OUTPUTS) is FailureKind.OUTPUTS


def test_the_sentence_says_what_to_do() -> None:
    wrong = "Output 'x' is a T, which no serializer accepts"
    error = caused(NotSerializable(where="Output 'x'", type_name="T"), os_error(errno.ENOSPC, "/a"))
    said = sentence_of(error, "What it returned cannot be stored")
    assert wrong not in said
    assert said.startswith("What it returned cannot be stored: No space left on device (/a). Hint")
    assert "free some space" in said


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EAGAIN, "end other processes"), (errno.EMFILE, "ulimit -n"), (errno.ENOSPC, "space")],
)
def test_why_no_worker_can_be_started_says_what_to_do(number: int, hint: str) -> None:
    said = no_worker(os_error(number))
    assert said.startswith(f"No worker process can be started: {os.strerror(number)}")
    assert hint in said
