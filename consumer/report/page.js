"use strict";
// Draws every chart. The view box lets paper scale what was drawn at the width of the screen.
const figures = JSON.parse(document.getElementById("figures").textContent);
const scalable = (chart) => {
  for (const drawing of chart.querySelectorAll("svg.main-svg")) {
    drawing.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
  }
};
const drawn = Object.entries(figures).map(async ([name, { data, layout }]) => {
  const chart = document.getElementById(name);
  await Plotly.newPlot(chart, data, layout, { responsive: true, displayModeBar: false });
  scalable(chart);
  chart.on("plotly_afterplot", () => scalable(chart));
});
Promise.all(drawn).then(() => document.body.setAttribute("data-drawn", String(drawn.length)));
