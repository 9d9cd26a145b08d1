// Draws a plotly figure in place: zoom and hidden curves stay while the data grow. See live_chart.py.

const charts = new WeakMap(); // box -> { figure: the newest, clicked: whom to tell, observer }
let loading; // plotly, fetched once for all charts of a tab
const IDLE_MS = 500; // after a page without charts was drawn

export default function ({ data: [figure], parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".chart");
  if (figure.ahead) {
    box.hidden = true; // nothing to look at
    setTimeout(() => plotly(figure.plotly).catch(() => {}), IDLE_MS);
    return;
  }
  const known = charts.get(box);
  const chart = known ?? watched(box);
  chart.figure = figure;
  chart.clicked = (cell) => setTriggerValue("clicked", cell);
  box.style.height = `${figure.height}px`;
  box.setAttribute("aria-label", figure.alt);
  if (known) draw(box, chart); // a new chart is drawn by its observer, as soon as it has a size
  return () => {
    if (box.isConnected) return; // Streamlit also cleans up after a call that a newer one overtook
    chart.observer.disconnect();
    clearInterval(chart.clock);
    globalThis.Plotly?.purge(box);
  };
}

function watched(box) {
  const chart = { observer: new ResizeObserver(() => draw(box, chart)) };
  chart.observer.observe(box);
  // Streamlit tells nobody of a change between light and dark; a chart whose data stay would keep its colours.
  chart.clock = setInterval(() => chart.page && chart.page !== pageColour(box) && draw(box, chart), 1000);
  charts.set(box, chart);
  return chart;
}

async function draw(box, chart) {
  const figure = chart.figure;
  const Plotly = await plotly(figure.plotly).catch((reason) => {
    box.textContent = `The chart library did not load (${reason}). Reload the page to try again.`;
  });
  if (!Plotly || chart.figure !== figure || !box.clientWidth) return; // overtaken, or in a hidden tab
  if (!box.data) box.textContent = "";
  // A copy: plotly writes zoom and hidden curves into what it gets, and would take them for our wish later.
  const { data, layout = {}, height } = structuredClone(figure);
  chart.page = pageColour(box);
  const template = { layout: defaults(box, layout) };
  const kept = { width: box.clientWidth, height, template, uirevision: "kept" };
  await Plotly.react(box, data, { ...layout, ...kept }, {
    displaylogo: false,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    toImageButtonOptions: { filename: "chart", scale: 2 },
  });
  if (figure.clicks && !chart.listens) listen(box, chart);
}

/** Tell of clicks on the cells of a heat map, which Streamlit's own charts do not. */
function listen(box, chart) {
  chart.listens = true;
  box.on("plotly_click", ({ points: [point] }) => {
    if (Array.isArray(point?.pointNumber)) chart.clicked(point.pointNumber);
  });
}

function plotly(address) {
  if (globalThis.Plotly) return Promise.resolve(globalThis.Plotly);
  loading ??= fetch(address, { cache: "force-cache" }) // never stale: the address holds the version
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
    .then((script) => import(URL.createObjectURL(new Blob([script], { type: "text/javascript" }))))
    .then(() => globalThis.Plotly);
  loading.catch(() => (loading = undefined)); // the next tick tries again
  return loading;
}

const pageColour = (box) => getComputedStyle(box).getPropertyValue("--st-background-color");

/** The page's colours and font, wherever the figure does not ask for others. */
function defaults(box, layout) {
  const theme = (name) => getComputedStyle(box).getPropertyValue(`--st-${name}`).trim();
  const [family, color, page, line] = ["font", "text-color", "background-color", "border-color"].map(theme);
  const ticks = { linecolor: line, tickcolor: line, gridcolor: theme("border-color-light"), zeroline: false };
  const axis = { ...ticks, automargin: true, title: { font: { size: 13 }, standoff: 8 } };
  const spike = { spikecolor: line, spikethickness: 1, spikedash: "solid" };
  return {
    font: { family, color, size: 12 },
    colorway: theme("chart-categorical-colors").split(","),
    paper_bgcolor: page, // not transparent: saved pictures need it, and plotly derives contrasts from it
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 4, r: 12, t: layout.showlegend === false ? 12 : 32, b: 4 },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 13 } },
    hovermode: "x unified",
    hoverlabel: { bgcolor: page, bordercolor: line, namelength: 40, font: { family, color, size: 13 } },
    modebar: { bgcolor: page, color, activecolor: theme("primary-color") },
    xaxis: { ...axis, ...spike, showgrid: false, showline: true, ticks: "outside", ticklen: 4 },
    yaxis: axis,
  };
}
