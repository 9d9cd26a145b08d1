// Draws a plotly figure in place: zoom and hidden curves stay while the data grow.
// Plotly itself comes from the loader component (live_chart.py), once a browser session.

const charts = new WeakMap(); // container -> what is drawn in it

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".chart");
  let chart = charts.get(box);
  if (!chart) {
    chart = { figure: null, drawn: null };
    charts.set(box, chart);
    chart.resize = new ResizeObserver(() => window.Plotly && box.data && window.Plotly.Plots.resize(box));
    chart.resize.observe(box);
    chart.theme = setInterval(() => colours(box) !== chart.drawn && draw(box, chart), 1000);
  }
  chart.figure = data;
  box.style.height = data.height + "px";
  box.setAttribute("aria-label", data.alt);
  draw(box, chart);
  return () => {
    chart.resize.disconnect();
    clearInterval(chart.theme);
    clearTimeout(chart.wait);
    charts.delete(box);
    window.Plotly?.purge(box);
  };
}

const faint = (colour) => {
  // plotly does not know color-mix(): the canvas turns any colour of the theme into rgb
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return `rgba(${[...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)].join()},0.14)`;
};
const theme = (box, name) => getComputedStyle(box).getPropertyValue("--st-" + name).trim();
const colours = (box) => theme(box, "text-color") + theme(box, "background-color");

function draw(box, chart) {
  clearTimeout(chart.wait);
  if (!window.Plotly) {
    chart.wait = setTimeout(() => draw(box, chart), 50);
    return;
  }
  const text = theme(box, "text-color");
  const grid = faint(text);
  const axis = { gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, title: { font: { size: 13 } } };
  const layout = chart.figure.layout;
  chart.drawn = colours(box);
  window.Plotly.react(box, chart.figure.data, {
    ...layout,
    autosize: true,
    height: chart.figure.height,
    uirevision: "kept", // constant: plotly keeps what the person zoomed and hid
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme(box, "font"), color: text, size: 13 },
    hoverlabel: { bgcolor: theme(box, "secondary-background-color"), font: { color: text } },
    margin: { l: 8, r: 12, t: layout.showlegend === false ? 12 : 36, b: 8 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...layout.legend },
    xaxis: { ...axis, ...layout.xaxis, title: { ...axis.title, ...layout.xaxis.title } },
    yaxis: { ...axis, ...layout.yaxis, title: { ...axis.title, ...layout.yaxis.title } },
  }, { displaylogo: false, responsive: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "zoomIn2d", "zoomOut2d"] });
}
