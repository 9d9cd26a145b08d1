"""Names that people, files and attackers give, and a folder of images whose classes bear them."""

from pathlib import Path

from PIL import Image

SCRIPT = "window.hacked=(window.hacked||0)+1"
MARKUP = [
    f"<img src=x onerror={SCRIPT}>",
    f"<svg onload={SCRIPT}>",
    f"<script>{SCRIPT}<!--",
    f'" onmouseover="{SCRIPT}" x="',
    f"[a](javascript:{SCRIPT})",
    "![x](\\\\evil.example\\a.png)",
    "$x^2$ `code` **bold** ~~gone~~",
    ":red[x] :rocket: :material-home:",
    "%{x} {{7*7}} ${7*7} &lt;b&gt; <b>b",
    "# title | a | b",
]
SCRIPTS = [
    "דוגמה بالعربية\u202egnp.",
    "猫と犬 кошка γάτα บ้าน हिन्दी",
    "👩‍🚀🏳️‍🌈🔟",
    "a\u0301\u0301\u0301 zalgo\u0336\u0336",
    "tab\tand\nnewline",
]
SLASHES = [f"</script><script>{SCRIPT}</script>", '<a href="//evil.example/">x</a>']
"""No folder can be called so; a record that somebody brings can."""

LONG = "long " * 1000
"""5,000 characters: longer than any file system takes, yet no record forbids it."""


def images_folder(place: Path, classes: list[str], images: int = 6) -> Path:
    """A folder of tiny images, each class of its own colour."""
    for number, name in enumerate(classes):
        folder = place / name
        folder.mkdir(parents=True)
        for image in range(images):
            colour = (40 * number % 256, 90 * number % 256, 30 * image)
            Image.new("RGB", (8, 8), colour).save(folder / f"{image}.png")
    return place
