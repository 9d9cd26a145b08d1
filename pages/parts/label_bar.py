"""What can be done with the marked runs at once: star, tags, note, archive, delete."""

import zlib
from dataclasses import replace
from typing import Any

import streamlit as st

from core.errors import UserError
from core.index import Row
from core.labels import MOST_NOTE_LETTERS, MOST_TAGS, Labels, change_labels
from core.naming import distinct_names
from core.sweep import seeds_in_words
from core.trash import delete, size_bytes
from pages.parts import cache
from pages.parts.frame import told
from pages.parts.trash_panel import remember_deleted
from pages.parts.words import escaped, runs_in_words, size

MOST_SWEEPS_NAMED = 5


def label_bar(marked: list[Row], known_tags: list[str]) -> None:
    """One line of buttons for the marked runs.

    Args:
        known_tags: those of all runs, to choose from.
    """
    starred = all(row.labels.star for row in marked)
    archived = all(row.labels.archived for row in marked)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs-bar"):
        st.markdown(f"**{runs_in_words(len(marked))} marked:**", width="content")
        st.button(
            "No star" if starred else "Star",
            key="runs.star",
            icon=":material/star:",
            help="Takes the stars away." if starred else "A star finds a run again: the filter knows it.",
            on_click=_set,
            args=(marked,),
            kwargs={"star": not starred},
        )
        _tags(marked, known_tags)
        _note(marked)
        st.button(
            "Out of the archive" if archived else "Archive",
            key="runs.archive",
            icon=":material/unarchive:" if archived else ":material/archive:",
            help="Archived runs are hidden in this table unless the filter asks for them. "
            "They still answer for their recipe and count in their sweep.",
            on_click=_set,
            args=(marked,),
            kwargs={"archived": not archived},
        )
        if st.button(
            "Delete …", key="runs.delete", icon=":material/delete:", help="Asks first, and can be undone."
        ):
            _ask(marked)


def written_on(labels: Labels) -> None:
    """What people wrote on one run."""
    if labels.star or labels.tags or labels.archived:
        with st.container(horizontal=True, gap="small"):
            if labels.star:
                st.badge("starred", icon=":material/star:", color="orange")
            if labels.archived:
                st.badge("archived", icon=":material/archive:", color="gray")
            for tag in labels.tags:
                st.badge(escaped(tag), icon=":material/sell:", color="blue")
    if labels.note:
        st.markdown("  \n".join(escaped(line) for line in labels.note.split("\n")))


def _set(marked: list[Row], **values: Any) -> None:
    with told():
        change_labels([row.run.folder for row in marked], lambda labels: replace(labels, **values))


def _key(name: str, marked: list[Row], written: object) -> str:
    """A widget of its own for each choice of runs and what is written on them: it begins with that."""
    return f"runs.{name}.{zlib.crc32(repr(([row.run.id for row in marked], written)).encode())}"


def _tags(marked: list[Row], known: list[str]) -> None:
    """Those that all marked runs have can be taken away from all, others added to all."""
    common = [tag for tag in marked[0].labels.tags if all(tag in row.labels.tags for row in marked)]
    with st.popover("Tags", icon=":material/sell:", key="runs.tagging"):
        key = _key("tags", marked, [row.labels.tags for row in marked])
        with st.form(f"form.{key}", border=False):
            st.multiselect(
                "Tags of this run" if len(marked) == 1 else "Tags that all of them have",
                list(dict.fromkeys([*common, *known])),
                default=common,
                key=key,
                accept_new_options=True,
                max_selections=MOST_TAGS,
                placeholder="Type a new one, or choose",
                help="Words of your own, such as warm-up or for-the-class; the search and the filter find them. "
                "Tags that only some of the marked runs have stay as they are.",
            )
            st.form_submit_button("Keep the tags", on_click=_tag, args=(marked, common, key))


def _tag(marked: list[Row], common: list[str], key: str) -> None:
    chosen = st.session_state[key]
    added, removed = ([t for t in chosen if t not in common], [t for t in common if t not in chosen])
    with told():
        change_labels([row.run.folder for row in marked], lambda labels: labels.tagged(added, removed))


def _note(marked: list[Row]) -> None:
    """One run's note to be changed; of several, a line that is added to each."""
    one = len(marked) == 1
    with st.popover("Note", icon=":material/edit_note:", key="runs.noting"):
        key = _key("note", marked, [row.labels.note for row in marked])
        with st.form(f"form.{key}", border=False):
            st.text_area(
                "Note on this run" if one else f"Add to the notes of {runs_in_words(len(marked))}",
                marked[0].labels.note if one else "",
                max_chars=MOST_NOTE_LETTERS,
                key=key,
                height=140,
                help="What you found out; the search finds its words. Notes that are there stay."
                if not one
                else "What you found out; the search finds its words.",
            )
            st.form_submit_button("Keep the note", on_click=_annotate, args=(marked, key))


def _annotate(marked: list[Row], key: str) -> None:
    text, several = st.session_state[key] or "", len(marked) > 1
    with told():
        change_labels([row.run.folder for row in marked], lambda labels: labels.noted(text, append=several))


@st.dialog("Delete these runs?", icon=":material/delete:")
def _ask(marked: list[Row]) -> None:
    """What would go, and what would lose it."""
    going = [row for row in marked if not row.state.active]
    if going:
        taken = sum(size_bytes(row.run.folder) for row in going)
        st.markdown(f"**{runs_in_words(len(going))}**, {size(taken)} on the disk.")
        for sentence in _losses(going):
            st.markdown(f"- {sentence}")
        st.caption(
            "They go to the trash at the end of this page, from which they can be put back until somebody "
            "empties it; only that frees the disk."
        )
    if kept := len(marked) - len(going):
        st.warning(
            f"{runs_in_words(kept)} {'is' if kept == 1 else 'are'} on {'its' if kept == 1 else 'their'} way and "
            "can't be deleted: stop first what you don't want.",
            icon=":material/play_circle:",
        )
    with st.container(horizontal=True):
        confirmed = going and st.button(
            f"Delete {runs_in_words(len(going))}",
            type="primary",
            key="runs.delete.sure",
            on_click=_delete,
            args=(going,),
        )
        if st.button("Keep them", key="runs.delete.not") or confirmed:
            st.rerun()  # closes the dialog


def _losses(going: list[Row]) -> list[str]:
    """What sweeps lose, in sentences; the largest losses first."""
    ids = {row.id for row in going}
    found = []
    for sweep in cache.sweeps():
        lost = [seed for seed, row in sweep.runs.items() if row is not None and row.id in ids]
        if lost and (len(sweep.runs) > 1 or sweep.plan):
            found.append((sweep, lost))
    found.sort(key=lambda pair: len(pair[1]), reverse=True)
    named = found[:MOST_SWEEPS_NAMED]
    names = distinct_names([sweep.recipe for sweep, _ in named])
    sentences = [
        f"The sweep {escaped(name)} loses seed{'s' if len(lost) > 1 else ''} {seeds_in_words(lost)} "
        f"of its {len(sweep.runs)}" + (", which stay in its plan as not started." if sweep.plan else ".")
        for name, (sweep, lost) in zip(names, named, strict=True)
    ]
    if more := len(found) - len(named):
        sentences.append(f"{more:,} more sweeps lose seeds.")
    return sentences


def _delete(going: list[Row]) -> None:
    """All that can be; what could not is told, and the others can be undone together."""
    names, taken, refused = [], 0, []
    for row in going:
        n_bytes = size_bytes(row.run.folder)
        try:
            names.append(delete(cache.store(), row.run))
            taken += n_bytes
        except UserError as error:
            refused.append(str(error))
        except OSError as error:
            refused.append(f"Run {row.run.id[:8]} can't be moved ({error.strerror}).")
    remember_deleted(names, taken)
    if st.query_params.get("run") in {name[:32] for name in names}:
        del st.query_params["run"]  # a link to what is gone would only say so
    if refused:
        more = f" {len(refused) - 1:,} more were kept, too." if len(refused) > 1 else ""
        st.session_state["told"] = refused[0] + more
