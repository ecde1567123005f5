"""What a task is for, in a word that people look for it by. Changes nothing of how it runs."""

from __future__ import annotations

from enum import StrEnum


class TaskTypes(StrEnum):
    """The words that are known; any other text will do too."""

    training = "training"
    testing = "testing"
    inference = "inference"
    data_processing = "data_processing"
    application = "application"
    monitor = "monitor"
    controller = "controller"
    optimizer = "optimizer"
    service = "service"
    qc = "qc"
    custom = "custom"
