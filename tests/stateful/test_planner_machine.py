"""Random runs against the planner: it never stalls, never starts a step twice, always ends."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipekit.model import planner as p
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import Status

BROKEN = Failure(FailureKind.ERROR, "broken")


class PlannerMachine(RuleBasedStateMachine):
    """A shell that answers commands in any order, and a record of what was commanded."""

    @initialize()
    def begin(self) -> None:
        self.planner = p.Planner()
        self.needs: list[tuple[int, ...]] = []
        self.looking: list[int] = []
        self.running: dict[int, int] = {}
        self.resting: list[int] = []
        self.ended: dict[int, Status] = {}
        self.starts: set[tuple[int, int]] = set()
        self.finish: p.Finish | None = None
        self.function_ended = False
        self.halted: set[int] = set()
        self.watched: set[int] = set()
        self.declined: set[int] = set()
        self.untold: list[int] = []
        """Watched steps that have ended, and of which nobody was told."""
        self.spent: dict[tuple[int, str], int] = {}
        self.broken = False
        self.abandoned = False

    def send(self, event: p.Event) -> None:
        for command in self.planner.handle(event):
            self.take(command)

    def take(self, command: p.Command) -> None:
        assert self.finish is None, "a command after the end"
        match command:
            case p.LookUp(step):
                self.not_ended(step)
                self.needs_completed(step)
                self.looking.append(step)
            case p.Start(step, number):
                self.not_ended(step)
                self.needs_completed(step)
                assert (step, number) not in self.starts
                assert step not in self.running
                self.starts.add((step, number))
                self.running[step] = number
            case p.Reuse(step):
                self.end(step, Status.COMPLETED)
            case p.Share(step, leader):
                assert self.ended[leader] is Status.COMPLETED
                self.end(step, Status.COMPLETED)
            case p.Complete(step, number):
                assert self.running.pop(step) == number
                self.end(step, Status.COMPLETED)
            case p.Retry(step, number, _, delay):
                assert delay >= 0
                assert self.running.pop(step) == number
                self.resting.append(step)
            case p.Fail(step, number, _):
                if number:
                    assert self.running.pop(step) == number
                self.running.pop(step, None)  # it was refused when it was to start
                self.end(step, Status.FAILED)
            case p.Skip(step, chain):
                assert chain[0] == step
                if chain == (step,):
                    self.declined.add(step)
                    self.running.pop(step)
                else:
                    root = chain[-1]
                    ended = (Status.FAILED, Status.STOPPED)
                    assert root in self.declined or self.ended[root] in ended
                self.end(step, Status.SKIPPED)
            case p.Stop(step, number):
                if number:
                    assert self.running.pop(step) == number
                self.end(step, Status.STOPPED)
            case p.Halt(step, number):
                assert self.running[step] == number
                self.halted.add(step)
            case p.Finish(status):
                assert self.abandoned or not self.untold, (
                    "the end of the run before that of its watchers"
                )
                assert not (self.broken and status is Status.COMPLETED)
                assert not (self.abandoned and status is Status.COMPLETED)
                self.finish = command

    def not_ended(self, step: int) -> None:
        assert step not in self.ended

    def needs_completed(self, step: int) -> None:
        assert all(self.ended.get(need) is Status.COMPLETED for need in self.needs[step])

    def end(self, step: int, status: Status) -> None:
        self.not_ended(step)
        self.ended[step] = status
        if step in self.watched:
            self.untold.append(step)

    @precondition(lambda self: not self.function_ended)
    @rule(data=st.data(), keyed=st.booleans(), watched=st.booleans())
    def call(self, data: st.DataObject, keyed: bool, watched: bool) -> None:
        number = len(self.needs)
        known = st.sampled_from(range(number)) if number else st.nothing()
        needs = tuple(data.draw(st.lists(known, max_size=3, unique=True))) if number else ()
        self.needs.append(needs)
        if watched:
            self.watched.add(number)
        self.send(p.StepCalled(number, needs, keyed, watched))

    @precondition(lambda self: self.looking)
    @rule(data=st.data(), found=st.booleans(), key=st.sampled_from("abc"))
    def look(self, data: st.DataObject, found: bool, key: str) -> None:
        step = data.draw(st.sampled_from(self.looking))
        self.looking.remove(step)
        self.send(p.KeyLooked(step, key, found))

    @precondition(lambda self: self.looking)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        step = data.draw(st.sampled_from(self.looking))
        self.looking.remove(step)
        self.send(p.StepRefused(step, BROKEN))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), shareable=st.booleans())
    def complete(self, data: st.DataObject, shareable: bool) -> None:
        step = data.draw(st.sampled_from(sorted(self.running)))
        self.send(p.AttemptCompleted(step, self.running[step], shareable))

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(),
        budget=st.sampled_from([None, p.Budget("errors", 2), p.Budget("lost", 2)]),
    )
    def break_(self, data: st.DataObject, budget: p.Budget | None) -> None:
        step = data.draw(st.sampled_from(sorted(self.running)))
        self.send(p.AttemptFailed(step, self.running[step], BROKEN, budget))
        if step in self.resting:
            assert budget is not None
            spent = self.spent[step, budget.name] = self.spent.get((step, budget.name), 0) + 1
            assert spent <= budget.retries
        elif budget is not None and self.ended[step] is Status.FAILED:
            assert self.spent.get((step, budget.name), 0) == budget.retries

    @precondition(lambda self: self.beginning())
    @rule(data=st.data(), refused=st.booleans())
    def decline(self, data: st.DataObject, refused: bool) -> None:
        step = data.draw(st.sampled_from(self.beginning()))
        self.send(p.StepRefused(step, BROKEN) if refused else p.StepDeclined(step))

    def beginning(self) -> list[int]:
        """Steps that may not have begun yet."""
        return sorted(step for step, number in self.running.items() if number == 1)

    @precondition(lambda self: self.untold)
    @rule(data=st.data())
    def tell_watchers(self, data: st.DataObject) -> None:
        step = data.draw(st.sampled_from(self.untold))
        self.untold.remove(step)
        self.send(p.WatchersTold(step))

    @rule(stop_rest=st.booleans())
    def break_callback(self, stop_rest: bool) -> None:
        self.broken = self.finish is None
        self.send(p.CallbackFailed(BROKEN, stop_rest))

    @precondition(lambda self: self.resting)
    @rule(data=st.data())
    def due(self, data: st.DataObject) -> None:
        step = data.draw(st.sampled_from(self.resting))
        self.resting.remove(step)
        self.send(p.RetryDue(step))

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def handle_failure(self, data: st.DataObject) -> None:
        self.send(p.FailureHandled(data.draw(st.sampled_from(sorted(self.ended)))))

    @rule()
    def stop(self) -> None:
        self.send(p.StopAsked())

    @precondition(lambda self: self.needs)
    @rule(data=st.data())
    def stop_one(self, data: st.DataObject) -> None:
        self.send(p.StepStopAsked(data.draw(st.sampled_from(range(len(self.needs))))))

    @rule()
    def abandon(self) -> None:
        self.abandoned = self.function_ended = True
        self.send(p.Abandoned(BROKEN))
        assert self.finish is not None
        assert not self.running

    @precondition(lambda self: not self.function_ended)
    @rule(raised=st.booleans(), stop_rest=st.booleans())
    def end_function(self, raised: bool, stop_rest: bool) -> None:
        self.function_ended = True
        self.send(p.PipelineRaised(BROKEN, stop_rest) if raised else p.PipelineReturned())

    @invariant()
    def nothing_stalls(self) -> None:
        """A step that has not ended waits for an answer, or for a step that has not ended."""
        if not hasattr(self, "planner"):
            return
        pending = set(range(len(self.needs))) - set(self.ended)
        answerable = set(self.looking) | set(self.running) | set(self.resting)
        assert not pending or pending & answerable
        if self.function_ended and not pending and not self.untold:
            assert self.finish is not None
            assert self.planner.finished

    def teardown(self) -> None:
        """Whatever happened: with all answers given, the run ends."""
        if not hasattr(self, "planner"):
            return
        if not self.function_ended:
            self.end_function(False, False)
        for _ in range(10_000):
            if self.finish is not None:
                break
            if self.looking:
                self.send(p.KeyLooked(self.looking.pop(), "z", False))
            elif self.running:
                step = min(self.running)
                self.send(p.AttemptCompleted(step, self.running[step]))
            elif self.resting:
                self.send(p.RetryDue(self.resting.pop()))
            elif self.untold:
                self.send(p.WatchersTold(self.untold.pop()))
        assert self.finish is not None
        assert len(self.ended) == len(self.needs)


TestPlanner = PlannerMachine.TestCase
TestPlanner.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
