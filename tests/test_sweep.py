"""Which seeds a sweep has, what was planned, and what came later."""

import dataclasses
import json

import pytest

from core.errors import UserError
from core.events import Failed, Finished, to_line
from core.index import RunIndex
from core.launch import start_sweep
from core.store import RunState
from core.sweep import FOLDER, find_sweep, parse_seeds, seeds_in_words, settle_plan, sweeps


def finish(run, accuracy=0.5):
    """As if its worker had been there."""
    run.events_path.write_text(
        to_line(Finished(1.0, 1.0, accuracy, 1.0, accuracy - 0.01, 1.0, 2.0, 100.0, {"predictions.npz": ""}))
    )


def found(store):
    return sweeps(store, RunIndex(store).rows())


def opened(store, recipe, seeds):
    return [store.open(recipe, seed, "data")[0] for seed in seeds]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-9", list(range(10))),
        ("10 seeds", list(range(10))),
        ("1 seed", [0]),
        ("1, 7,42", [1, 7, 42]),
        (" 0 - 2 , 42 ", [0, 1, 2, 42]),
        ("3–5", [3, 4, 5]),
        ("5,5,4-6", [5, 4, 6]),
        ("2147483647", [2147483647]),
    ],
)
def test_seeds_are_read_as_people_write_them(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "9-0",
        "-1",
        "1.5",
        "0-",
        "2147483648",
        "0 seeds",
        "1-2-3",
        "0-1000",
        "0-999,5000-5001",
        "1e3",
    ],
)
def test_what_is_no_list_of_seeds_is_refused_in_a_sentence(text):
    with pytest.raises(UserError) as refusal:
        parse_seeds(text)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("seeds", "words"), [([0, 1, 2, 3], "0–3"), ([1, 0], "0, 1"), ([9, 4, 2, 3, 42], "2–4, 9, 42")]
)
def test_seeds_are_told_in_words_that_are_read_back(seeds, words):
    assert seeds_in_words(seeds) == words
    assert parse_seeds(words) == sorted(seeds)


def test_every_seed_of_a_recipe_is_in_its_sweep_and_no_other(store, tiny_recipe):
    other = dataclasses.replace(tiny_recipe, epochs=2)
    opened(store, tiny_recipe, [2, 0, 1])
    opened(store, other, [0])
    by_recipe = {sweep.recipe: sweep for sweep in found(store)}
    assert list(by_recipe[tiny_recipe].runs) == [0, 1, 2]
    assert list(by_recipe[other].runs) == [0]


def test_equal_accuracies_of_two_seeds_stay_two_values(store, tiny_recipe):
    for run in opened(store, tiny_recipe, [0, 1, 2]):
        finish(run, 0.7)
    (sweep,) = found(store)
    assert [row.validation_accuracy for row in sweep.finished] == [0.7] * 3


def test_diverged_and_failed_runs_are_counted(store, tiny_recipe):
    runs = opened(store, tiny_recipe, range(4))
    finish(runs[0])
    runs[1].events_path.write_text(to_line(Failed(1.0, "diverged", "It did.")))
    runs[2].events_path.write_text(to_line(Failed(1.0, "error", "It broke.")))
    (sweep,) = found(store)
    assert len(sweep.finished) == 1
    assert sweep.lost == {"diverged": 1, "failed": 1}
    assert sweep.halted == {"interrupted": 1}


def test_the_first_conclusive_attempt_of_a_seed_counts(store, tiny_recipe):
    (first,) = opened(store, tiny_recipe, [0])
    finish(first, 0.5)
    second, created = store.open(tiny_recipe, 0, "data", again=True)
    assert created
    finish(second, 0.9)
    (sweep,) = found(store)
    assert [row.validation_accuracy for row in sweep.finished] == [0.5]


def test_a_failed_attempt_gives_way_to_the_next(store, tiny_recipe):
    (first,) = opened(store, tiny_recipe, [0])
    first.events_path.write_text(to_line(Failed(1.0, "error", "It broke.")))
    second, _ = store.open(tiny_recipe, 0, "data")
    finish(second, 0.9)
    (sweep,) = found(store)
    assert [row.run.id for row in sweep.rows] == [second.id]


def test_seeds_asked_for_before_any_result_belong_to_the_plan(store, tiny_recipe):
    opened(store, tiny_recipe, [0])
    digest = tiny_recipe.digest("data")
    settle_plan(store, digest, [0, 1], RunIndex(store).rows())
    plan = settle_plan(store, digest, [1, 2], RunIndex(store).rows())
    assert plan.seeds == (0, 1, 2) and plan.added == ()


def test_seeds_added_after_a_result_stay_marked(store, tiny_recipe):
    digest = tiny_recipe.digest("data")
    settle_plan(store, digest, [0, 1], [])
    runs = opened(store, tiny_recipe, [0, 1])
    finish(runs[0])
    runs[0].look("test")
    settle_plan(store, digest, [0, 1, 2, 3], RunIndex(store).rows())
    plan = settle_plan(store, digest, [0, 1, 2, 3], RunIndex(store).rows())  # again changes nothing
    (added,) = plan.added
    assert (added.seeds, added.finished, added.looks) == ((2, 3), 1, 1)
    opened(store, tiny_recipe, [2])
    (sweep,) = found(store)
    assert list(sweep.runs) == [0, 1, 2, 3]
    assert sweep.halted == {"interrupted": 2, "not started": 1}


def test_seeds_planned_when_single_runs_were_known_stay_marked(store, tiny_recipe):
    """Who trains six seeds one by one and then plans the three best has chosen by results."""
    for run in opened(store, tiny_recipe, range(6)):
        finish(run)
        run.look("test")
    digest = tiny_recipe.digest("data")
    plan = settle_plan(store, digest, [1, 3, 5], RunIndex(store).rows())
    assert (plan.known, plan.looks) == (6, 6)
    (sweep,) = found(store)
    assert "planned after 6 results were known and test was looked at" in sweep.remarks()
    assert "3 more trained apart, not counted" in sweep.remarks()


def test_results_outside_the_plan_count_as_known_when_seeds_are_added(store, tiny_recipe):
    digest = tiny_recipe.digest("data")
    settle_plan(store, digest, [0, 1], [])
    finish(opened(store, tiny_recipe, [20])[0])
    plan = settle_plan(store, digest, [20], RunIndex(store).rows())
    assert [added.seeds for added in plan.added] == [(20,)]


def test_sweep_is_final_when_every_seed_has_ended_however(store, tiny_recipe):
    settle_plan(store, tiny_recipe.digest("data"), [0, 1], [])
    one, other = opened(store, tiny_recipe, [0, 1])
    finish(one)
    assert not found(store)[0].final
    assert "not final: 1 of 2 planned seeds have figures so far" in found(store)[0].remarks()
    other.events_path.write_text(to_line(Failed(1.0, "diverged", "It did.")))
    assert found(store)[0].final
    assert "1 diverged: without figures, not in them" in found(store)[0].remarks()


def test_a_run_beside_the_plan_is_told_and_not_counted(store, tiny_recipe):
    settle_plan(store, tiny_recipe.digest("data"), [0, 1], [])
    for run in opened(store, tiny_recipe, [0, 1, 42]):
        finish(run)
    (sweep,) = found(store)
    assert [row.run.spec.seed for row in sweep.finished] == [0, 1]
    assert [row.run.spec.seed for row in sweep.outside] == [42]


BAD_PLANS = [
    "",
    "{",
    "[]",
    "3",
    *(
        f'{{"format": {f}, "created": 1, "added": [], "seeds": {s}}}'
        for f, s in (
            (99, "[1]"),
            (1, "[[1]]"),
            (1, '["a", 1]'),
            (1, "[]"),
            (1, "[-1]"),
            (1, "null"),
            (1, "[true]"),
        )
    ),
]


@pytest.mark.parametrize("content", BAD_PLANS)
def test_a_damaged_plan_is_no_plan(store, tiny_recipe, content):
    opened(store, tiny_recipe, [0])
    (store.folder / FOLDER).mkdir()
    (store.folder / FOLDER / f"{tiny_recipe.digest('data')}.json").write_text(content)
    (sweep,) = found(store)
    assert sweep.plan is None and list(sweep.runs) == [0]
    assert "its plan can't be read" in sweep.remarks()
    with pytest.raises(UserError, match="can't be read"):  # and its marks are not wiped out by a new one
        settle_plan(store, sweep.digest, [0, 1], [])


def test_plan_that_cannot_be_written_is_told_in_a_sentence(store, tiny_recipe):
    store.folder.parent.mkdir(exist_ok=True)
    store.folder.write_text("a file in the place of the folder")
    with pytest.raises(UserError, match="TENFOLD_RUNS"):
        settle_plan(store, tiny_recipe.digest("data"), [0], [])


def test_sweep_reuses_runs_and_trains_the_rest(store, tiny_recipe, finished_run):
    runs = start_sweep(store, [tiny_recipe], [42, 1], RunIndex(store).rows())
    assert runs[0].id == finished_run.id
    assert [run.state() for run in runs] == [RunState.FINISHED] * 2
    assert finished_run.history().launches == 1
    (sweep,) = found(store)
    plan = json.loads((store.folder / FOLDER / f"{sweep.digest}.json").read_text())
    assert plan["seeds"] == [42, 1]
    assert sweep.remarks() == ["planned after 1 result was known"]


def test_a_sweep_is_found_by_the_beginning_of_its_digest(store, tiny_recipe):
    opened(store, tiny_recipe, [0])
    opened(store, dataclasses.replace(tiny_recipe, epochs=2), [0])
    digest = tiny_recipe.digest("data")
    assert find_sweep(found(store), digest[:8]).recipe == tiny_recipe
    for wrong in ("zz", ""):
        with pytest.raises(UserError, match="digest"):
            find_sweep(found(store), wrong)
