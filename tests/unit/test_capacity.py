"""Who gets a place next, and what of the machine is taken."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.executors.capacity import MOST_OVERTAKING, Capacity, Line, Share
from pipekit.model.resources import Resources

PLACES = 3
GPUS = ("0", "1", "2")
MEMORY = 8


@dataclass(eq=False)
class Step:
    """Something that waits, and then runs for so many rounds."""

    number: int
    resources: Resources | None
    rounds: int
    turn: int = 0
    overtaken: int = 0
    share: Share | None = None


class Pool:
    """A pool as simple as can be: places, whole CPUs, one capacity."""

    def __init__(self, steps: list[Step]) -> None:
        self.capacity = Capacity(cpus=PLACES, memory=MEMORY, gpus=GPUS)
        self.line: Line[Step] = Line()
        self.running: dict[Step, int] = {}
        self.started: list[Step] = []
        self.line.add(steps)

    @staticmethod
    def cpu(step: Step) -> int:
        return step.resources.cpu if step.resources is not None else 1000

    def find_place(self, step: Step) -> Step | None:
        taken = sum(map(self.cpu, self.running))
        if len(self.running) >= PLACES or taken + self.cpu(step) > 1000 * PLACES:
            return None
        fits = step.resources is None or self.capacity.fits(step.resources)
        return step if fits else None

    def start_all(self) -> None:
        while (chosen := self.line.choose(self.find_place)) is not None:
            step = chosen[0]
            if step.resources is not None:
                step.share = self.capacity.take(step.resources)
            self.running[step] = step.rounds
            self.started.append(step)

    def pass_a_round(self) -> None:
        for step in list(self.running):
            self.running[step] -= 1
            if not self.running[step]:
                del self.running[step]
                if step.share is not None:
                    self.capacity.give_back(step.share)


asked = st.none() | st.builds(
    Resources,
    cpu=st.integers(1, 1000 * PLACES),
    gpu=st.integers(0, len(GPUS)),
    memory=st.none() | st.integers(1, MEMORY),
)
steps = st.lists(st.tuples(asked, st.integers(1, 5)), max_size=60).map(
    lambda drawn: [Step(number, *one) for number, one in enumerate(drawn)]
)


@given(steps)
def test_all_run_and_never_more_than_there_is(drawn: list[Step]) -> None:
    pool = Pool(drawn)
    pool.start_all()
    while pool.running:
        held = [step.share for step in pool.running if step.share is not None]
        gpus = [gpu for share in held for gpu in share.gpus]
        assert len(gpus) == len(set(gpus)) == sum(share.asked.gpu for share in held)
        assert sum(share.asked.memory or 0 for share in held) <= MEMORY
        assert sum(map(pool.cpu, pool.running)) <= 1000 * PLACES
        assert len(pool.running) <= PLACES
        pool.pass_a_round()
        pool.start_all()
    assert sorted(step.number for step in pool.started) == list(range(len(drawn)))
    assert pool.capacity.free_memory == MEMORY
    assert pool.capacity.free_gpus == list(GPUS)


@given(steps)
def test_the_first_is_overtaken_a_limited_number_of_times(drawn: list[Step]) -> None:
    pool = Pool(drawn)
    pool.start_all()
    while pool.running:
        pool.pass_a_round()
        pool.start_all()
    assert all(step.overtaken <= MOST_OVERTAKING for step in drawn)


@given(steps)
def test_those_that_ask_for_the_same_start_in_their_order(drawn: list[Step]) -> None:
    pool = Pool(drawn)
    pool.start_all()
    while pool.running:
        pool.pass_a_round()
        pool.start_all()
    for kind in {step.resources for step in drawn}:
        numbers = [step.number for step in pool.started if step.resources == kind]
        assert numbers == sorted(numbers)


def test_a_step_that_needs_the_whole_machine_gets_its_turn_among_many_small_ones() -> None:
    whole = Step(1, Resources(cpu=1000 * PLACES), 1)
    pool = Pool([Step(0, None, 2), whole])
    pool.start_all()
    for number in range(2, 200):  # before it ends, each is followed by another
        pool.line.add([Step(number, None, 2)])
        pool.pass_a_round()
        pool.start_all()
        if whole in pool.started:
            break
    assert whole in pool.started
    assert len(pool.started) <= MOST_OVERTAKING + 2


def test_what_does_not_fit_does_not_hold_up_those_behind_it() -> None:
    pool = Pool([Step(0, Resources(gpu=3), 1), Step(1, Resources(gpu=1), 1), Step(2, None, 1)])
    pool.start_all()
    assert [step.number for step in pool.started] == [0, 2]


def test_what_was_put_back_is_the_next_of_its_kind() -> None:
    first, second = Step(0, None, 1), Step(1, None, 1)
    line: Line[Step] = Line()
    line.add([first, second])
    assert line.choose(lambda step: step) == (first, first)
    line.put_back([first])
    assert list(line) == [first, second]


@pytest.mark.parametrize("resources", [None, Resources(gpu=1)])
def test_what_was_removed_waits_no_more(resources: Resources | None) -> None:
    step = Step(0, resources, 1)
    line: Line[Step] = Line()
    line.add([step])
    assert line.remove(step)
    assert not line.remove(step)
    assert not line


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Resources(cpu=1000 * PLACES), ""),
        (Resources(cpu=4500), "4.5 CPUs, of 3"),
        (Resources(gpu=4), "4 GPUs, of 3"),
        (Resources(memory=3 << 30), "3GiB of memory, of 2.0GiB"),
        (Resources(gpu=5, memory=4 << 30), "5 GPUs, of 3; 4GiB of memory, of 2.0GiB"),
    ],
)
def test_what_can_never_fit_is_named(wanted: Resources, said: str) -> None:
    capacity = Capacity(cpus=PLACES, memory=2 << 30, gpus=GPUS)
    assert capacity.refusal(wanted, 1) == said


def test_more_places_than_cpus_count_as_so_many_cpus() -> None:
    capacity = Capacity(cpus=2, memory=MEMORY, gpus=())
    assert capacity.refusal(Resources(cpu=8000), 8) == ""


def test_others_are_told_when_something_was_given_back() -> None:
    capacity = Capacity(cpus=1, memory=MEMORY, gpus=GPUS)
    share = capacity.take(Resources(gpu=1))
    told: list[str] = []
    capacity.waiting["other pool"] = lambda: told.append("other pool")
    capacity.give_back(share)
    assert told == ["other pool"]
