"""The table of ways to explain an answer. Listing it loads no torch; `core.explain` computes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """`help` is one sentence for the person who chooses."""

    title: str
    help: str


METHODS = {
    "gradcam": Method(
        "Grad-CAM",
        "Which regions of the last convolution's map speak for the class: quick and coarse.",
    ),
    "integrated": Method(
        "Integrated gradients",
        "What each pixel adds to the class on the way from an image of one average colour to this one: fine "
        "and noisy, and its sum is what the image adds in all.",
    ),
    "occlusion": Method(
        "Occlusion",
        "How much the class loses where a patch of average colour covers the image: slow, and easy to believe.",
    ),
}
