// Images that can be clicked, or reached by Tab and chosen by Enter. See clicks.py.

export default function ({ parentElement, setTriggerValue, data }) {
  const grid = parentElement.querySelector(".tiles");
  const tiles = data.tiles.map(({ source, name, index }) => {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.title = name; // as text: names come from folders
    const image = document.createElement("img");
    image.src = source;
    image.alt = name;
    tile.append(image);
    tile.onclick = () => setTriggerValue("chosen", index);
    return tile;
  });
  grid.replaceChildren(...tiles);
}
