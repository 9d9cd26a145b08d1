// A pad to draw on with mouse, finger or pen; each stroke that ends sends the picture. See clicks.py.

const SIDE = 280;

export default function ({ parentElement, setTriggerValue, data }) {
  const pad = parentElement.querySelector("canvas");
  const tools = parentElement.querySelector(".tools");
  if (pad.dataset.ready) return; // a rerun of the page: what was drawn stays
  pad.dataset.ready = "yes";
  pad.width = pad.height = SIDE;
  const ink = pad.getContext("2d");
  ink.lineCap = ink.lineJoin = "round";
  const clear = () => {
    ink.fillStyle = data.paper;
    ink.fillRect(0, 0, SIDE, SIDE);
  };
  clear();
  const colour = Object.assign(document.createElement("input"), { type: "color", value: data.ink });
  colour.setAttribute("aria-label", "Colour");
  const width = Object.assign(document.createElement("input"), { type: "range", min: 2, max: 60, value: 14 });
  width.setAttribute("aria-label", "Width of the brush");
  const fill = Object.assign(document.createElement("button"), { type: "button", textContent: "Fill" });
  fill.onclick = () => {
    ink.fillStyle = colour.value;
    ink.fillRect(0, 0, SIDE, SIDE);
  };
  const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear" });
  again.onclick = () => {
    clear();
    setTriggerValue("drawn", "");
  };
  tools.replaceChildren(colour, width, fill, again);

  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  pad.onpointerdown = (event) => {
    pad.setPointerCapture(event.pointerId);
    ink.strokeStyle = colour.value;
    ink.lineWidth = Number(width.value);
    ink.beginPath();
    ink.moveTo(...place(event));
    ink.lineTo(...place(event)); // a click alone leaves a dot
    ink.stroke();
  };
  pad.onpointermove = (event) => {
    if (!pad.hasPointerCapture(event.pointerId)) return;
    ink.lineTo(...place(event));
    ink.stroke();
  };
  pad.onpointerup = () => setTriggerValue("drawn", pad.toDataURL("image/png"));
}
