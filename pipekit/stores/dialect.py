"""The words in which databases differ. What else `sql` and `schema` say is said once for all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one database says what has no common word."""

    placeholder: str
    """A bound value in a statement."""
    begin: str
    """Begins a writing transaction. Where it keeps no other writer out, `lock_rows` must."""
    lock_rows: str
    """Ends a SELECT of tasks (alias `t`) that the transaction is about to judge and change."""
    lock_first: str
    """Ends a SELECT of one task (alias `t`) that the transaction takes for itself, passing over
    those that others are about to take."""
    lock_schema: str
    """Keeps other migrations out until the transaction ends; empty where `begin` does."""
    has_table: str
    """Selects a row if a table of the bound name exists."""
    sequence: str
    """Type of a primary key that counts up by itself, in the order of insertion."""
    binary: str
    """Type of a column of bytes."""
    key: str
    """Type of a text column that is compared and sorted by its bytes."""
    clustered: str
    """Ends a CREATE TABLE whose rows are to lie in the order of their primary key."""


SQLITE = Dialect(
    placeholder="?",
    begin="BEGIN IMMEDIATE",
    lock_rows="",
    lock_first="",
    lock_schema="",
    has_table="SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
    sequence="INTEGER PRIMARY KEY",
    binary="BLOB",
    key="TEXT",
    clustered=" WITHOUT ROWID",
)
