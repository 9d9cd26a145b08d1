"""What a run demands of the process that trains it, as far as it is settled once a process."""

from core.machine import places_for, threads_for
from core.store import Run


def demands(run: Run) -> tuple:
    """Runs with equal ones can be trained by one process after each other; values that JSON can hold.

    The images are among them, as others would need to be loaded anew.
    """
    recipe, fingerprint = run.spec.recipe, run.spec.data_fingerprint
    return (
        run.spec.digest == recipe.digest(fingerprint),  # not if it was asked for by newer code than this
        (fingerprint, recipe.dataset, recipe.image_size),
        (recipe.deterministic, recipe.precision, recipe.compile),
        (places_for(recipe), threads_for(recipe)),
    )
