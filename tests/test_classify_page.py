"""The Classify page as a person meets it: first start, batch, bad files, test images, every view."""

import io

import numpy as np
import pytest
from PIL import Image

from core.index import RunIndex
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)


def picture(size=(48, 32), colour=(200, 30, 30), format="PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format)
    return file.getvalue()


@pytest.fixture
def page(app):
    """The page on a first start; its processes end with the test."""
    visit(app, "pages/classify.py")
    yield app
    from pages.parts import cache

    cache.asker().close()
    cache.decoder().close()


def upload(app, *files):
    app.file_uploader(key="classify.files").set_value(list(files)).run(timeout=90)
    assert not app.exception, app.exception
    return app


def plain(app) -> str:
    return text(app).replace("\\", "")


def test_first_start_classifies_a_picture_with_the_network_that_comes_along(page):
    assert "Comes with Tenfold" in plain(page) and "recognises 9" in plain(page)
    upload(page, ("red.png", picture(), "image/png"))
    assert not page.error
    assert "### " in plain(page) and "Calibrated on validation images" in plain(page)


@pytest.mark.parametrize("tab", ["Why", "Play", "What it resembles"])
def test_every_view_opens(page, tab):
    upload(page, ("red.png", picture(), "image/png"))
    page.session_state["classify.tab"] = tab
    page.run(timeout=90)
    assert not page.exception
    if tab != "What it resembles":  # its data set is not on this machine, which is said in a sentence
        assert not page.error


def test_bad_file_is_refused_in_a_sentence_and_stops_no_other(page):
    upload(page, ("red.png", picture(), "image/png"), ("<b>x</b>.png", b"no image", "image/png"))
    (error,) = page.error
    assert "no PNG, JPEG, WebP, BMP or GIF" in error.value.replace("\\", "")
    assert "### " in plain(page)


def test_damaged_zip_stops_no_other_file(page):
    upload(
        page, ("all.zip", b"PK\x03\x04 and no more", "application/zip"), ("red.png", picture(), "image/png")
    )
    (error,) = page.error
    assert "zip is damaged" in error.value and "all.zip" in error.value.replace("\\", "")
    assert "### " in plain(page)


def test_several_images_make_a_table_with_a_row_each(page):
    files = [(f"{k}.png", picture(colour=(k * 20, 90, 120)), "image/png") for k in range(12)]
    upload(page, *files)
    table = page.dataframe[0].value
    assert list(table["file"]) == [name for name, _, _ in files]
    assert table["probability"].between(0, 1).all()


def test_test_image_that_was_clicked_is_classified_with_its_label(page, monkeypatch):
    page.session_state["classify.way"] = "Test image"
    page.session_state["classify.test"] = ("shapes", 3)
    page.run(timeout=90)
    assert not page.exception and not page.error
    assert "which this model does not know" in plain(page)


def test_runs_and_sweeps_can_be_asked(app, store, finished_run, tiny_recipe, shapes_fingerprint):
    from core.worker import work

    work(store.open(tiny_recipe, 43, shapes_fingerprint)[0])
    visit(app, "pages/classify.py")
    keys = [option for option in app.selectbox(key="classify.subject").options]
    assert sum("seed 4" in key for key in keys) == 2 and any("all 2 seeds" in key for key in keys)
    digest = finished_run.spec.digest
    app.selectbox(key="classify.subject").set_value(f"sweep:{digest}").run(timeout=90)
    upload(app, ("red.png", picture(), "image/png"))
    assert not app.error and "Mean of 2 seeds" in plain(app)
    assert sum(row.looks for row in RunIndex(store).rows()) == 0
    from pages.parts import cache

    cache.asker().close()
    cache.decoder().close()


def test_models_are_asked_beside_each_other(page):
    page.multiselect(key="classify.others").set_value(["card:baseline-narrow"]).run(timeout=90)
    upload(page, ("red.png", picture(), "image/png"))
    assert not page.error and "Mean of 2 networks" in plain(page)
    assert "can't be told for this model" in plain(page)


def test_figures_of_a_normalisation_have_to_be_numbers(page):
    page.selectbox(key="classify.subject").set_value("own").run(timeout=90)
    page.selectbox(key="classify.normalisation").set_value("other figures …").run(timeout=90)
    assert not page.error
    page.text_input(key="classify.means").set_value("0.5, half").run(timeout=90)
    (error,) = page.error
    assert "three numbers" in error.value


def test_seen_pixels_are_those_of_the_chosen_fit(page):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255
    file = io.BytesIO()
    Image.fromarray(wide).save(file, "PNG")
    upload(page, ("wide.png", file.getvalue(), "image/png"))
    _, decoded = page.session_state["classify.decoded"]
    assert (decoded[0].seen == 255).all()  # the middle square
    page.segmented_control(key="classify.fit").set_value("squash").run(timeout=90)
    _, decoded = page.session_state["classify.decoded"]
    assert (decoded[0].seen[:, :, :8] == 0).all() and (decoded[0].seen[:, :, 14:18] == 255).all()


def test_grad_cam_says_how_many_regions_this_network_has(page):
    upload(page, ("red.png", picture(), "image/png"))
    page.session_state["classify.tab"] = "Why"
    page.run(timeout=90)
    assert "This map has 3 × 3 regions" in plain(page)


def test_similar_training_images_of_a_run_are_found_step_by_step(app, store, finished_run, monkeypatch):
    from core import answering
    from core.answering import Answerer
    from core.asking import Asker

    monkeypatch.setattr(answering, "STEP_SECONDS", 0.0)
    answerer, asked = Answerer(store), []

    def ask(self, what, subject, arrays=None, **values):
        asked.append(what)
        return answerer.answer({"what": what, "subject": subject, **values}, arrays or {})

    monkeypatch.setattr(Asker, "ask", ask)
    monkeypatch.setattr(Asker, "warm", lambda self: None)
    visit(app, "pages/classify.py")
    app.selectbox(key="classify.subject").set_value(f"run:{finished_run.id}").run(timeout=90)
    app.session_state["classify.tab"] = "What it resembles"
    upload(app, ("red.png", picture(), "image/png"))
    assert not app.error and asked.count("nearest") > 2
    assert "look most alike to this model" in plain(app) and "4,000 of the 5,000" in plain(app)


def test_image_that_was_refused_for_the_moment_is_tried_again(page, monkeypatch):
    from core.decoding import Decoded, Decoder

    real, answers = Decoder.decode, []

    def busy_first(self, files, *rest, **named):
        answers.append([name for name, _ in files])
        if len(answers) > 1:
            return real(self, files, *rest, **named)
        return [
            Decoded(name, None, None, "Not decoded within 60 seconds.", passing=True) for name, _ in files
        ]

    monkeypatch.setattr(Decoder, "decode", busy_first)
    upload(page, ("red.png", picture(), "image/png"))
    assert len(page.error) == 1
    page.run(timeout=90)
    assert not page.error and "### " in plain(page)
    page.run(timeout=90)
    assert len(answers) == 2
