// Images with what was made of them; each can be clicked, or reached by Tab and chosen by Enter. See judged_cards.py.

export default function ({ parentElement, setTriggerValue, data }) {
  const grid = parentElement.querySelector(".cards");
  grid.replaceChildren(
    ...data.cards.map(({ source, index, name, title, bars }) => {
      const card = document.createElement("button");
      card.type = "button";
      card.title = name; // names of classes come from folders: text everywhere, never markup
      card.setAttribute("aria-pressed", index === data.chosen);
      const image = document.createElement("img");
      image.src = source;
      image.alt = "";
      card.setAttribute("aria-label", name);
      card.append(image, made("strong", title), ...bars.map(bar));
      card.onclick = () => {
        for (const other of grid.children) other.setAttribute("aria-pressed", other === card); // at once
        setTriggerValue("chosen", index);
      };
      return card;
    }),
  );
}

function bar({ label, share, kind }) {
  const row = made("span", "", `bar ${kind}`);
  const length = made("i", "");
  length.style.width = `${100 * share}%`;
  const digits = share < 0.1 || share > 0.99 ? 1 : 0; // what is wrong is never shown as quite sure
  row.append(length, made("span", label, "label"), made("span", `${(100 * share).toFixed(digits)}%`));
  return row;
}

function made(tag, text, name = "") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}
