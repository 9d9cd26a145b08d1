"use strict";
// Draws the figures of a report with the colours of the page, and again when light turns dark.

const figures = JSON.parse(document.getElementById("figures").textContent);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function draw(box) {
  const { data, layout = {}, height } = structuredClone(figures[box.dataset.figure]);
  const [page, text, line] = ["page", "text", "line"].map(colour);
  const font = { family: getComputedStyle(document.body).fontFamily, color: text, size: 12 };
  const axis = { automargin: true, title: { font: { size: 13 }, standoff: 8 }, linecolor: line, tickcolor: line,
    gridcolor: line, zeroline: false };
  const template = { layout: {
    font,
    paper_bgcolor: page,
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 4, r: 12, t: layout.showlegend === false ? 12 : 32, b: 4 },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 13 } },
    hovermode: "x unified",
    hoverlabel: { bgcolor: page, bordercolor: line, namelength: 40, font },
    modebar: { bgcolor: page, color: text, activecolor: colour("accent") },
    xaxis: { ...axis, showgrid: false, showline: true, ticks: "outside", ticklen: 4 },
    yaxis: axis,
  } };
  box.style.height = `${height}px`;
  return Plotly.react(box, data, { ...layout, width: box.clientWidth, height, template, uirevision: "kept" }, {
    displaylogo: false,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    toImageButtonOptions: { filename: "figure", scale: 2 },
  });
}

const boxes = [...document.querySelectorAll(".chart")];
const drawAll = () => boxes.forEach(draw);
const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => {
  if (target.clientWidth && target.clientWidth !== target._fullLayout?.width) draw(target);
}));
boxes.forEach((box) => observer.observe(box));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
matchMedia("print").addEventListener("change", drawAll);
