"""The table of models. Listing it loads no torch; `ModelSpec.build` does.

A network may have three methods beside `forward`, which training calls where they are there:
`adapt(images)` with normalised training images before the first step; `begin_epoch(epoch)`;
`parameter_groups()` where some parameters learn at a multiple of the rate (`core.models.fast`).
"""

from core.specs import ModelSpec

MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "baseline",
            "Baseline CNN",
            "The report's first network: four wide convolutions and one fully connected layer.",
            "core.models.baseline:Baseline",
            "core.layers:baseline",
            notes=(
                "The report says that conv1 and conv2 both have 3 input channels. conv2 follows a layer of "
                "256 channels, so it has 256 here.",
            ),
        ),
        ModelSpec(
            "improved",
            "Improved CNN",
            "The same convolutions with batch normalisation, a hidden layer and dropout.",
            "core.models.improved:Improved",
            "core.layers:improved",
            fields=("width", "activation", "dropout", "batch_norm", "hidden"),
            notes=(
                "The report puts the pools after the first and third convolution. Then conv4 would see a "
                "4 × 4 input under a 5 × 5 kernel, and the 1,152 features it names would not come out; with "
                "pools after the second and fourth they do.",
            ),
        ),
        ModelSpec(
            "residual",
            "Residual network",
            "Blocks of two convolutions that add their input to their output, 8 to 110 layers deep; without "
            "the additions, the plain network of the same depth.",
            "core.models.residual:Residual",
            "core.layers:residual",
            fields=("width", "activation", "depth", "skip"),
            notes=(
                "The report discusses why skip connections help and trains no such network. Train this one at "
                "growing depth with and without them, and compare the curves and the gradients layer by layer.",
            ),
        ),
        ModelSpec(
            "fast",
            "Fast CNN",
            "A computed first layer and six narrow convolutions: more accurate than the report's networks "
            "with a tenth of their work for each image.",
            "core.models.fast:Fast",
            "core.layers:fast",
            notes=(
                "After Keller Jordan's airbench94 (arXiv 2404.00498). The first layer whitens patches of 2 × 2 "
                "pixels; it is computed from training images, and only its bias learns.",
            ),
            training_version=2,  # 1: computed from the first images only, as if their mean were 0
        ),
    )
}
