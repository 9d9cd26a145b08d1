"""The table of models. Listing it loads no torch; `ModelSpec.build` does."""

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
            fields=("width", "activation", "dropout"),
            notes=(
                "The report puts the pools after the first and third convolution. Then conv4 would see a "
                "4 × 4 input under a 5 × 5 kernel, and the 1,152 features it names would not come out; with "
                "pools after the second and fourth they do.",
            ),
        ),
    )
}
