"""One run while it grows: progress, curves, Stop. Ticks only as long as something happens."""

import streamlit as st

from core import figures
from core.coach import advise
from core.config import in_words
from core.estimate import judging_images
from core.events import Failed, Finished
from core.executors import executor, stop
from core.history import History, curve_lines
from core.store import Run, RunState
from pages.parts import cache
from pages.parts.cache import freeze_imports
from pages.parts.cluster import progress_of_link, where
from pages.parts.colours import recipe_colour
from pages.parts.frame import go_on, sentences, wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.pace import ticking
from pages.parts.pickers import dataset_title
from pages.parts.words import duration, escaped, percent, state_badge

TICK_SECONDS = 1.0
CHART_HEIGHT_PX = 280


def live(run: Run) -> None:
    """Draw a run and keep it up to date while it is under way."""
    freeze_imports()
    moves = _moves(run)
    ticking(_tick, TICK_SECONDS, moves)(run, moves)


def _moves(run: Run) -> bool:
    """Whether something happens by itself; a run that waits for room on the disk is in the queue, too."""
    return run.state().active or run.queued


def _tick(run: Run, moved: bool) -> None:
    if moved and not _moves(run):
        st.rerun()  # the whole page: this part without a clock, and the form, which tells of this run, too
    if moved:
        go_on()
    with sentences():
        _draw(run)


def _draw(run: Run) -> None:
    state = run.state()
    history = cache.history(run.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(state)
        spec = run.spec
        st.markdown(
            f"**{in_words(spec.recipe)}** · {escaped(dataset_title(spec.recipe.dataset))} · seed {spec.seed}"
        )
    if state in (RunState.QUEUED, RunState.STARTING, RunState.RESUMING):
        progress_of_link()
    if state.active:
        _progress(run, history)
    _verdict(run, state, history)
    _coach(run, history)
    curves(history, f"live-{run.id}", recipe_colour(spec.digest))
    _controls(run, state)


def curves(history: History, key: str, colour: str) -> None:
    """Accuracy and loss over epochs, side by side where there is room, in the colour of the recipe."""
    started = history.started
    if started is None or not (history.steps or history.epochs):
        st.caption("The curves begin with the first figures.")
        return
    columns = wrapping_columns(2, key)
    for column, quantity in zip(columns, ("accuracy", "loss"), strict=True):
        spec = figures.curve(quantity, *curve_lines(history, quantity), started.epochs, colour)
        with column:
            live_chart(spec, f"{key}-{quantity}", CHART_HEIGHT_PX, _alt(quantity, history))


def _alt(quantity: str, history: History) -> str:
    if not history.epochs:
        return f"Curves of {quantity}, no epoch finished yet"
    last = history.epochs[-1]
    values = (getattr(last, f"train_{quantity}"), getattr(last, f"validation_{quantity}"))
    training, validation = (percent(v) if quantity == "accuracy" else f"{v:.3f}" for v in values)
    return f"Curves of {quantity}: after epoch {last.epoch} training {training}, validation {validation}"


def _progress(run: Run, history: History) -> None:
    """How far, how fast, how long still, and on what."""
    started, sign = history.started, run.progress()
    if started is None:
        waits = run.state() is RunState.QUEUED
        st.progress(0.0, "Waiting for a free place" if waits else "Starting: loading PyTorch and the images")
        return
    total = started.epochs * started.steps_per_epoch
    done = max([0, *(step.step for step in history.steps[-1:]), *(e.step for e in history.epochs[-1:])])
    speed = history.epochs[-1].images_per_second if history.epochs else 0.0
    if run.spec.recipe.compile and not sign and done <= started.resumed_from * started.steps_per_epoch:
        st.progress(done / total, "Compiling the network, which takes up to a minute")
        return
    if sign and sign.step > done:
        done, speed = sign.step, sign.images_per_second
    epoch = min(done // started.steps_per_epoch + 1, started.epochs)
    parts = [f"Epoch {epoch} of {started.epochs}"]
    if speed:
        recipe = run.spec.recipe
        judged = judging_images(recipe, (started.epochs - epoch + 1) * started.validation_images)
        left = ((total - done) * recipe.batch_size + judged) / speed
        parts += [f"{speed:,.0f} images/s", f"{duration(left)} left"]
    passport = started.passport
    parts.append(f"{passport.get('device_name')}, {passport.get('precision')}")
    if place := where(run):
        parts.append(place)
    st.progress(done / total, " · ".join(parts))


def _verdict(run: Run, state: RunState, history: History) -> None:
    """The end of a run in a sentence."""
    end = history.end
    if isinstance(end, Finished):
        st.success(
            f"Validation accuracy **{percent(end.validation_accuracy)}** after {_length(run, history)}, "
            f"in {duration(end.train_seconds)} ({end.images_per_second:,.0f} images/s).",
            icon=":material/check_circle:",
        )
    elif isinstance(end, Failed):
        st.error(escaped(end.message), icon=":material/error:")
    elif state is RunState.FAILED:
        st.error(run.runner_note().get("failure", "The run failed."), icon=":material/error:")
    elif state is RunState.PAUSED:
        st.warning(run.hindrance() or "Paused.", icon=":material/pause_circle:")


def _length(run: Run, history: History) -> str:
    """How long it trained, and which weights were kept where that was a choice."""
    epochs, kept = len(history.epochs), history.end.epoch
    words = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    if epochs < run.spec.recipe.epochs:
        words += f" of {run.spec.recipe.epochs}: validation had stopped improving"
    if run.spec.recipe.keep == "best":
        words += f", weights of epoch {kept}"
    return words


def _coach(run: Run, history: History) -> None:
    """What the curves say about the recipe, if they say anything; where the run failed, its verdict has said it."""
    started = history.started
    if started is None or isinstance(history.end, Failed):
        return
    advice = advise(
        run.spec.recipe, started.classes, history.steps, history.epochs, started.validation_images
    )
    if advice:
        st.info(escaped(advice.sentence), icon=":material/sports:")


def _controls(run: Run, state: RunState) -> None:
    """Stop, or go on; the last whole epoch is never lost."""
    if _moves(run) and state is not RunState.STOPPING:
        if st.button("Stop", key=f"stop-{run.id}", icon=":material/stop:"):
            stop(cache.store(), run)
            st.rerun()
    elif state in (RunState.CANCELLED, RunState.INTERRUPTED, RunState.PAUSED):
        hint = "Goes on after the last whole epoch, as if it had never stopped."
        if st.button("Go on", key=f"go-on-{run.id}", icon=":material/play_arrow:", help=hint):
            executor().start(cache.store(), [run])
            st.rerun()
