"""Why a network takes an image for a class: maps of what speaks for it and against it, through captum.

All maps are about the logit of one class for the image as it is: not mirrored, even where a run averages
both sides, and in fp32, even where it was trained in bf16. Work is done on a copy of the network, since
captum hangs hooks into the one it is given, which others may be asking at the same time.

captum brings matplotlib and takes a second to load: import this module when somebody asks why.

Sources: Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv 1610.02391; Sundararajan et al., "Axiomatic
attribution for deep networks", ICML 2017, arXiv 1703.01365; Zeiler and Fergus, "Visualizing and
understanding convolutional networks", ECCV 2014, arXiv 1311.2901, section 4.2; for the check with random
weights Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, arXiv 1810.03292.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from torch import Tensor, nn

from core.errors import UserError
from core.evaluate import scale
from core.receptive import spread, watched

STEPS = 32
"""Points on the way from the baseline to the image, Gauss-Legendre."""

AT_ONCE = 16
"""Copies of the image in one pass: a wide network takes 10 MB of memory for each."""

PATCH = 1 / 5
"""Side of the patch that covers the image, as a share of the image's side; it moves by half of itself."""


class Completeness(NamedTuple):
    """Integrated gradients add up to what the image adds to the logit, were there infinitely many steps."""

    attributed: float  # sum of the map, in logits
    difference: float  # logit of the image minus logit of the baseline

    @property
    def gap(self) -> float:
        """Share of the difference that the map misses or makes up; infinite where there is no difference."""
        missed = abs(self.attributed - self.difference)
        return missed / abs(self.difference) if self.difference else (float("inf") if missed else 0.0)


def explain(
    model: nn.Module, image: np.ndarray, mean: np.ndarray, std: np.ndarray, target: int, method: str
) -> np.ndarray:
    """Where an image speaks for a class (positive) and where against it (negative), strongest value ±1.

    Args:
        model: takes normalised images and gives logits; stays as it is, whatever mode it is in.
        image: (3, h, w) uint8.
        mean, std: (3,) on the scale 0 to 1, as the network was trained.
        target: number of the class.
        method: name in `core.explanations.METHODS`.

    Returns:
        (h, w) float32; all 0 where nothing speaks either way.

    Raises:
        UserError: the network's answer is no number, or has no map of more than one pixel for Grad-CAM.
    """
    values = attribution(model, image, mean, std, target, method)
    strongest = np.abs(values).max()
    return values / strongest if strongest > 0 else values


def attribution(
    model: nn.Module, image: np.ndarray, mean: np.ndarray, std: np.ndarray, target: int, method: str
) -> np.ndarray:
    """As `explain`, not scaled: in logits for integrated gradients and occlusion."""
    with _private(model) as network:
        values = _METHODS[method](network, _normalised(image, mean, std, network), target)
    if not np.isfinite(values).all():
        raise UserError("This network's answer to the image is not a number, so there is nothing to explain.")
    return values.astype(np.float32)


def completeness(
    model: nn.Module, image: np.ndarray, mean: np.ndarray, std: np.ndarray, target: int
) -> Completeness:
    """How well the integrated gradients of an image add up; arguments as in `explain`."""
    with _private(model) as network:
        shown = _normalised(image, mean, std, network)
        values = _integrated(network, shown, target)
        with torch.no_grad():
            of_image, of_baseline = network(torch.cat((shown, torch.zeros_like(shown))))[:, target].tolist()
    return Completeness(float(values.sum()), of_image - of_baseline)


def sanity(
    model: nn.Module,
    image: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    target: int,
    method: str,
    seed: int = 0,
    absolute: bool = False,
) -> float:
    """Does the map depend on what was learned? Its rank correlation with that of random weights.

    Near 0 on average over images: yes. Near 1: the map shows the image, not the network. One image says
    little, since smooth maps correlate by chance.

    Args:
        seed: of the random weights; the other arguments as in `explain`.
        absolute: compare how strong, not in which direction.

    Returns:
        Spearman's, -1 to 1; 0 where a map is constant.

    Source: Adebayo et al., with all layers drawn anew at once.
    """
    maps = [
        attribution(network, image, mean, std, target, method)
        for network in (model, reinitialised(model, seed))
    ]
    first, second = (np.abs(values) if absolute else values for values in maps)
    return rank_correlation(first, second)


def reinitialised(model: nn.Module, seed: int) -> nn.Module:
    """A copy with random weights, computed layers and running statistics of normalisation included."""
    device = next(model.parameters()).device
    fresh = copy.deepcopy(model).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return fresh.to(device)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's, equal values sharing their mean rank; 0 where one of the two is constant."""
    ranks = []
    for values in (first, second):
        _, places, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
        if len(counts) == 1:
            return 0.0
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[places])
    return float(np.corrcoef(*ranks)[0, 1])


def regions(model: nn.Module, size: int) -> tuple[int, int]:
    """Rows and columns of the map that Grad-CAM spreads over images of size × size pixels.

    Raises:
        UserError: no convolution gives a map of more than one pixel.
    """
    with _private(model) as network:
        device = next(network.parameters()).device
        _, rows, columns = watched(network, torch.zeros(1, 3, size, size, device=device))
    return len(rows), len(columns)


@contextmanager
def _private(model: nn.Module) -> Iterator[nn.Module]:
    """A frozen fp32 copy in evaluation mode that overwrites nothing in place, and gradients switched on."""
    device = next(model.parameters()).device.type
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        network = copy.deepcopy(model).float().eval().requires_grad_(False)
        for module in network.modules():
            if getattr(module, "inplace", False):
                module.inplace = False
        yield network


def _normalised(image: np.ndarray, mean: np.ndarray, std: np.ndarray, network: nn.Module) -> Tensor:
    """(1, 3, h, w) on the network's device, asking for gradients."""
    device = next(network.parameters()).device
    pixels = scale(torch.from_numpy(np.array(image, dtype=np.uint8)).to(device)[None])
    shift, by = (
        torch.tensor(np.asarray(values), dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for values in (mean, std)
    )
    return ((pixels - shift) / by).requires_grad_()


def _gradcam(network: nn.Module, shown: Tensor, target: int) -> np.ndarray:
    """On the last convolution's map of more than one pixel, after what normalises, adds and activates it.

    Before them a channel lacks the shift that its normalisation gives it, and a residual network its
    shortcut. Both signs are kept: the paper's map is the positive part.
    """
    layer, rows, columns = watched(network, shown.detach())
    values = LayerGradCam(network, layer).attribute(shown, target=target)
    cells = values[0, 0].detach().double().cpu().numpy()
    return spread(cells, rows, columns, tuple(shown.shape[2:]))


def _integrated(network: nn.Module, shown: Tensor, target: int) -> np.ndarray:
    """From the colour that normalises to 0: the mean of the data set, or grey, or black, as the recipe has it."""
    values = IntegratedGradients(network).attribute(
        shown, target=target, n_steps=STEPS, internal_batch_size=AT_ONCE
    )
    return values[0].sum(0).detach().double().cpu().numpy()


def _occlusion(network: nn.Module, shown: Tensor, target: int) -> np.ndarray:
    """Where patches overlap, the mean of what each of them costs."""
    patch = [max(1, round(side * PATCH)) for side in shown.shape[2:]]
    with torch.no_grad():
        values = Occlusion(network).attribute(
            shown.detach(),
            sliding_window_shapes=(3, *patch),
            strides=(3, *(max(1, side // 2) for side in patch)),
            target=target,
            perturbations_per_eval=AT_ONCE,
        )
    return values[0, 0].double().cpu().numpy()


_METHODS: dict[str, Callable[[nn.Module, Tensor, int], np.ndarray]] = {
    "gradcam": _gradcam,
    "integrated": _integrated,
    "occlusion": _occlusion,
}
