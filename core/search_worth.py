"""What the validation accuracy of a search's best run is worth, in words: the same on the page and on a terminal."""

from core.class_report import share_interval


def worth(accuracy: float, compared: int, images: int | None) -> str:
    """Whether luck chose it too, and how far chance moves such a figure.

    The interval is Wilson's, across images, of one run by itself: it knows nothing of the choosing.

    Args:
        accuracy: on validation, a fraction in [0, 1].
        compared: of how many runs it was chosen, itself included; also those that were stopped early.
        images: validation images it was measured on; None where nobody knows.
    """
    if compared > 1:
        words = (
            f"It was chosen from {compared} runs for its validation accuracy: part of that is luck, and the true "
            "figure is probably lower."
        )
    else:
        words = "It is the only run with a result: there was nothing to choose from yet."
    if images:
        low, high = share_interval(round(accuracy * images), images)
        words += (
            f" Apart from that, on endlessly many images like these {images:,} a run with this figure would come "
            f"out between {low:.1%} and {high:.1%} (95% interval)."
        )
    return f"{words} Repeat it over seeds before you believe it."
