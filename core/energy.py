"""Whether an image looks unlike anything that a network was trained on: a rule with a known rate of false alarms.

The energy of an image is low where the network has strong evidence for some class, and high where it
has little for any. Unusual are images with more energy than nearly all that it knows the like of, and those
with far less: some networks have far stronger evidence in a page of text than in any photograph.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, logsumexp

FALSE_ALARMS_ABOVE, FALSE_ALARMS_BELOW = 0.04, 0.01
"""So many usual images at most may be above and below: 5 % together."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Alarm:
    """Images with an energy above the one threshold or below the other are unusual.

    `below` is None where too few images were there to choose it. `false_alarms` is the share of usual
    images that both are wrong about: images that they were not chosen on.
    """

    above: float
    below: float | None
    false_alarms: float

    def tells(self, energies: np.ndarray) -> np.ndarray:
        """(n,) bool, for (n,) energies."""
        return (energies > self.above) | (energies < (-np.inf if self.below is None else self.below))


def energy(logits: np.ndarray) -> np.ndarray:
    """How little evidence there is for any class, from (n, classes) logits: (n,) float64.

    Source: Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020, equation 4, at the
    temperature of 1 that section 3.2 recommends.
    """
    return -logsumexp(logits.astype(np.float64), axis=1)


def choose_alarm(energies: np.ndarray) -> Alarm | None:
    """The thresholds that tell most while giving at most 5 % false alarms, chosen on every other image.

    Not simply quantiles: in half of all cases more than 4 % of further images lie above the 96 % quantile.
    With a confidence of 95 % at most 4 % of further images like these lie above this threshold. The rate
    is then measured on the images in between.

    Args:
        energies: (n,) of images that the network did not learn from.

    Returns:
        None where there are too few of them, less than 147, or one is not finite.

    Source: Wilks, "Determination of sample sizes for setting tolerance limits", 1941.
    """
    chosen_on, measured_on = np.sort(energies[::2]), energies[1::2]
    above = _most_beyond(len(chosen_on), FALSE_ALARMS_ABOVE)
    if above is None or not np.isfinite(energies).all():
        return None
    below = _most_beyond(len(chosen_on), FALSE_ALARMS_BELOW)
    alarm = Alarm(float(chosen_on[-1 - above]), None if below is None else float(chosen_on[below]), 0.0)
    return Alarm(alarm.above, alarm.below, float(alarm.tells(measured_on).mean()))


def _most_beyond(n: int, share: float) -> int | None:
    """How many of n images may lie beyond a threshold for it to hold for this share of all; None for none."""
    surely = np.flatnonzero(bdtr(np.arange(int(n * share) + 1), n, share) <= 1 - CONFIDENCE)
    return int(surely[-1]) if len(surely) else None
