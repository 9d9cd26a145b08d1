"""What a sweep costs on GPUs that are not here, on paper: `python -m benchmarks.scale [--seeds 1000] [--gpus 8]`.

From the multiply-adds of the network, the published speed of the GPU's matrix units, the share of it that is
assumed to be reached, and the seconds that a run costs beside its training. Nothing of it was measured on such a
GPU; docs/scale.md says where each number comes from.
"""

import argparse
import json
from dataclasses import dataclass

from core import checkpoints
from core.layers import totals
from core.models import MODELS
from core.presets import PRESETS

IMAGES, TEST_IMAGES, CLASSES = 50_000, 10_000, 10
"""Of CIFAR-10."""

H100_OPERATIONS = 989e12
"""A second, dense, in bf16: NVIDIA's data sheet of the H100 SXM, which names 1,979 with sparsity."""


@dataclass(frozen=True)
class Cost:
    """Of one run, operations (a multiply-add is two) and seconds; of the sweep, seconds, GPU hours, and bytes that are
    written to the runs folder and that stay there."""

    training: float
    judging: float
    arithmetic_seconds: float
    sweep_seconds: float
    gpu_hours: float
    written: float
    kept: float


def cost(preset: str, seeds: int, gpus: int, reached: float, beside_seconds: float, at_once: int) -> Cost:
    """
    Args:
        reached: the share of the matrix units' speed, 0 to 1.
        beside_seconds: what each run takes for start, data, files and its end.
        at_once: runs on each GPU, whose other seconds overlap.
    """
    recipe = PRESETS[preset].recipe
    layers = MODELS[recipe.model].describe(recipe, CLASSES)
    parameters, multiply_adds = totals(layers)
    train_images = IMAGES * (1 - recipe.validation_share) * recipe.epochs
    # Forward, and twice as much backward, save that nothing goes back into the images.
    training = train_images * 2 * (3 * multiply_adds - layers[0].multiply_adds)
    judged = IMAGES * recipe.validation_share * (recipe.epochs + 1) + TEST_IMAGES
    judging = judged * 2 * multiply_adds
    seconds = (training + judging) / (H100_OPERATIONS * reached)
    each = max(seconds, (seconds + beside_seconds) / at_once)
    whole = seeds * each / gpus
    weights = 4 * parameters  # fp32; a checkpoint has what the optimiser remembers of each, too
    checkpoint = weights * (2 if recipe.optimizer == "sgd" else 3)
    written = seeds * (recipe.epochs * checkpoint + weights)
    kept = seeds * (min(recipe.epochs, checkpoints.KEPT) * checkpoint + weights)
    return Cost(training, judging, seconds, whole, whole * gpus / 3600, written, kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="report-baseline", choices=list(PRESETS))
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--reached", type=float, nargs="+", default=[0.1, 0.2, 0.4])
    parser.add_argument("--beside", type=float, default=3.0, help="seconds a run beside its arithmetic")
    parser.add_argument("--at-once", type=int, default=2, help="runs on each GPU")
    options = parser.parse_args()
    for reached in options.reached:
        found = cost(options.preset, options.seeds, options.gpus, reached, options.beside, options.at_once)
        print(
            json.dumps(
                {"reached": reached, **{key: float(f"{value:.4g}") for key, value in vars(found).items()}}
            )
        )


if __name__ == "__main__":
    main()
