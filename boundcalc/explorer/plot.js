// The picture: scales, ticks, curves and their labels.

// Scales: from log₁₀ of a value to a place

const SCALES = {
  log: { place: (log10) => log10, back: (at) => at },
  loglog: { place: Math.asinh, back: Math.sinh },
};

// Ticks of an axis whose places are log₁₀: pairs of log₁₀ and a label of [text, exponent].
function logTicks(low, high, most) {
  const step = niceStep((high - low) / most);
  if (step >= 1) {
    const ticks = [];
    for (let e = Math.ceil(low / step) * step; e <= high + 1e-9; e += step) ticks.push([e, tickLabel(e)]);
    return ticks;
  }
  const inner = [];
  for (let e = Math.floor(low); e <= Math.ceil(high); e++) for (const d of [1, 2, 5]) inner.push([e + Math.log10(d), tickLabel(e, d)]);
  const within = inner.filter(([at]) => at >= low - 1e-9 && at <= high + 1e-9);
  if (within.length >= 3 || Math.max(Math.abs(low), Math.abs(high)) > 300) return within;
  return linearTicks(10 ** low, 10 ** high, most).map(([x, label]) => [Math.log10(x), label]);
}

function linearTicks(low, high, most) {
  const step = niceStep((high - low) / most);
  if (!(step > 0)) return [[low, [short(low), null]]];
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push([i * step, [String(Number((i * step).toPrecision(5))), null]]);
  return ticks;
}

function niceStep(rough) {
  const size = 10 ** Math.floor(Math.log10(rough)), lead = rough / size;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * size;
}

const tickLabel = (e, d = 1) => (Math.abs(e) <= 3 ? [String(Number((d * 10 ** e).toPrecision(2))), null] : [d === 1 ? "10" : `${d}·10`, e]);

function compressedTicks(low, high, pixels) {
  const wanted = [0];
  for (let size = 1; size <= 1e15; size *= 10) for (const d of [1, 3]) wanted.push(d * size, -d * size);
  const span = Math.asinh(high) - Math.asinh(low) || 1, kept = [];
  for (const e of wanted) {
    const at = (x) => (Math.asinh(x) / span) * pixels;
    if (e >= low - 1e-9 && e <= high + 1e-9 && kept.every((other) => Math.abs(at(other) - at(e)) > 24)) kept.push(e);
  }
  return kept.map((e) => [e, tickLabel(e)]);
}

function label(x, y, [text, exponent], anchor) {
  const above = exponent === null ? "" : `<tspan dy="-5" font-size="10">${brief(exponent)}</tspan>`;
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(text)}${above}</text>`;
}

const nameOf = ({ id, curve }) => (id.includes("~") ? id.replace(/~.*/, ` ${data.symbols[curve.symbol].text}`) : id);
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// What is drawn now, for whatever points at it: the box, the curves, and how they are evaluated and placed.
let picture = null;

function draw(evaluate) {
  const holder = byId("plot");
  const width = Math.max(holder.clientWidth, 240), height = Math.max(holder.clientHeight, 180);
  const narrow = width < 500;
  const curves = shown(), across = axis(state.across);
  const names = curves.map((one) => cut(nameOf(one), narrow ? 16 : 28));
  const beside = curves.length ? Math.max(...names.map((name) => name.length)) * (narrow ? 5.6 : 6.4) + 24 : 14;
  const box = { left: narrow ? 52 : 78, right: width - beside, top: narrow ? 26 : 14, bottom: height - 42 };
  const xs = samples(narrow ? 81 : 121);
  const spot = across.scale === "log" ? Math.log10 : (x) => x;
  const drawn = curves.map((one) => ({ one, points: xs.map((x) => evaluate(one, x)) }));
  const { place: scale } = SCALES[state.scale];
  const heights = drawn.flatMap(({ points }) => points.map(({ log10 }) => log10)).filter(Number.isFinite);
  const uppers = drawn.flatMap(({ points }) => points.filter(({ status }) => status === "interval").map(({ upper }) => upper));
  const [low, high] = heights.length ? extent(heights, uppers) : [0, 1];
  const [x0, x1] = [spot(xs[0]), spot(xs[xs.length - 1])];
  const X = (x) => box.left + ((spot(x) - x0) / (x1 - x0 || 1)) * (box.right - box.left);
  const Y = (log10) => box.bottom - ((scale(log10) - scale(low)) / (scale(high) - scale(low) || 1)) * (box.bottom - box.top);
  const parts = [`<desc>${escaped(described(drawn, xs))}</desc>`];
  const yTicks = state.scale === "log" ? logTicks(low, high, (box.bottom - box.top) / (height < 300 ? 32 : 44)) : compressedTicks(low, high, box.bottom - box.top);
  for (const [at, text] of yTicks) {
    parts.push(`<line class="grid" x1="${box.left}" x2="${box.right}" y1="${Y(at)}" y2="${Y(at)}"/>`, label(box.left - 6, Y(at) + 4, text, "end"));
  }
  const most = (box.right - box.left) / (narrow ? 40 : 80);
  const xTicks = across.scale === "log" ? logTicks(Math.min(x0, x1), Math.max(x0, x1), most).map(([e, text]) => [10 ** e, text])
    : linearTicks(Math.min(x0, x1), Math.max(x0, x1), most);
  for (const [at, text] of xTicks) {
    const x = Math.min(Math.max(X(at), box.left), box.right);
    parts.push(`<line class="grid" x1="${x}" x2="${x}" y1="${box.top}" y2="${box.bottom}"/>`, label(Math.min(x, box.right - 6), box.bottom + 17, text, "middle"));
  }
  parts.push(`<rect class="frame" x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/>`);
  parts.push(`<text x="${(box.left + box.right) / 2}" y="${height - 6}" text-anchor="middle">${escaped(axisTitle(state, state.across, box.right - box.left + 80))}</text>`);
  const side = (box.top + box.bottom) / 2;
  const where = narrow ? 'x="2" y="14"' : `transform="translate(14 ${side}) rotate(-90)" text-anchor="middle"`;
  parts.push(`<text ${where}>${escaped(quantityLabel())}</text>`);
  parts.push(`<clipPath id="inside"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/></clipPath><g clip-path="url(#inside)">`);
  // Solid lines below dashed ones, so that one on top of another hides neither.
  for (const { one, points } of [...drawn].sort((a, b) => (a.one.dash === "" ? 0 : 1) - (b.one.dash === "" ? 0 : 1))) parts.push(curveMarkup(one, points, xs, X, Y));
  parts.push("</g>");
  if (low < 0 && high > 0 && curves.some(({ curve }) => curve.atMostOne)) {
    parts.push(`<line class="limit" x1="${box.left}" x2="${box.right}" y1="${Y(0)}" y2="${Y(0)}"/><text class="limit" text-anchor="end" x="${box.right - 6}" y="${Y(0) - 5}">above 1 a bound says nothing</text>`);
  }
  parts.push(endLabels(drawn, names, xs, X, Y, box));
  const here = currentAcross();
  const within = here !== null && spot(here) >= Math.min(x0, x1) - 1e-9 && spot(here) <= Math.max(x0, x1) + 1e-9;
  if (within) {
    parts.push(`<line class="here" x1="${X(here)}" x2="${X(here)}" y1="${box.top}" y2="${box.bottom}"/>`);
    for (const one of curves) {
      const { log10 } = evaluate(one, here);
      if (Number.isFinite(log10) && log10 >= low && log10 <= high) parts.push(`<circle cx="${X(here)}" cy="${Y(log10)}" r="4" style="fill: ${one.colour}; stroke: var(--paper)"/>`);
    }
  }
  if (!heights.length) parts.push(`<text x="${(box.left + box.right) / 2}" y="${side}" text-anchor="middle">${curves.length ? "no curve has a value here" : "no statement is shown"}</text>`);
  parts.push('<line class="reading" id="reading-line" visibility="hidden"/>');
  const crowded = drawn.filter(({ points }) => points.some(({ status }) => status === "interval")).length > 1;
  const held = byId("plot-picture");
  held.innerHTML = `<svg xmlns="${SVG}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(titleOf())}" class="${crowded ? "crowded" : ""}">${parts.join("")}</svg>`;
  picture = { box, curves, evaluate, X, Y, width, from: x0, to: x1, linear: across.scale !== "log" };
  caption(drawn, curves, within || here === null ? "" : ` ${acrossText(here)} lies outside this picture.`);
  updateSlider();
  updateReading();
  fillPoints(curves, evaluate);
}

// The names of curves at their right ends, moved apart; as many as there is room for.
function endLabels(drawn, names, xs, X, Y, box) {
  const gap = 13, ends = drawn.flatMap(({ one, points }, i) => {
    const last = points.findLastIndex(({ log10 }) => Number.isFinite(log10));
    return last < 0 ? [] : [{ one, name: names[i], x: X(xs[last]), y: Y(points[last].log10), unmet: points[last].unmet.length > 0 }];
  }).slice(0, Math.floor((box.bottom - box.top) / gap)).sort((a, b) => a.y - b.y);
  let free = box.top;
  for (const end of ends) {
    end.at = Math.max(end.y, free);
    free = end.at + gap;
  }
  free = box.bottom;
  for (const end of [...ends].reverse()) {
    end.at = Math.min(end.at, free);
    free = end.at - gap;
  }
  return ends.map(({ one, name, x, y, at, unmet }) => {
    const before = x < box.right - 2 ? `<line class="leader far" style="stroke: ${one.colour}" x1="${x}" x2="${box.right}" y1="${y}" y2="${y}"/>` : "";
    return `<g data-label="${escaped(one.id)}">${before}<line class="leader" style="stroke: ${one.colour}" x1="${box.right}" y1="${y}" x2="${box.right + 9}" y2="${at}"/>`
      + `<text class="end" x="${box.right + 12}" y="${at + 4}">${escaped(name)}${unmet ? "\u2009*" : ""}</text></g>`;
  }).join("");
}

function caption(drawn, curves, outside) {
  const entering = new Set(curves.flatMap(({ curve }) => curve.enters));
  const fixed = Object.keys(data.symbols).filter((name) => entering.has(name) && name !== state.across && name in state.values)
    .map((name) => `${name === "L" && state.depth === "hidden" ? "hidden layers" : data.symbols[name].text}\u00a0=\u00a0${state.values[name]}`);
  const own = Object.keys(data.symbols).filter((name) => entering.has(name) && name !== state.across && !(name in state.values))
    .map((name) => data.symbols[name].text);
  const roles = Object.entries(data.roles).filter(([role]) => ROLE + role !== state.across)
    .map(([role, { value }]) => `${role}\u00a0=\u00a0${state.constants[role] ?? value}`);
  const faint = drawn.some(({ points }) => points.some(({ unmet }) => unmet.length)) ? " Faint, and *: a condition of the statement fails there." : "";
  const ends = drawn.some(({ points }) => points.some(({ status }) => status === "interval")) ? " Shaded, or up to a thin line: what a statement’s conditions admit." : "";
  byId("caption").textContent = `${titleOf()}.${faint}${ends}${outside}`;
  byId("fixed").textContent = `Held fixed: ${[...fixed, ...roles].join(", ")}${Object.keys(state.constants).some((name) => !has(data.roles, name)) ? ", and constants of single statements as set" : ""}.${own.length ? ` As each statement has it: ${own.join(", ")}.` : ""}`;
}

// The range of the curves, with some room. Upper ends of bands may lie far beyond all curves, and are then cut off.
function extent(heights, uppers) {
  const { place, back } = SCALES[state.scale];
  const low = place(heights.reduce((x, y) => Math.min(x, y))), top = place(heights.reduce((x, y) => Math.max(x, y)));
  const high = uppers.map(place).filter((upper) => upper <= top + (top - low) / 2).reduce((x, y) => Math.max(x, y), top);
  const room = Math.max((high - low) * 0.05, 0.05);
  return [back(low - room), back(high + room)];
}

function curveMarkup({ id, colour, dash }, points, xs, X, Y) {
  const style = `style="stroke: ${colour}" stroke-dasharray="${dash}"`;
  const line = (which, css) => {
    let markup = "", run = [], faint = false;
    const finish = () => {
      if (run.length > 1) markup += `<polyline class="curve ${css}${faint ? " unmet" : ""}" ${style} points="${run.join(" ")}"/>`;
      if (run.length === 1) markup += `<circle cx="${run[0].split(",")[0]}" cy="${run[0].split(",")[1]}" r="2" style="fill: ${colour}"/>`;
    };
    points.forEach((one, i) => {
      const log10 = which(one);
      const place = Number.isFinite(log10) ? `${X(xs[i]).toFixed(1)},${Y(log10).toFixed(1)}` : null;
      const unmet = one.unmet.length > 0;
      if (place === null || (run.length && unmet !== faint)) {
        if (place !== null) run.push(place);
        finish();
        run = [];
      }
      if (place !== null) run.push(place);
      faint = unmet;
    });
    finish();
    return markup;
  };
  const banded = points.map((one, i) => ({ one, i })).filter(({ one }) => one.status === "interval");
  const edge = (which) => banded.map(({ one, i }) => `${X(xs[i]).toFixed(1)},${Y(one[which]).toFixed(1)}`);
  const band = banded.length > 1 ? `<polygon class="band" style="fill: ${colour}" points="${[...edge("upper"), ...edge("log10").reverse()].join(" ")}"/>` : "";
  return `<g data-curve="${escaped(id)}">${band}${line(({ log10 }) => log10, "")}${line(({ status, upper }) => (status === "interval" ? upper : NaN), "end")}</g>`;
}

const symbolsOf = () => [...new Set(curvesOf(state.quantity).map(({ curve }) => curve.symbol))];

function quantityLabel() {
  const symbols = symbolsOf().map((name) => data.symbols[name]);
  const unit = symbols[0]?.unit, names = symbols.map(({ text }) => text).filter((text) => [...text].length <= 2);
  return `${state.quantity.replaceAll("-", " ")}${symbols.length === 1 && names.length ? ` ${names[0]}` : ""}${unit ? ` (${unit})` : ""}`;
}

const titleOf = () => `${quantityLabel()} against ${axisLabel(state, state.across)}`;

function described(drawn, xs) {
  if (!drawn.length) return "No statement is shown.";
  const ends = [0, xs.length - 1];
  return drawn.map(({ one, points }) => `${one.id}: ${ends.map((i) => `${numberText(points[i].log10, one.curve.rounding, one.curve.integer)} at ${short(xs[i])}`).join(", ")}`).join("; ");
}

function fillPoints(curves, evaluate) {
  if (!byId("points").open) return;
  const xs = samples(9);
  const head = element("tr", {}, element("th", { scope: "col" }, axisLabel(state, state.across)), ...curves.map(({ id }) => element("th", { scope: "col" }, id)));
  const rows = xs.map((x) => element("tr", {}, element("th", { scope: "row" }, short(x)), ...curves.map((one) => {
    const result = evaluate(one, x);
    return element("td", {}, ...numbersOf(one, result), result.unmet.length ? " *" : "");
  })));
  byId("points-table").replaceChildren(head, ...rows);
}
