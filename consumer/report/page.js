"use strict";
// Draws every chart, and again at the width of paper, which the library does not learn of by itself.
const figures = JSON.parse(document.getElementById("figures").textContent);
const charts = Object.keys(figures).map((name) => document.getElementById(name));
const drawn = charts.map((chart) => {
  const { data, layout } = figures[chart.id];
  return Plotly.newPlot(chart, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
});
const fit = () => charts.forEach((chart) => Plotly.Plots.resize(chart));
window.addEventListener("beforeprint", fit);
window.addEventListener("afterprint", fit);
window.matchMedia("print").addEventListener("change", fit);
Promise.all(drawn).then(() => document.body.setAttribute("data-drawn", String(charts.length)));
