// SPDX-License-Identifier: LGPL-3.0
// The pictures, and the slider over time. Texts of jobs are drawn on a canvas or set as text:
// nothing is ever taken for HTML.
"use strict";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const utc = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");

async function fetched(address, place) {
  const response = await fetch(address, { headers: { Accept: "application/json" } });
  const found = await response.json();
  if (!response.ok) {
    place.textContent = found.error;
    return null;
  }
  return found;
}

function axis() {
  return {
    axisLine: { lineStyle: { color: color("line") } },
    axisLabel: { color: color("quiet") },
    splitLine: { lineStyle: { color: color("line") } },
  };
}

// As `flux jobs` writes durations.
function duration(seconds) {
  const [unit, size] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]].find(([, one]) => seconds >= one) || ["s", 1];
  return `${Number((seconds / size).toPrecision(4))}${unit}`;
}

const tooltip = (formatter) => ({
  renderMode: "richText", confine: true, formatter,
  backgroundColor: color("card"), borderColor: color("line"), textStyle: { color: color("ink") },
});

function picture(place, option) {
  const chart = echarts.init(place, null, { renderer: "canvas" });
  chart.setOption({ animation: false, ...option });
  new ResizeObserver(() => chart.resize()).observe(place);
  return chart;
}

// -- a report: stacked bars, or lines

async function report(place) {
  const found = await fetched(place.dataset.chart, place);
  if (!found) return;
  const most = 30;
  const palette = ["#2f6fde", "#d98a1f", "#3a9a62", "#8d7bb8", "#c2544a", "#2a9db0", "#c9b037", "#7d8896"];
  const shapes = ["circle", "triangle", "rect", "diamond"]; // filled; where colors come again, another
  picture(place, {
    color: palette,
    grid: { left: 12, right: 16, top: 64, bottom: 12, containLabel: true },
    legend: { type: "scroll", textStyle: { color: color("ink") }, pageTextStyle: { color: color("ink") },
      pageIconColor: color("accent"), pageIconInactiveColor: color("quiet"), data: found.series.slice(0, most).map((one) => one.name) },
    tooltip: { trigger: "axis", ...tooltip((items) => [items[0]?.axisValue, ...items.slice(0, most)
      .filter((one) => one.value !== null && one.value !== undefined)
      .map((one) => `${one.seriesName}: ${found.line ? duration(one.value) : Number(one.value).toLocaleString("en")}`)].join("\n")) },
    xAxis: { type: "category", data: found.x, ...axis() },
    yAxis: { type: "value", name: found.line ? "waited" : found.unit, nameTextStyle: { color: color("quiet"), align: "left" }, ...axis(),
      ...(found.line ? { axisLabel: { color: color("quiet"), formatter: duration } } : {}) },
    series: found.series.map((one, place) => ({
      name: one.name, data: one.values, type: found.line ? "line" : "bar", barMaxWidth: 46,
      itemStyle: { color: found.of_states ? color(one.name) : undefined },
      stack: found.stack ? "all" : undefined, connectNulls: false, symbolSize: 6,
      symbol: shapes[Math.floor(place / palette.length) % shapes.length],
    })),
  });
}

// -- nodes over time

async function timeline(place) {
  const found = await fetched(place.dataset.timeline, place);
  if (!found) return;
  if (!found.hosts.length) {
    place.textContent = "No nodes are known in this time.";
    return;
  }
  const bar = (params, api) => {
    const row = api.value(0), isJob = api.value(3) === "job";
    const from = api.coord([api.value(1), row]), to = api.coord([api.value(2), row]);
    const height = api.size([0, 1])[1] * (isJob ? 0.5 : 0.9);
    const rectangle = echarts.graphic.clipRectByRect(
      { x: from[0], y: from[1] - height / 2, width: Math.max(to[0] - from[0], 1), height },
      { x: params.coordSys.x, y: params.coordSys.y, width: params.coordSys.width, height: params.coordSys.height });
    return rectangle && { type: "rect", shape: rectangle, style: { fill: color(api.value(3)), opacity: isJob ? 0.95 : 0.6 } };
  };
  const chart = picture(place, {
    grid: { left: 12, right: 20, top: 12, bottom: 54, containLabel: true },
    tooltip: tooltip((one) => {
      const [row, from, to, kind, text, id] = one.data;
      return [found.hosts[row], `${kind} ${id} ${text}`.trim(), `${utc(from / 1000)} to ${utc(to / 1000)}`].join("\n");
    }),
    dataZoom: [{ type: "inside", filterMode: "weakFilter" }, { type: "slider", filterMode: "weakFilter", height: 22, bottom: 8, labelFormatter: (ms) => utc(ms / 1000) }],
    useUTC: true,
    xAxis: { type: "time", min: found.since * 1000, max: found.until * 1000, ...axis(), axisLabel: { color: color("quiet"), hideOverlap: true } },
    yAxis: { type: "category", data: found.hosts, inverse: true, ...axis() },
    series: [{ type: "custom", renderItem: bar, encode: { x: [1, 2], y: 0 }, data: found.bars.map(([row, from, to, ...rest]) => [row, from * 1000, to * 1000, ...rest]) }],
  });
  chart.on("click", (one) => {
    if (one.data && one.data[5]) location.href = `/job/${encodeURIComponent(one.data[5])}${same()}`;
  });
  if (found.cut) place.insertAdjacentText("afterend", "Not all jobs are drawn: choose a shorter time.");
}

// The query of an address at the same moment, of the same cluster.
const same = () => {
  const moment = document.querySelector(".moment")?.dataset.at;
  const cluster = new URLSearchParams(location.search).get("cluster");
  const kept = new URLSearchParams(Object.entries({ at: moment, cluster }).filter(([, value]) => value));
  return kept.toString() ? `?${kept}` : "";
};

// -- the map of the nodes

async function nodemap(place) {
  const found = await fetched(place.dataset.nodemap, place);
  if (!found) return;
  const canvas = document.createElement("canvas"), tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  place.append(canvas, tip);
  const size = found.hosts.length > 2000 ? 9 : found.hosts.length > 300 ? 14 : 24, gap = size > 9 ? 3 : 1;
  let columns = 1;
  function draw() {
    const width = place.clientWidth, scale = devicePixelRatio || 1, step = size + gap;
    columns = Math.max(Math.floor(width / step), 1);
    const height = Math.ceil(found.hosts.length / columns) * step;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const colors = found.names.map(color);
    found.states.forEach((state, number) => {
      context.fillStyle = colors[state];
      context.fillRect((number % columns) * step, Math.floor(number / columns) * step, size, size);
    });
  }
  function under(event) {
    const box = canvas.getBoundingClientRect(), step = size + gap;
    const column = Math.floor((event.clientX - box.left) / step);
    const number = Math.floor((event.clientY - box.top) / step) * columns + column;
    return column < columns && number < found.hosts.length ? number : -1;
  }
  canvas.addEventListener("mousemove", (event) => {
    const number = under(event);
    tip.hidden = number < 0;
    if (number < 0) return;
    tip.textContent = `${found.hosts[number]}: ${found.names[found.states[number]]}`;
    tip.style.left = `${event.clientX + 12}px`;
    tip.style.top = `${event.clientY + 12}px`;
  });
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
  canvas.addEventListener("click", (event) => {
    const number = under(event);
    if (number >= 0) location.href = `/node/${encodeURIComponent(found.hosts[number])}${same()}`;
  });
  new ResizeObserver(draw).observe(place);
}

// -- the slider: a thousand steps from the first event to the last one; <- and -> go a step

function slider(section) {
  const input = section.querySelector("input[type=range]");
  const first = Number(section.dataset.first), last = Number(section.dataset.now);
  if (!(last > first)) {
    input.disabled = true;
    return;
  }
  const moment = Number(section.dataset.at || last);
  input.value = String(Math.round((moment - first) / (last - first) * 1000));
  const chosen = () => first + (last - first) * Number(input.value) / 1000;
  const when = section.querySelector(".when");
  let later = 0;
  const go = () => {
    const address = new URL(location.href);
    if (Number(input.value) >= 1000) address.searchParams.delete("at");
    else address.searchParams.set("at", new Date(chosen() * 1000).toISOString());
    htmx.ajax("GET", address.pathname + address.search, { target: "#main", select: "#main", swap: "outerHTML" })
      .then(() => history.replaceState(null, "", address));
  };
  input.addEventListener("input", () => {
    when.textContent = Number(input.value) >= 1000 ? "Now" : `As of ${utc(chosen())} UTC`;
    clearTimeout(later);
    later = setTimeout(go, 250);
  });
  return input;
}

document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, select, textarea");
  if (elsewhere || event.altKey || event.ctrlKey || event.metaKey) return;
  const input = document.querySelector(".moment input[type=range]");
  if (!input || input.disabled || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  input.value = String(Number(input.value) + (event.key === "ArrowLeft" ? -5 : 5));
  input.dispatchEvent(new Event("input"));
  event.preventDefault();
});

async function drawn(place, draw) {
  await draw(place);
  requestAnimationFrame(() => { place.dataset.drawn = "yes"; });
}

function begin(root) {
  for (const [name, draw] of [["chart", report], ["timeline", timeline], ["nodemap", nodemap]]) {
    root.querySelectorAll(`[data-${name}]`).forEach((place) => drawn(place, draw));
  }
  root.querySelectorAll(".moment").forEach(slider);
}

document.addEventListener("DOMContentLoaded", () => begin(document));
document.addEventListener("htmx:afterSettle", () => begin(document.getElementById("main")));
