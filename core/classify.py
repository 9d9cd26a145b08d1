"""What can be asked about an image: a network that comes with Tenfold, a run, all seeds of a recipe, brought weights.

Weights of cards and runs are believed only with the SHA-256 that was written down when they were made.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from core.checkpoints import from_bytes, load_checked, sha256
from core.config import Recipe, in_words
from core.datasets import DATASETS, folder_place
from core.energy import Alarm, choose_alarm, energy
from core.errors import UserError
from core.events import Finished
from core.index import RunIndex
from core.members import Answers, Classifier, Member, compute_here, mean_energy
from core.models import MODELS
from core.naming import counted
from core.own_weights import network, read_weights
from core.predictions import read_predictions
from core.pretrained import cards
from core.store import Run, RunStore
from core.sweep import Sweep, find_sweep, sweeps

__all__ = [
    "Answers",
    "Classifier",
    "Member",
    "open_card",
    "open_run",
    "open_seeds",
    "open_sweep",
    "open_weights",
    "put_together",
]

MOST_MEMBERS = 30
"""Networks that are held in memory and asked together; of a larger sweep the first seeds."""


def open_card(name: str) -> Classifier:
    """A network that comes with Tenfold.

    Raises:
        UserError: there is none of this name, or its weights are missing or damaged.
    """
    known = cards()
    if name not in known:
        raise UserError(f"No network called {name!r} comes with Tenfold: choose one of {', '.join(known)}.")
    card = known[name]
    alarm = Alarm(**card.alarm) if card.alarm else None
    model = _placed(card.recipe, len(card.classes), from_bytes(card.content()))
    member = Member(
        card.title,
        model,
        card.recipe,
        tuple(card.classes),
        np.array(card.mean),
        np.array(card.std),
        card.temperature,
        card.seed,
        card.sha256,
        card.data_fingerprint,
        alarm,
    )
    note = (
        f"Comes with Tenfold. Trained for {_epochs(card.recipe)} on {card.data}; of images that it did not learn "
        f"from it recognises {card.test_accuracy:.1%} (test) and {card.validation_accuracy:.1%} (validation)."
    )
    return Classifier([member], card.title, note, alarm)


def open_run(store: RunStore, run_id: str) -> Classifier:
    """A finished run.

    Raises:
        UserError: there is no such run, it has not finished, or its weights are missing or damaged.
    """
    run = store.get(run_id)
    member, accuracy = _member(run)
    title = f"{in_words(run.spec.recipe)}, seed {run.spec.seed}"
    note = (
        f"Trained here for {_epochs(run.spec.recipe)} on {_data_title(run.spec.recipe)}; "
        f"of the validation images it recognises {accuracy:.1%}."
    )
    return Classifier([member], title, note, member.alarm)


def open_sweep(store: RunStore, digest: str) -> Classifier:
    """All finished seeds of a recipe, by its digest or the first digits of it.

    Raises:
        UserError: no such recipe, none of its seeds has finished, or weights are missing or damaged.
    """
    return open_seeds(find_sweep(sweeps(store, RunIndex(store).rows()), digest))


def open_seeds(sweep: Sweep, only: Collection[str] | None = None) -> Classifier:
    """The finished seeds of a sweep as it was listed, or those `only` whose runs have these ids.

    Raises:
        UserError: none of its seeds has finished, or weights are missing or damaged.
    """
    finished = [row for row in sweep.finished if only is None or row.run.id in only]
    if not finished:
        raise UserError(f"No run of recipe {sweep.digest} has finished yet: wait for it, or train it.")
    runs = [row.run for row in finished[:MOST_MEMBERS]]
    opened = [_member(run) for run in runs]
    members = [member for member, _ in opened]
    left_out = len(finished) - len(runs)
    note = (
        f"{len(runs)} seed(s) trained here for {_epochs(sweep.recipe)} on {_data_title(sweep.recipe)}; each "
        f"recognises {np.mean([accuracy for _, accuracy in opened]):.1%} of its validation images on average."
        + (f" {left_out} more seeds are left out: {MOST_MEMBERS} are asked at most." if left_out else "")
    )
    return Classifier(members, in_words(sweep.recipe), note, _common_alarm(runs, members))


def open_weights(
    content: bytes,
    file_name: str,
    recipe: Recipe,
    classes: Sequence[str],
    mean: np.ndarray,
    std: np.ndarray,
) -> Classifier:
    """Weights that somebody brought, for the network of a recipe; `mean` and `std` as in `Member`.

    Raises:
        UserError: the file is none that may be read, or its weights are not of this network.
    """
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    whole = mean.shape == std.shape == (3,) and np.isfinite([mean, std]).all() and (std > 0).all()
    if not whole or len(classes) < 2:
        raise UserError("Give two classes or more, and a mean and a deviation above 0 for each channel.")
    model = _placed(recipe, len(classes), read_weights(content, recipe, len(classes)))
    name = file_name.replace("\\", "/").rpartition("/")[2][:80] or "weights"
    digest = sha256(content)
    member = Member(name, model, recipe, tuple(classes), mean, std, None, None, digest, "", None)
    note = (
        f"Brought weights of a {MODELS[recipe.model].title}, SHA-256 {digest[:12]}: nothing is known of how well it "
        "does, its probabilities are not calibrated, and it does not tell unusual images."
    )
    return Classifier([member], name, note, None)


def put_together(parts: Sequence[Classifier]) -> Classifier:
    """Several classifiers as one: each network counts alike, and unusual images are not told.

    Thresholds of different networks have no scale in common, and nobody measured how often a rule made
    of several would be wrong.

    Args:
        parts: at least one; of one, it is given back.

    Raises:
        UserError: their classes or the sizes of their images differ, or they are too many networks.
    """
    first, *others = parts
    if not others:
        return first
    for other in others:
        if other.classes != first.classes:
            raise UserError(
                f"{other.title} and {first.title} do not know the same classes: choose models that were trained on the "
                "same ones."
            )
        if other.image_size != first.image_size:
            raise UserError(
                f"{other.title} takes images of {other.image_size} pixels and {first.title} of {first.image_size}: "
                "choose models of one size."
            )
    members = [member for part in parts for member in part.members]
    if len(members) > MOST_MEMBERS:
        raise UserError(
            f"These are {len(members)} networks, and {MOST_MEMBERS} are asked at most: choose fewer."
        )
    titles = counted([part.title for part in parts])
    note = " ".join(f"{title}: {part.note}" for title, part in zip(titles, parts, strict=True))
    counts = tuple(len(part.members) for part in parts)
    return Classifier(members, " and ".join(titles), note, None, tuple(zip(titles, counts, strict=True)))


def _member(run: Run) -> tuple[Member, float]:
    """The network that a run kept, and its accuracy on validation."""
    recipe, seed, history = run.spec.recipe, run.spec.seed, run.history()
    end, started = history.end, history.started
    if not isinstance(end, Finished) or started is None:
        raise UserError("This run has not finished: there are no weights to classify with yet.")
    digest = end.sha256.get("weights.pt", "")
    state = load_checked(run.folder / "weights.pt", digest)
    if state is None:
        raise UserError(f"The weights of the run with seed {seed} are missing or damaged: train it again.")
    try:
        alarm = choose_alarm(energy(read_predictions(run, "validation").logits))
    except UserError:  # the weights are good without it
        alarm = None
    member = Member(
        f"Seed {seed}",
        _placed(recipe, len(started.classes), state),
        recipe,
        tuple(started.classes),
        np.array(started.mean),
        np.array(started.std),
        end.temperature if started.validation_images else None,
        seed,
        digest,
        run.spec.data_fingerprint,
        alarm,
    )
    return member, end.validation_accuracy


def _common_alarm(runs: list[Run], members: list[Member]) -> Alarm | None:
    """The mean of the networks' thresholds, and how often it is wrong about test images.

    Each seed may have a validation set of its own, from which the others learned; test images are the only ones
    that none of them did. Their labels are not looked at, so this is no look at test figures.
    """
    alarms = [member.alarm for member in members]
    if len(alarms) == 1 or None in alarms:
        return alarms[0] if len(alarms) == 1 else None
    try:
        energies = mean_energy(np.stack([read_predictions(run).logits for run in runs]))
    except UserError:
        return None
    lows = [alarm.below for alarm in alarms]
    above, below = np.mean([alarm.above for alarm in alarms]), None if None in lows else float(np.mean(lows))
    alarm = Alarm(float(above), below, 0.0)
    return Alarm(alarm.above, alarm.below, float(alarm.tells(energies).mean()))


def _placed(recipe: Recipe, classes: int, state: dict[str, Any]) -> nn.Module:
    """A network with these weights, on the device that it computes on, in evaluation mode."""
    device = compute_here(recipe).device
    return network(recipe, classes, state).to(device, memory_format=torch.channels_last).eval()


def _epochs(recipe: Recipe) -> str:
    return "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"


def _data_title(recipe: Recipe) -> str:
    """A folder by its last name: where it lies is nobody else's business."""
    place = folder_place(recipe.dataset)
    return DATASETS[recipe.dataset].title if place is None else f"the folder {place.name}"
