"""What was read, as a record: digests of names and variables, what is told of it, who keeps it."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.model.trace import (
    FILE,
    LEFT,
    VARIABLE,
    WROTE,
    Read,
    digest_of_environment,
    digest_of_names,
    digest_of_variable,
)
from pipekit.stores.encoding import decode_reads, encode_reads
from pipekit.worker.caller import find_caller

TABLE: dict[str, str] = {}


def look() -> str:
    """Stands for a read."""
    return "read"


def keepers_of(function: Callable[..., object], *arguments: object) -> set[str]:
    """Who may keep what `function` reads, without this module itself. In a thread of its own, whose
    stack holds nothing of who runs the tests."""
    found: set[str] = set()

    def ask() -> str:
        found.update(find_caller(sys._getframe(1)).keepers)
        return "read"

    global look
    before, look = look, ask
    thread = threading.Thread(target=function, args=arguments)
    try:
        thread.start()
        thread.join()
    finally:
        look = before
    return {name.removeprefix(f"{__name__}.") for name in found} - {"keepers_of"}


def reads() -> str:
    return look()


@functools.lru_cache
def reads_once() -> str:
    return look()


def fills_a_table(name: str) -> str:
    TABLE[name] = look()
    return TABLE[name]


def uses_a_table() -> str:
    return TABLE.get("x", "") + look()


class Reader:
    kept = ""

    def __init__(self) -> None:
        self.text = ""

    def reads(self) -> str:
        self.text = look()
        return self.text

    @classmethod
    def reads_for_all(cls) -> str:
        cls.kept = look()
        return cls.kept

    @functools.cached_property
    def cached(self) -> str:
        return look()


READER = Reader()


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    TABLE.clear()


def test_a_function_that_returns_what_it_reads_keeps_nothing() -> None:
    assert keepers_of(reads) == set()


def test_a_function_under_lru_cache_keeps_what_it_reads() -> None:
    reads_once.cache_clear()
    assert keepers_of(reads_once) == {"reads_once"}


def test_a_function_that_fills_a_global_container_keeps_what_it_reads() -> None:
    assert keepers_of(fills_a_table, "x") == {"fills_a_table"}


def test_a_function_that_only_looks_into_a_global_container_keeps_nothing() -> None:
    assert keepers_of(uses_a_table) == set()


def test_an_object_that_the_module_holds_keeps_what_its_method_stores() -> None:
    assert keepers_of(READER.reads) == {"Reader.reads"}


def test_an_object_of_the_steps_own_keeps_nothing_for_others() -> None:
    assert keepers_of(Reader().reads) == set()


def test_a_class_keeps_what_its_method_stores_on_it() -> None:
    assert keepers_of(Reader.reads_for_all) == {"Reader.reads_for_all"}


def test_a_cached_property_keeps_what_it_reads() -> None:
    assert keepers_of(lambda: Reader().cached) == {"Reader.cached"}


def test_every_function_on_the_way_is_asked() -> None:
    @functools.lru_cache
    def outer() -> str:
        TABLE["y"] = reads()
        return "x"

    assert keepers_of(outer) == {
        "test_every_function_on_the_way_is_asked.<locals>.outer",
    }


@given(st.lists(st.text(max_size=5), unique=True, max_size=8))
def test_the_order_of_names_does_not_count(names: list[str]) -> None:
    assert digest_of_names(names) == digest_of_names(reversed(names))


@given(st.lists(st.text(max_size=3), unique=True), st.lists(st.text(max_size=3), unique=True))
def test_other_names_have_another_digest(one: list[str], other: list[str]) -> None:
    assert (digest_of_names(one) == digest_of_names(other)) == (set(one) == set(other))


def test_a_variable_that_is_not_set_differs_from_an_empty_one() -> None:
    assert digest_of_variable(None) == ""
    assert digest_of_variable("") not in ("", digest_of_variable("x"))


def test_the_value_of_a_variable_is_not_in_its_digest() -> None:
    assert "secret" not in digest_of_variable("secret")


def test_what_tells_one_terminal_from_another_is_no_part_of_the_environment() -> None:
    one = digest_of_environment({"A": "1", "TERM": "xterm", "SSH_TTY": "/dev/pts/1"})
    assert one == digest_of_environment({"A": "1", "TERM": "vt100"})
    assert one != digest_of_environment({"A": "2", "TERM": "xterm"})


def test_names_and_values_of_variables_never_run_together() -> None:
    assert digest_of_environment({"A": "BC"}) != digest_of_environment({"AB": "C"})


@given(
    st.lists(
        st.tuples(st.sampled_from([FILE, VARIABLE, WROTE]), st.text(), st.text(max_size=4)),
        max_size=5,
    )
)
def test_reads_survive_a_store(rows: list[tuple[str, str, str]]) -> None:
    reads = tuple(Read(*row) for row in rows)
    assert decode_reads(encode_reads(reads)) == reads


def test_a_read_says_what_it_is() -> None:
    assert str(Read(FILE, "data.csv", "d")) == "file 'data.csv'"
    assert str(Read(VARIABLE, "TOKEN")) == "environment variable 'TOKEN'"
    assert str(Read(LEFT, "/tmp/x")) == "file '/tmp/x', which the step wrote"
