"""Tables to take home hold what the run answered, tell nothing of test unless asked to, and compute nothing."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from core.config import Recipe
from core.datasets.split import split_indices
from core.errors import UserError
from core.export_tables import COVERED, checked_file, epochs_table, predictions_table, render, steps_table
from core.predictions import read_predictions
from tests.finished import CLASSES, finished


@pytest.fixture
def run(store):
    return finished(store, Recipe(width=0.03125))


def read_csv(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), keep_default_na=False)


def test_probabilities_are_softmax_of_logits_and_of_calibrated_ones(run):
    table = predictions_table(run, test=True)
    for part in ("validation", "test"):
        rows, found = table[table["split"] == part], read_predictions(run, part)
        for title, logits in (("probability", found.logits), ("calibrated", found.logits / 1.5)):
            columns = rows[[f"{title} of {name}" for name in CLASSES]].to_numpy(float)
            np.testing.assert_allclose(columns, softmax(logits.astype(float), axis=1), atol=1e-6)
        assert list(rows["label"]) == [CLASSES[k] for k in found.labels]
        assert (rows["correct"] == (rows["label"] == rows["answer"])).all()


def test_index_is_the_image_in_the_data_set_itself(run):
    table = predictions_table(run, test=True)
    _, validation = split_indices(200, run.spec.recipe.validation_share, run.spec.seed)
    assert list(table[table["split"] == "validation"]["index"]) == validation.tolist()
    assert list(table[table["split"] == "test"]["index"]) == list(range(60))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_covered_test_is_in_no_file_and_the_file_says_so(run, kind):
    for table in (predictions_table(run, test=False), epochs_table(run, test=False)):
        content = render(table, kind)
        read = read_csv(content) if kind == "csv" else pd.read_parquet(io.BytesIO(content))
        assert COVERED in read["note"].iloc[0] and len(read) == len(table)
        assert not any("test" in name for name in read.columns)
        assert "split" not in read or set(read["split"]) == {"validation"}


def test_revealed_test_stands_beside_the_epoch_whose_weights_are_kept(run):
    table = epochs_table(run, test=True)
    assert list(table["kept"]) == [False, True]
    assert table["test_accuracy"].iloc[1] == run.history().end.test_accuracy
    assert np.isnan(table["test_accuracy"].iloc[0])


def test_formulas_are_text_in_csv_and_names_are_whole_in_parquet(run):
    table = predictions_table(run, test=False)
    csv = render(table, "csv").decode("utf-8-sig")
    assert "'=SUM(A1)" in csv
    for line in csv.splitlines():
        assert not any(cell.lstrip('"').startswith(("=", "+", "@")) for cell in line.split(","))
    parquet = pd.read_parquet(io.BytesIO(render(table, "parquet")))
    assert set(parquet["label"]) <= set(CLASSES) and "probability of =SUM(A1)" in parquet


def test_csv_and_parquet_hold_the_same(run):
    table = predictions_table(run, test=True)
    csv, parquet = read_csv(render(table, "csv")), pd.read_parquet(io.BytesIO(render(table, "parquet")))
    numbers = [name for name in parquet if parquet[name].dtype == np.float32]
    assert len(numbers) == 2 * len(CLASSES)
    np.testing.assert_allclose(csv.iloc[:, 5:-1], parquet[numbers], rtol=1e-5)
    assert list(csv["index"]) == list(parquet["index"])


def test_steps_have_a_row_each(run):
    assert list(steps_table(run)["step"]) == [5, 10]


def test_damaged_and_missing_files_are_said_in_a_sentence(run):
    path = run.folder / "predictions.npz"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        predictions_table(run, test=False)
    (run.folder / "weights.pt").unlink()
    with pytest.raises(UserError, match="gone"):
        checked_file(run, "weights.pt")


def test_run_that_has_not_finished_has_nothing_to_take_home(queued_run):
    with pytest.raises(UserError, match="not finished"):
        predictions_table(queued_run, test=False)
    with pytest.raises(UserError, match="No epoch"):
        epochs_table(queued_run, test=False)
