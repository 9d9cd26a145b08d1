"""The button that proves a run: its first epochs are trained again, and every bit compared."""

import streamlit as st

from core import proof
from core.config import Recipe
from core.store import Run
from pages.parts import cache
from pages.parts.frame import sentences
from pages.parts.pace import ticking
from pages.parts.words import ago, duration, escaped

TICK_SECONDS = 1.0


def proof_panel(run: Run) -> None:
    """The button, how far the proof is, and what came out."""
    found = proof.status(run)
    running = found is not None and found.running
    ticking(_tick, TICK_SECONDS, running)(run, running)


def _tick(run: Run, was_running: bool) -> None:
    found = proof.status(run)
    if was_running and not (found and found.running):
        st.rerun()  # draws this fragment anew, without a clock
    with sentences():
        _draw(run, found)


def _draw(run: Run, found: proof.Proof | None) -> None:
    if found and found.running:
        share = found.done / found.total if found.total else 0.0
        words = f"Training it again: {found.done:,} of {found.total:,} steps"
        st.progress(min(1.0, share), f"{words}, waiting for a training to end" if found.waiting else words)
        if run.marked(proof.STOP_MARK):
            st.caption("Stopping …")
        elif st.button("Stop", key=f"stop-proof-{run.id}", icon=":material/stop:"):
            proof.stop(run)
            st.rerun()
        return
    epochs = cache.history(run.id).epochs
    number = proof.epochs_to_repeat(epochs)
    hint = (
        "Trains this recipe with this seed again, in the background, for as many epochs as took a minute, and "
        "compares the SHA-256 of the weights after each; then goes on from the state after the first epoch, "
        "as after a crash, and compares again."
    )
    moves = run.state().active
    if st.button(
        "Prove it", key=f"prove-{run.id}", icon=":material/verified:", help=hint, disabled=moves or not number
    ):
        proof.begin(run)
        st.rerun()
    if moves:
        st.caption("It can be proven when it has ended.")
    elif not number:
        st.caption("It recorded no weights to compare with.")
    else:
        st.caption(f"Takes about {duration(proof.expected_seconds(epochs))}.")
    if found:
        _outcome(found, run.spec.recipe)


def _outcome(found: proof.Proof, recipe: Recipe) -> None:
    """What came out, in a sentence."""
    if found.error:
        st.error(escaped(found.error), icon=":material/error:")
        return
    when = ago(found.time)
    if found.stopped:
        st.caption(f"Stopped {when}, before anything came out.")
        return
    if found.holds:
        epochs = "1 epoch" if found.repeated == 1 else f"{found.repeated} epochs"
        resumed = ", and so did going on from the state after the first" if found.resumed else ""
        st.success(
            f"Proven {when}: {epochs} trained again gave the same weights bit by bit{resumed} "
            f"(SHA-256 {found.digest[:12]}…).",
            icon=":material/verified:",
        )
        return
    where = f"after epoch {found.differs}" if found.differs else "after going on from the first epoch"
    st.warning(
        escaped(f"Tried {when}: {where} the weights were others than recorded. {_reason(found, recipe)}"),
        icon=":material/difference:",
    )


def _reason(found: proof.Proof, recipe: Recipe) -> str:
    """Why the weights were others, what is most likely first."""
    if found.changes:
        return f"Machine or software are not the run's ({'; '.join(found.changes)})."
    if not recipe.deterministic:
        return "Its recipe has Deterministic switched off, so nobody promised that they would be the same."
    return "Machine and software are the run's, so something in this training is not deterministic."
