"""Makes the picture of the Overview, two images of each class: `python -m tests.make_shapes_picture`."""

import numpy as np
from PIL import Image

from core import pictures
from core.datasets import source
from core.paths import ROOT

PATH = ROOT / "docs" / "shapes.png"


def picture() -> Image.Image:
    """The first two training images of each class of `shapes`, ten in a row."""
    train = source("shapes").load().train
    firsts = [np.flatnonzero(train.labels == label)[:2] for label in range(10)]
    return pictures.mosaic(train.images[np.array(firsts).T.ravel()], columns=10, side_px=32, gap_px=2)


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    picture().save(PATH)
