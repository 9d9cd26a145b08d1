"""The command `classify`: one answer a file, in order, and an exit status that tells of refusals."""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from core import classify_command
from core.__main__ import main
from core.classify import open_card, open_run
from core.decoding import Budget
from core.paths import ROOT
from core.pretrained import cards
from core.worker import work


@pytest.fixture
def picture(tmp_path):
    """Writes an image of one colour, or of noise, and gives its path."""

    def write(name: str, colour: tuple[int, int, int] | None = None) -> str:
        pixels = np.random.default_rng(len(name)).integers(0, 256, (40, 32, 3), np.uint8)
        image = Image.fromarray(pixels) if colour is None else Image.new("RGB", (32, 32), colour)
        image.save(tmp_path / name)
        return str(tmp_path / name)

    return write


def call(capsys, *arguments: str) -> tuple[int, object]:
    status = main(["classify", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_one_answer_a_file_in_their_order_best_class_first(capsys, picture):
    files = [picture("b.png"), picture("a.jpg"), picture("c.webp", (200, 30, 30))]
    status, results = call(capsys, *files)
    assert status == 0 and [result["file"] for result in results] == files
    for result in results:
        probabilities = [one["probability"] for one in result["classes"]]
        assert probabilities == sorted(probabilities, reverse=True) and sum(probabilities) == pytest.approx(
            1, abs=1e-4
        )
        assert {one["name"] for one in result["classes"]} == set(open_card("fast").classes)
        assert result["unusual"] in (True, False) and "agreement" not in result


def test_refused_files_stop_no_other_and_give_status_1(capsys, picture, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "page.svg").write_text("<svg/>")
    files = [
        str(tmp_path / "empty.png"),
        picture("a.png"),
        str(tmp_path / "page.svg"),
        str(tmp_path / "none.png"),
    ]
    files += [str(tmp_path), "nul\0.png"]
    status, results = call(capsys, *files)
    assert status == 1 and [("classes" in r, "refused" in r) for r in results] == [
        (name == files[1], name != files[1]) for name in files
    ]
    assert all(result["refused"].endswith(".") for result in results if "refused" in result)


def test_wrong_use_gives_status_2(capsys, picture):
    assert call(capsys, picture("a.png"), "--run", "0" * 32)[0] == 2
    assert call(capsys, picture("a.png"), "--recipe", "ffff")[0] == 2
    for arguments in ([], ["x.png", "--card", "none"], ["x.png", "--run", "a", "--card", "fast"]):
        with pytest.raises(SystemExit) as left:
            main(["classify", *arguments])
        assert left.value.code == 2


def test_run_and_card_can_be_chosen(capsys, picture, store, finished_run):
    file = picture("a.png", (10, 200, 30))
    seen = np.broadcast_to(np.array([10, 200, 30], np.uint8)[:, None, None], (3, 32, 32))[None]
    for arguments, classifier in (
        (["--run", finished_run.id], open_run(store, finished_run.id)),
        (["--card", "baseline-narrow"], open_card("baseline-narrow")),
        ([], open_card(next(iter(cards())))),
    ):
        _, ((result),) = call(capsys, file, *arguments)
        mean = classifier.classify(seen).mean[0]
        assert result["classes"][0]["name"] == classifier.classes[mean.argmax()]
        assert result["classes"][0]["probability"] == pytest.approx(mean.max(), abs=1e-5)


def test_seeds_of_a_recipe_answer_together(
    capsys, picture, store, finished_run, tiny_recipe, shapes_fingerprint
):
    other, _ = store.open(tiny_recipe, 43, shapes_fingerprint)
    work(other)
    _, (result,) = call(capsys, picture("a.png"), "--recipe", other.spec.digest)
    assert result["agreement"] in (0.5, 1.0) and all("spread" in one for one in result["classes"])


def test_portions_change_nothing(capsys, picture, monkeypatch):
    files = [picture(f"{number}.png") for number in "abcde"] + ["missing.png"]
    whole = call(capsys, *files, "--card", "baseline-narrow")
    monkeypatch.setattr(classify_command, "AT_ONCE", 2)
    assert call(capsys, *files, "--card", "baseline-narrow") == whole
    monkeypatch.setattr(classify_command, "AT_ONCE_BYTES", 1)
    assert call(capsys, *files, "--card", "baseline-narrow") == whole


def test_text_names_the_network_and_escapes_names_of_files(capsys, tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (32, 32)).save(content, "PNG")
    name = tmp_path / "\x1b[2J.png"
    name.write_bytes(content.getvalue())
    assert main(["classify", str(name), "--card", "baseline-narrow"]) == 0
    printed = capsys.readouterr().out
    assert "Baseline CNN" in printed and "\x1b" not in printed and "%" in printed.splitlines()[1]


def test_command_prints_one_document(picture):
    command = [
        sys.executable,
        "-m",
        "core",
        "classify",
        picture("a.png"),
        "--card",
        "baseline-narrow",
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)) == 1 and done.stdout.count("\n") == 1


def test_zip_has_an_answer_for_each_file_in_it(capsys, picture, tmp_path):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(picture("a.png"), "cats/a.png")
        file.writestr("notes.txt", "no image")
    (tmp_path / "half.zip").write_bytes(archive.read_bytes()[:99])
    files = [picture("b.png"), str(archive), str(tmp_path / "half.zip")]
    status, results = call(capsys, *files, "--card", "baseline-narrow")
    assert status == 1
    assert [(one["file"], "classes" in one) for one in results] == [
        (files[0], True),
        (f"{archive}/cats/a.png", True),
        (f"{archive}/notes.txt", False),
        (files[2], False),
    ]
    assert "zip is damaged" in results[3]["refused"]
    _, (alone,) = call(capsys, picture("a.png"), "--card", "baseline-narrow")
    assert results[1]["classes"] == alone["classes"]


def test_zip_larger_than_an_image_may_be_is_read(capsys, picture, tmp_path):
    archive = tmp_path / "large.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("long.bin", bytes(20_000_001))
        file.write(picture("a.png"), "a.png")
    _, results = call(capsys, str(archive), "--card", "baseline-narrow")
    assert "20 MB" in results[0]["refused"] and "classes" in results[1]


def test_zips_of_one_call_share_a_budget(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(classify_command, "Budget", lambda: Budget(members=3))
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("1.png", "x")
            file.writestr("2.png", "x")
    _, results = call(capsys, str(tmp_path / "a.zip"), str(tmp_path / "b.zip"), "--card", "baseline-narrow")
    assert len(results) == 3 and "bring it by itself" in results[2]["refused"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipe_is_refused_and_not_waited_for(picture, tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "core", "classify", str(pipe), picture("a.png"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    results = json.loads(done.stdout)
    assert "a pipe or a device" in results[0]["refused"] and "classes" in results[1]
