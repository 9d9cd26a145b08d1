"""Taking back what was deleted: right afterwards, or from the trash; and emptying it."""

import streamlit as st

from core.errors import UserError
from core.run_filter import recipe_words
from core.trash import Deleted, deleted, empty, names, trash_bytes, undo
from pages.parts import cache
from pages.parts.frame import sentences, told
from pages.parts.pickers import dataset_title
from pages.parts.words import ago, runs_in_words, size


def remember_deleted(names: list[str], n_bytes: int) -> None:
    """So that this session can undo it with one click.

    Args:
        names: in the trash, as `core.trash.delete` gives them.
    """
    if names:
        st.session_state["runs.deleted"] = (names, n_bytes)


def deleted_banner() -> None:
    """What this session deleted last, with the way back."""
    just, n_bytes = st.session_state.get("runs.deleted", ([], 0))
    just = [name for name in just if name in set(names(cache.store()))]
    if not just:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="runs-undo"):
        st.markdown(
            f":material/delete: Deleted {runs_in_words(len(just))}, {size(n_bytes)}: in the trash until it is emptied.",
            width="stretch",
        )
        st.button("Undo", key="runs.undo", icon=":material/undo:", on_click=_put_back, args=(just,))
        st.button("Close", key="runs.undo.close", type="tertiary", on_click=_close)


def trash_panel() -> None:
    """The trash, folded up; nothing where it is empty."""
    there = len(names(cache.store()))
    if not there:
        return
    with st.expander(
        f"Trash: {runs_in_words(there)}", icon=":material/delete:", key="runs.trash", on_change="rerun"
    ) as panel:
        if panel.open:
            with sentences():
                _panel()


def _panel() -> None:
    found = deleted(cache.store())
    titles = {one.name: _title(one) for one in found}
    known = [name for name in st.session_state.get("runs.trash.chosen", []) if name in titles]
    st.session_state["runs.trash.chosen"] = known
    chosen = st.multiselect(
        "Runs to put back",
        list(titles),
        format_func=titles.get,
        key="runs.trash.chosen",
        placeholder="Choose; what was deleted last comes first",
        help="Each comes back as it was, with its curves, weights and labels.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Put back {runs_in_words(len(chosen))}" if chosen else "Put back",
            key="runs.trash.back",
            icon=":material/undo:",
            disabled=not chosen,
            on_click=_put_back,
            args=(chosen,),
        )
        if st.button("Empty the trash …", key="runs.trash.empty", icon=":material/delete_forever:"):
            _ask_to_empty()


def _title(one: Deleted) -> str:
    if one.run is None:
        return f"a run that can't be read ({one.name[:8]}), deleted {ago(one.time)}"
    spec = one.run.spec
    what = f"{recipe_words(spec.recipe)} · {dataset_title(spec.recipe.dataset)} · seed {spec.seed}"
    return f"{what}, deleted {ago(one.time)}"


@st.dialog("Empty the trash?", icon=":material/delete_forever:")
def _ask_to_empty() -> None:
    store = cache.store()
    st.markdown(
        f"**{runs_in_words(len(names(store)))}** would be removed for good, which frees **{size(trash_bytes(store))}**. "
        "This can't be undone."
    )
    with st.container(horizontal=True):
        emptied = st.button("Remove for good", type="primary", key="runs.trash.sure", on_click=_empty)
        if st.button("Keep the trash", key="runs.trash.not") or emptied:
            st.rerun()  # closes the dialog


def _empty() -> None:
    with told():
        freed = empty(cache.store())
        st.toast(f"{size(freed)} freed.", icon=":material/delete_forever:")


def _put_back(chosen: list[str]) -> None:
    """As many as can be; what can't stays in the trash, and why is told."""
    back, refused = 0, []
    with told():
        for name in chosen:
            try:
                undo(cache.store(), name)
                back += 1
            except UserError as error:
                refused.append(str(error))
    if back:
        st.toast(f"{runs_in_words(back)} put back.", icon=":material/undo:")
    if refused:
        more = f" (So for {runs_in_words(len(refused))}.)" if len(refused) > 1 else ""
        st.session_state["told"] = refused[0] + more


def _close() -> None:
    st.session_state.pop("runs.deleted", None)
