"""Makes a shipped network of a finished run: `python -m core.pretrained.export RUN NAME --preset P --data TEXT`.

A run on a folder of images needs `--dataset`, too: which data set they are a copy of.

Rounds the weights to half precision, which halves the file, and measures again what is left of the
accuracy: that counts as a look at the run's test figures.
"""

import argparse
import dataclasses
import io
import shlex
import sys

import torch

from core.checkpoints import load_checked, sha256, to_bytes
from core.config import differences
from core.datasets import DATASETS
from core.errors import UserError
from core.evaluate import fit_temperature, logits, loss_and_accuracy
from core.events import Finished
from core.models import MODELS
from core.opening import open_training
from core.paths import runs_dir, write_atomically
from core.presets import PRESETS
from core.pretrained import Card
from core.pretrained.alarm import alarm_values, write_card
from core.store import Run, RunStore


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="id of a finished run")
    parser.add_argument("name", help="of the files in core/pretrained/")
    parser.add_argument("--preset", required=True, choices=PRESETS, help="the run's, for its command")
    parser.add_argument("--data", required=True, help="in words, on which images it was trained")
    named = [name for name in DATASETS if name != "folder"]
    parser.add_argument("--dataset", choices=named, help="what the images are, where the run's are a folder")
    options = parser.parse_args(arguments)
    try:
        run = RunStore(runs_dir()).get(options.run)
        card = export(run, options.name, options.preset, options.data, options.dataset)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{card.path}: test {card.test_accuracy:.2%} (run: {card.run_test_accuracy:.2%})")
    return 0


def export(run: Run, name: str, preset: str, data_title: str, dataset: str | None = None) -> Card:
    """Write the weights and their card.

    Args:
        dataset: the name that the card gives to the data set; the run's own unless that is a folder,
            whose place is nobody else's business.

    Raises:
        UserError: the run has not finished, its weights are damaged, its images have changed, or they lie in
            a folder and nobody said what they are.
    """
    recipe, history = run.spec.recipe, run.history()
    dataset = dataset or recipe.dataset
    if dataset.startswith("folder:"):
        raise UserError("The images of this run lie in a folder: say with --dataset what they are.")
    end, started = history.end, history.started
    if not isinstance(end, Finished) or started is None:
        raise UserError("This run has not finished: there are no weights to ship.")
    state = load_checked(run.folder / "weights.pt", end.sha256["weights.pt"])
    if state is None:
        raise UserError("The weights of this run are missing or damaged: train it again.")
    content = to_bytes({key: _rounded(value) for key, value in state.items()})
    training = open_training(run, "its accuracy can't be measured again.")
    compute, images, data = training.compute, training.images, training.data
    model = MODELS[recipe.model].build(recipe, len(images.classes))
    model.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    model = model.to(compute.device, memory_format=torch.channels_last)
    both = recipe.flip_test
    validation = logits(model, data.validation_images, data.normalise, compute, both)
    test = logits(model, data.test_images, data.normalise, compute, both)
    run.look("export")
    card = Card(
        name,
        MODELS[recipe.model].title,
        dataclasses.replace(recipe, dataset=dataset),
        run.spec.seed,
        data_title,
        images.fingerprint,
        list(images.classes),
        started.mean,
        started.std,
        loss_and_accuracy(validation, data.validation_labels)[1],
        loss_and_accuracy(test, data.test_labels)[1],
        end.validation_accuracy,
        end.test_accuracy,
        fit_temperature(validation.cpu().numpy(), data.validation_labels.cpu().numpy()),
        len(history.epochs) * started.train_images,
        end.train_seconds,
        end.images_per_second,
        {**started.passport, "rounded_with_torch": training.passport()["torch"]},
        sha256(content),
        _command(run, preset),
        alarm_values(validation.cpu().numpy()),
    )
    write_atomically(card.path, content)
    write_card(card)
    return card


def _rounded(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value


def _command(run: Run, preset: str) -> str:
    """What makes this run again; the place of the images is the user's own."""
    recipe = dataclasses.replace(run.spec.recipe, dataset=PRESETS[preset].recipe.dataset)
    changed = differences(PRESETS[preset].recipe, recipe)
    settings = [shlex.quote(f"{name}={value}") for name, (_, value) in changed.items()]
    folder = ["--dataset", "folder:PATH"] if run.spec.recipe.dataset.startswith("folder:") else []
    words = ["python -m core train --preset", preset, *(["--set", *settings] if settings else []), *folder]
    return " ".join([*words, "--seed", str(run.spec.seed)])


if __name__ == "__main__":
    sys.exit(main())
