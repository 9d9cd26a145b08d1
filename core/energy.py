"""Whether an image looks unlike anything that a network was trained on: a rule with a known rate of false alarms.

The energy of an image is low where the network has strong evidence for some class, and high where it
has little for any. Images with more energy than all but a few that it knows the like of are unusual.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binom

MOST_FALSE_ALARMS = 0.05
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Alarm:
    """Images with more energy than `threshold` are unusual.

    `false_alarms` is the share of usual images that it was wrong about: images that it was not chosen on.
    """

    threshold: float
    false_alarms: float


def energy(logits: np.ndarray, temperature: float) -> np.ndarray:
    """How little evidence there is for any class.

    Args:
        logits: (n, classes).

    Returns:
        (n,) float64; the more, the less usual.

    Source: Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020, equation 4.
    """
    return -temperature * logsumexp(logits.astype(np.float64) / temperature, axis=1)


def choose_alarm(energies: np.ndarray) -> Alarm | None:
    """The lowest threshold that gives at most 5 % false alarms, chosen on every other image.

    Not simply the 95 % quantile: in half of all cases more than 5 % of further images lie above that.
    With a confidence of 95 % at most 5 % of further images like these lie above this one. The rate is
    then measured on the images in between.

    Args:
        energies: (n,) of images that the network did not learn from.

    Returns:
        None where there are too few of them, less than 118, or one is not finite.

    Source: Wilks, "Determination of sample sizes for setting tolerance limits", 1941.
    """
    chosen_on, measured_on = np.sort(energies[::2]), energies[1::2]
    above = int(binom.ppf(1 - CONFIDENCE, len(chosen_on), MOST_FALSE_ALARMS)) if len(chosen_on) else 0
    # `ppf` gives the first count that is likely enough; so many may not lie above any more.
    while above >= 0 and binom.cdf(above, len(chosen_on), MOST_FALSE_ALARMS) > 1 - CONFIDENCE:
        above -= 1
    if above < 0 or not np.isfinite(energies).all():
        return None
    threshold = float(chosen_on[len(chosen_on) - 1 - above])
    return Alarm(threshold, float((measured_on > threshold).mean()))
