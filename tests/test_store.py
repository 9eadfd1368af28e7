"""Runs that survive: what is kept, what is done again, and what is said when something ends them."""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from boundcalc.commands.progress import RunLine
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.solving import UNIT
from boundcalc.train import sgd
from boundcalc.train.checkpoints import Checkpointed
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.execution import Batches, Local, Shelf, Work, complete, is_out_of_memory, shortage_in_one_line
from boundcalc.verify.experiment import Experiment, Note
from boundcalc.verify.experiments.chen2019 import ReachesTarget
from boundcalc.verify.experiments.population import unseen_examples
from boundcalc.verify.progress import Meter, State
from boundcalc.verify.record import Record
from boundcalc.verify.runner import run, run_in
from boundcalc.verify.statistics import Verdict
from boundcalc.verify.store import CHECKPOINTS, LOCK, STORE, Store, Tally, configuration_key, reading

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SPHERE = "sphere:n=24,d=8,margin=0.3"
CUT = ["chen2019/thm2.1", "--data", SPHERE, "--width", "8", "--trials", "5", "epsilon=0.2", "L=2", "--set", "C_T=2",
       "--device", "cpu", "--batch", "1"]  # fmt: skip
"""The run of the fixture `case` as a command, for the first five inits, one after the other, some 700 steps each."""


@pytest.fixture(scope="module")
def case() -> Case:
    given: Mapping[str, Fraction] = {"epsilon": Fraction(1, 5), "L": Fraction(2)}
    options = Options(SPHERE, width=8, trials=10, device="cpu")
    return make_case("chen2019/thm2.1", options, given, ConstantPolicy({"C_T": Fraction(2)}))


def a_record(trial: int, size: int = 0) -> Record:
    noise = np.random.default_rng(trial).standard_normal(size)  # compresses badly
    return Record(trial, True, {"trial": trial}, {"noise": noise})


def integrity(folder: Path) -> str:
    with contextlib.closing(sqlite3.connect(folder / STORE)) as database:
        return str(database.execute("PRAGMA integrity_check").fetchone()[0])


# What is kept.


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    record = Record(0, None, {"R": 2.5, "steps": [1, 2]}, {"loss": np.array([1.0, np.inf])})
    with Store(tmp_path / "run", {"a": 1}) as store:
        store.add("training", [record])
        store.add("certifying", [record])
        with pytest.raises(ValueError, match="JSON"):
            store.add("training", [Record(1), Record(2, facts={"R": math.nan})])
    with Store(tmp_path / "run", {"a": 1}) as store:
        kept = store.records("training")
        assert store.trial_numbers("certifying") == {0}
    assert list(kept) == [0]
    assert (kept[0].success, kept[0].facts) == (record.success, record.facts)
    np.testing.assert_array_equal(kept[0].series["loss"], record.series["loss"])


def test_the_same_key_is_never_kept_twice(tmp_path: Path) -> None:
    with Store(tmp_path, {"a": 1}) as store:
        store.add("training", [Record(0, True), Record(1, False)])
        store.add("training", [Record(1, True), Record(2, None)])
        assert [record.success for record in store.records("training").values()] == [True, False, None]
        assert store.tally("training") == Tally(trials=3, successes=1, undecided=1)
        assert store.tally("certifying") == Tally(0, 0, 0)


def test_other_configurations_stand_beside_the_main_one(tmp_path: Path) -> None:
    main, other = {"width": 8, "batch": 4}, {"width": 16, "batch": 2}
    with Store(tmp_path, main) as store:
        probe = store.run(other)
        store.add("training", [Record(0, True)])
        probe.add("training", [Record(0, False), Record(1, False)])
        assert (store.batch, probe.batch) == (4, 2)
    with Store(tmp_path, main) as store:
        assert store.trial_numbers("training") == {0}
        assert store.run(main).trial_numbers("training") == {0}
        assert store.run({**other, "batch": 7}).trial_numbers("training") == {0, 1}
        assert store.run({"width": 32}).trial_numbers("training") == set()
    with pytest.raises(InputError, match=r"holds another run \(width is 8 there, 16 here\)"):
        Store(tmp_path, {**other, "examples": "what follows from it"})


def test_of_inputs_that_differ_the_first_is_named(tmp_path: Path) -> None:
    with Store(tmp_path, {"theorem": "a", "inputs": {"L": "3", "epsilon": "0.1"}}):
        pass
    with pytest.raises(InputError, match=r"holds another run \(epsilon is 0\.1 there, 0\.02 here\)"):
        Store(tmp_path, {"theorem": "a", "inputs": {"L": "3", "epsilon": "0.02"}})


def test_the_key_is_of_the_whole_configuration_but_the_batch() -> None:
    config = {"a": 1, "b": {"c": "1/3", "d": None}, "batch": 4}
    assert configuration_key(config) == configuration_key({"b": {"d": None, "c": "1/3"}, "a": 1, "batch": 5})
    for changed in ({"a": 2}, {"b": {"c": "1/3"}}, {"e": 0}):
        assert configuration_key(config) != configuration_key({**config, **changed})


def test_a_continued_run_keeps_its_batches_whatever_fits_now(tmp_path: Path) -> None:
    for batch, expected in ((24, 24), (8, 24)):
        with Store(tmp_path / "run", {"a": 1, "batch": batch}) as store:
            assert store.batch == expected
            if batch == 8:
                store.shrink_batch(6)
    with Store(tmp_path / "run", {"a": 1, "batch": 24}) as store:
        assert store.batch == 6


def test_a_folder_in_which_a_run_only_just_began_is_as_good_as_empty(tmp_path: Path) -> None:
    for name in (LOCK, f"{STORE}.partial", f"{STORE}.partial-wal"):
        (tmp_path / name).write_bytes(b"cut off")
    (tmp_path / LOCK).write_bytes(b"")
    (tmp_path / STORE).touch()
    with Store(tmp_path, {"a": 1}) as store:
        assert store.trial_numbers("training") == set()
    assert {path.name for path in tmp_path.iterdir()} == {STORE, LOCK}


def test_what_another_version_wrote_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path, {"a": 1}).close()
    with contextlib.closing(sqlite3.connect(tmp_path / STORE)) as database:
        database.execute("PRAGMA user_version = 77")
    with pytest.raises(InputError, match="layout 77, here 3"):
        Store(tmp_path, {"a": 1})


# Several processes.


def test_a_reader_sees_a_run_while_it_writes_and_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"), reading(tmp_path):
        pass
    with Store(tmp_path, {"a": 1}) as store, reading(tmp_path) as reader:
        for trial in range(3):
            store.add("training", [a_record(trial)])
            assert reader.tally("training").trials == trial + 1
        with pytest.raises(InputError, match="readonly"):
            reader.add("training", [Record(9)])
        assert set(reader.records("training")) == {0, 1, 2}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with reading(tmp_path) as reader:
        assert reader.trial_numbers("training") == {0, 1, 2}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_second_run_in_the_same_process_is_kept_out(tmp_path: Path) -> None:
    with Store(tmp_path, {"a": 1}), pytest.raises(InputError, match="is another run using it"):
        Store(tmp_path, {"a": 1})


WRITER = """
import sys
from pathlib import Path
import numpy as np
from boundcalc.verify.record import Record
from boundcalc.verify.store import Store
with Store(Path(sys.argv[1]), {"a": 1}) as store:
    trial = max(store.trial_numbers("training"), default=-1) + 1
    while True:
        series = {"noise": np.random.default_rng(trial).standard_normal(2000)}
        store.add("training", [Record(trial, True, {}, series)])
        print(trial, flush=True)
        trial += 1
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_kept_and_lets_the_next_one_in(tmp_path: Path) -> None:
    rng, acknowledged = random.Random(0), -1
    for attempt in range(5):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert process.stdout is not None
        first = process.stdout.readline()  # by now it holds the folder
        assert int(first) >= acknowledged + 1
        if attempt == 0:
            with pytest.raises(InputError, match="is another run using it"):
                Store(tmp_path, {"a": 1})
        time.sleep(rng.uniform(0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        lines = [first, *process.stdout.read().splitlines()]
        process.wait()
        process.stdout.close()
        acknowledged = int(lines[-1])
        with Store(tmp_path, {"a": 1}) as store:
            kept = store.trial_numbers("training")
        # The one in flight may have been kept before it could be said.
        assert kept in ({*range(acknowledged + 1)}, {*range(acknowledged + 2)})
        acknowledged = max(kept)
    assert acknowledged > 5
    with Store(tmp_path, {"a": 1}) as store:
        for trial, record in store.records("training").items():
            expected = np.random.default_rng(trial).standard_normal(2000)
            np.testing.assert_array_equal(record.series["noise"], expected)
    assert integrity(tmp_path) == "ok"


@pytest.mark.slow
def test_a_killed_run_continues_without_losing_or_repeating(case: Case, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = [sys.executable, "-m", "boundcalc", "verify", *CUT, "--out", str(cut)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    kept = 0
    while kept == 0:
        assert process.poll() is None, "the run ended before it could be killed"
        if (cut / STORE).exists():
            with reading(cut) as rows:
                kept = rows.tally("training").trials
        time.sleep(0.01)
    with pytest.raises(InputError, match="is another run using it"):
        Store(cut, {})
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with reading(cut) as rows:
        before = rows.records("training")
    assert kept <= len(before) < 5, "it was not killed in the middle"
    case = replace(case, trials=5)
    toy = Counting()
    result = run(replace(case, experiment=toy), cut)
    assert sorted([*before, *toy.trained]) == list(range(5))
    assert_same(result.trained, run(case, whole, batch=1).trained)
    assert integrity(cut) == "ok"
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()} == {STORE, LOCK}


@dataclass
class Counting(ReachesTarget):
    """The real experiment; remembers what it was asked to train."""

    trained: list[int] = field(default_factory=list)

    def train(self, case: Case, prescribed: Any, trials: Sequence[int], note: Note) -> list[Record]:
        self.trained += trials
        return super().train(case, prescribed, trials, note)


def assert_same(found: Mapping[int, Record], expected: Mapping[int, Record]) -> None:
    assert found.keys() == expected.keys()
    for trial, record in expected.items():
        assert (found[trial].success, found[trial].facts) == (record.success, record.facts)
        for name, series in record.series.items():
            np.testing.assert_array_equal(found[trial].series[name], series)


# Disk full.


def test_a_full_disk_is_one_clear_line_and_what_was_kept_stays(tmp_path: Path) -> None:
    with Store(tmp_path, {"a": 1}) as store:
        store._db.execute("PRAGMA max_page_count = 60")  # SQLite's own way to pretend it
        kept_one_by_one = (store.add("training", [a_record(trial, 1000)]) for trial in range(100))
        with pytest.raises(InputError) as refused:
            list(kept_one_by_one)
        kept = store.trial_numbers("training")
    assert "disk is full" in str(refused.value)
    assert "finished inits are kept" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert kept == set(range(len(kept)))
    assert 5 < len(kept) < 100
    with Store(tmp_path, {"a": 1}) as store:  # there is room again
        store.add("training", [a_record(len(kept), 1000)])
        assert store.trial_numbers("training") == {*kept, len(kept)}
    assert integrity(tmp_path) == "ok"


@pytest.mark.slow
def test_a_run_on_a_full_disk_ends_in_one_clear_line_and_can_be_continued(case: Case, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    cut = tmp_path / "cut"
    command = [sys.executable, "-m", "boundcalc", "verify", *CUT, "--out", str(cut)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=ENVIRONMENT, preexec_fn=small_files)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "certifying 100%: 5/5 inits" in done.stderr
    assert re.search(r"^boundcalc: cannot write to .*; the finished inits are kept: mend that", done.stderr, re.M)
    with reading(cut) as rows:
        before = rows.records("training")
    assert 0 < len(before) < 5
    case = replace(case, trials=5)
    assert_same(run(case, cut).trained, run(case, tmp_path / "whole", batch=1).trained)
    assert integrity(cut) == "ok"


# Memory, progress and checkpoints, with an experiment whose numbers are known.


@dataclass
class Toy(ReachesTarget):
    """Certifies nothing; trains nothing, but says so of every init, and fails where it is told to."""

    trouble: Callable[[Sequence[int]], None] = lambda trials: None
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        return []

    def train(self, case: Case, prescribed: Any, trials: Sequence[int], note: Note) -> list[Record]:
        self.asked.append(tuple(trials))
        note(prescribed.steps // 2)
        self.trouble(trials)
        return [Record(trial, trial % 2 == 0, {"square": trial**2}) for trial in trials]


@dataclass(frozen=True)
class Asked:
    steps: int = 10


def train(case: Case, toy: Toy, store: Store, report: Callable[[State], None] = lambda state: None) -> Any:
    work = Work(replace(case, experiment=toy, batch=store.batch), Asked())  # type: ignore[arg-type]
    return complete(work, store, Local(), None, report)


def too_much() -> None:
    torch.empty(2**50)


def too_much_for_numpy() -> None:
    np.empty(2**50)


def too_much_for_python() -> None:
    raise MemoryError


def too_much_for_the_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def too_much_for_our_own_estimate() -> None:
    raise OutOfMemoryError("8 trials of width 4096 need 1 GiB")


@pytest.mark.parametrize(
    "shortage", [too_much, too_much_for_numpy, too_much_for_python, too_much_for_the_gpu, too_much_for_our_own_estimate]
)
def test_a_batch_that_does_not_fit_is_halved(case: Case, tmp_path: Path, shortage: Callable[[], None]) -> None:
    def trouble(trials: Sequence[int]) -> None:
        if len(trials) > 3:
            shortage()

    toy = Toy(trouble=trouble)
    with Store(tmp_path, {"a": 1, "batch": 10}) as store:
        found = train(case, toy, store)
        assert (store.batch, store.tally("training").trials) == (3, 10)
    assert toy.asked == [(*range(10),), (*range(5),), (0, 1, 2), (3, 4), (5, 6, 7), (8, 9)]
    assert {trial: record.facts["square"] for trial, record in found.items()} == {i: i * i for i in range(10)}
    with Store(tmp_path, {"a": 1, "batch": 10}) as store:
        assert store.batch == 3, "a continued run does not run out of memory again"


def test_what_does_not_fit_alone_ends_in_one_clear_line(case: Case, tmp_path: Path) -> None:
    def trouble(trials: Sequence[int]) -> None:
        if 4 in trials:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB")

    with Store(tmp_path, {"a": 1, "batch": 2}) as store:
        with pytest.raises(OutOfMemoryError) as refused:
            train(case, Toy(trouble=trouble), store)
        assert store.trial_numbers("training") == {0, 1, 2, 3}
    message = str(refused.value)
    assert "\n" not in message
    for words in ("not even one init of width 8", "Tried to allocate 2.00 GiB", "are kept", "smaller --width"):
        assert words in message


def test_other_errors_are_not_taken_for_a_shortage_of_memory(case: Case, tmp_path: Path) -> None:
    def trouble(trials: Sequence[int]) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with Store(tmp_path, {"a": 1, "batch": 5}) as store, pytest.raises(RuntimeError, match="shapes"):
        train(case, Toy(trouble=trouble), store)
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert not is_out_of_memory(InputError("memory"))
    with pytest.raises(OutOfMemoryError, match=r"out of memory \(MemoryError\); the finished"), shortage_in_one_line():
        raise MemoryError


def test_where_a_decision_ends_a_run_inits_count_in_their_order(case: Case, tmp_path: Path) -> None:
    class Backwards(Local):
        """Finishes the last batch first."""

        def outcomes(self, work: Work, batches: Batches, shelf: Shelf | None, meter: Meter) -> Any:
            yield from reversed(list(super().outcomes(work, batches, shelf, meter)))

    work = Work(replace(case, experiment=Toy(), batch=2), Asked())  # type: ignore[arg-type]
    seen: list[int] = []

    def decided(tally: Tally) -> bool:
        seen.append(tally.trials)
        return tally.trials >= 7

    with Store(tmp_path, {"a": 1, "batch": 2}) as store:
        store.add("training", [Record(1, True)])
        complete(work, store, Backwards(), None, lambda state: None, decided=decided)
        assert store.trial_numbers("training") == set(range(8))
    assert seen == [1, 2, 4, 6, 8]


def test_progress_tells_trials_rate_time_left_and_verdict(case: Case, tmp_path: Path) -> None:
    said: list[State] = []
    with Store(tmp_path, {"a": 1, "batch": 4}) as store:
        store.add("training", [Record(0, True), Record(1, False)])
        train(case, Toy(), store, said.append)
    assert [state.done for state in said] == [4, 8, 10]
    assert [state.tally for state in said] == [Tally(4, 2, 0), Tally(8, 4, 0), Tally(10, 5, 0)]
    assert all(state.before == 2 for state in said)


def test_the_line_of_progress() -> None:
    now = [100.0]
    said: list[State] = []
    # 3 inits were finished an hour ago; this start has taken 10 s for two more and half of the next two.
    verdicts: dict[int, Verdict] = {3: "inconclusive", 5: "inconclusive", 7: "supported"}
    meter = Meter("training", 9, Tally(3, 3, 0), said.append, lambda tally: verdicts[tally.trials], lambda: now[0])
    now[0] = 105.0
    meter.finished(2, [Record(3, True), Record(4, None)])
    now[0] = 105.05
    meter.step(2, 100, 10)  # too soon to be said
    now[0] = 110.0
    meter.step(2, 100, 50)
    now[0] = 1100.0
    meter.finished(2, [Record(5, True), Record(6, False)])
    said += [replace(said[-1], seconds=seconds) for seconds in (1e4, 1e6)]
    assert [state.line() for state in said] == [
        "5/9 inits, 24/min, 0:10 left; 4 of 5 succeeded (1 undecided): inconclusive so far",
        "5/9 inits, 18/min, 0:10 left; 4 of 5 succeeded (1 undecided): inconclusive so far",
        "7/9 inits, 14.4/h, 8:20 left; 5 of 7 succeeded (1 undecided): supported so far",
        "7/9 inits, 1.44/h, 1:23:20 left; 5 of 7 succeeded (1 undecided): supported so far",
        "7/9 inits, 0.0144/h, 5 d 18 h left; 5 of 7 succeeded (1 undecided): supported so far",
    ]
    assert [state.share for state in said[:3]] == [5 / 9, 6 / 9, 7 / 9]


def test_the_line_of_progress_on_a_terminal_and_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    state = State("training", 4, 2, 0, 0.0, 1.0, Tally(2, 2, 0), "inconclusive")
    with RunLine() as line:
        for done in (2, 3, 4):
            line.show(replace(state, done=done))
    # Of the three, the second comes too soon after the first; the last is always said.
    assert capsys.readouterr().err == (
        "training 50%: 2/4 inits, 2/s, 0:01 left; 2 of 2 succeeded: inconclusive so far\n"
        "training 100%: 4/4 inits, 4/s, 0:00 left; 2 of 2 succeeded: inconclusive so far\n"
    )
    with RunLine() as line:
        line._rewritten = True
        line.show(state)
        line.show(replace(state, done=4))
    rewritten = capsys.readouterr().err
    assert rewritten.count("\r") == 2
    assert rewritten.count("\n") == 1


class Cut:
    """An experiment whose stage is cut off at one of its steps, the first time."""

    def __init__(self, inner: Experiment, stage: str, at: int) -> None:
        self.inner, self.stage, self.at = inner, stage, at
        self.steps: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        return self.inner.certify(case, trials, self.cutting(note) if self.stage == "certifying" else note)

    def train(self, case: Case, prescribed: Any, trials: Sequence[int], note: Note) -> list[Record]:
        return self.inner.train(case, prescribed, trials, self.cutting(note) if self.stage == "training" else note)

    def cutting(self, note: Note) -> Note:
        assert isinstance(note, Checkpointed)

        def on_step(step: int) -> None:
            self.steps.append(step)
            if step == self.at:
                self.at = 0
                raise KeyboardInterrupt

        return replace(note, on_step=on_step)


@pytest.mark.parametrize(
    ("key", "given", "stage", "least"),
    [
        ("chen2019/thm2.1", {"epsilon": Fraction(1, 5), "L": Fraction(2)}, "training", 100),
        ("chen2019/thm2.1", {"epsilon": Fraction(1, 5), "L": Fraction(2)}, "certifying", 20),
        ("chen2019/thm2.3", {"L": Fraction(2), "R": Fraction(3)}, "training", 18),
        ("cao2019", {"L": Fraction(2), "R": Fraction(3)}, "training", 18),
        ("ji2020", {"gamma": Fraction(1, 5)}, "training", 100),
        ("du2019", {"lambda_0": Fraction(1, 20)}, "training", 100),
        ("cao2020/cor3.2", {"gamma": Fraction(1, 5), "L": Fraction(2)}, "training", 100),
    ],
)
def test_an_experiment_goes_on_from_its_checkpoint_without_knowing_of_it(
    key: str, given: dict[str, Fraction], stage: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sgd, "BLOCK", 4)
    iterations = None if key == "chen2019/thm2.1" else 100
    options = Options(SPHERE, width=8, trials=2, device="cpu", iterations=iterations, search_steps=400)
    case = make_case(key, options, given, ConstantPolicy({"C_T": Fraction(2)}) if iterations is None else UNIT)
    counting = Cut(case.experiment, stage, 0)
    whole = run(replace(case, experiment=counting), tmp_path / "whole", checkpoint_seconds=1e9)
    assert max(counting.steps) >= least
    cut = Cut(case.experiment, stage, counting.steps[-2])
    cut_case = replace(case, experiment=cut)
    with pytest.raises(KeyboardInterrupt):
        run(cut_case, tmp_path / "cut", checkpoint_seconds=1e-9)
    assert len(list((tmp_path / "cut" / CHECKPOINTS).iterdir())) == 1
    taken = len(cut.steps)
    result = run(cut_case, tmp_path / "cut", checkpoint_seconds=1e-9)
    again = cut.steps[taken:]
    assert again[0] > 1, "it began anew"
    assert again[-1] == counting.steps[-1]
    assert not (tmp_path / "cut" / CHECKPOINTS).exists()
    assert_same(result.certificates, whole.certificates)
    assert_same(result.trained, whole.trained)


def test_checkpoints_can_be_switched_off(case: Case, tmp_path: Path) -> None:
    @dataclass
    class Bare(Toy):
        def train(self, case: Case, prescribed: Any, trials: Sequence[int], note: Note) -> list[Record]:
            assert not isinstance(note, Checkpointed)
            return super().train(case, prescribed, trials, note)

    with Store(tmp_path, {"a": 1}) as store:
        train(case, Bare(), store)


def test_several_configurations_run_in_one_folder(case: Case, tmp_path: Path) -> None:
    case = replace(case, trials=2)
    wider = case.at_width(16)
    with Store(tmp_path / "both", case.config) as store:
        first, second = run_in(store, case), run_in(store, wider)
        assert store.run(wider.config).trial_numbers("training") == {0, 1}
    alone = run(wider, tmp_path / "alone")
    assert second.trained[1].facts == alone.trained[1].facts != first.trained[1].facts
    assert (second.interval, second.verdict) == (alone.interval, alone.verdict)


def test_the_shelf_keeps_the_checkpoints_of_batches_and_stages_apart(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "checkpoints", "a" * 64, 1e-9)
    shelf.clear("training")  # nothing is there yet

    def keep(stage: str, trials: Sequence[int]) -> None:
        shelf.of(stage, trials).begin({}, 0).keep(iter([("x", np.arange(3))]))

    def kept(stage: str, trials: Sequence[int]) -> bool:
        return shelf.of(stage, trials).begin({}, 0).read() is not None

    for stage, trials in (("training", (0, 1)), ("training", (0, 2)), ("certifying", (0, 1))):
        keep(stage, trials)
    shelf.of("training", (0, 1)).remove()
    assert [kept("training", (0, 1)), kept("training", (0, 2)), kept("certifying", (0, 1))] == [False, True, True]
    shelf.clear("training")
    assert kept("certifying", (0, 1))
    shelf.clear("certifying")
    assert not shelf.folder.exists()


@pytest.fixture(autouse=True)
def _no_connection_is_left_open() -> Iterator[None]:
    yield
    import gc

    gc.collect()  # an open connection warns as it goes


def test_the_rate_counts_what_this_start_did() -> None:
    """A batch of 2 that goes on at step 81 of 100 and takes a second for each: 0.2 inits in 10 s, not 1.8."""
    states: list[State] = []
    now = [0.0]
    meter = Meter("training", 2, Tally(0, 0, 0), states.append, clock=lambda: now[0])
    for step in range(81, 91):
        now[0] += 1.0
        meter.step(2, 100, step, True)
    assert states[-1].rate == pytest.approx(0.02)
    assert states[-1].left == pytest.approx(10.0)


def test_examples_that_were_trained_on_are_not_held_out(tmp_path: Path) -> None:
    """Twelve rows, each eight times: whatever the split, hardly a held-out row is new."""
    random = np.random.default_rng(0)
    X = np.repeat(random.normal(size=(12, 4)), 8, axis=0)
    np.savez(tmp_path / "leak.npz", X=X, y=np.repeat(np.tile([-1.0, 1.0], 6), 8))
    with pytest.raises(InputError, match=r"every one of the 24 held-out examples .* equals a training example"):
        make_case("chen2019/thm2.2", Options(str(tmp_path / "leak.npz"), width=8), {})
    X[3] = random.normal(size=4)
    X[60] = random.normal(size=4)
    np.savez(tmp_path / "some.npz", X=X, y=np.repeat(np.tile([-1.0, 1.0], 6), 8))
    case = next(
        case for seed in range(40) if (case := _made(tmp_path / "some.npz", seed)) is not None and case.repeated == 23
    )
    assert case.test.n == 1
    assert "23 more equal a training example" in unseen_examples(case).note


def _made(path: Path, seed: int) -> Case | None:
    try:
        return make_case("chen2019/thm2.2", Options(str(path), width=8, seed=seed), {})
    except InputError:
        return None
