// What is drawn, and what moves it. The state is one object; the address of the page spells it out.
"use strict";

(() => {
  const { data, statements, point, constantIn, integers } = boundcalc;
  const LN10 = Math.LN10;
  const COLOURS = 7;
  const DASHES = ["", "7 4", "10 3 2 3", "2 3"];
  const PREFERRED = ["L", "n", "epsilon", "m", "tau", "delta"];
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);

  // Elements

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // MathML that boundcalc wrote.
  function math(text) {
    const holder = document.createElement("span");
    holder.innerHTML = text;
    return holder.firstChild;
  }

  const escaped = (text) => text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

  // Numbers

  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const NUMBER = /^([+-]?)(\d+\.?\d*|\.\d+)(?:e([+-]?\d+))?(?:\^\(?([+-]?\d+)\)?)?(?:\/((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?))?(%?)$/i;

  // A number as people type it: 0.01, 1/100, 1e-2, 10^-2, 10⁻², 1%. NaN where it is none.
  function parseNumber(text) {
    const plain = text.trim().replace(/[−–]/g, "-").replace(/\s/g, "").replace(/\*\*/g, "^")
      .replace(/[⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (run) => "^" + [...run].map((c) => (c === "⁻" ? "-" : c === "⁺" ? "" : SUPERSCRIPTS.indexOf(c))).join(""));
    const match = NUMBER.exec(plain);
    if (match === null) return NaN;
    const [, sign, digits, exponent, power, divisor, percent] = match;
    const base = Number(digits + (exponent ? `e${exponent}` : ""));
    // Powers of ten as the decimals that they are: 10 ** -2 need not be the double nearest to 0.01.
    const raised = power === undefined ? base : base === 10 ? Number(`1e${power}`) : base ** Number(power);
    return ((sign === "-" ? -1 : 1) * raised) / (divisor ? Number(divisor) : 1) / (percent ? 100 : 1);
  }

  const short = (x) => {
    const digits = Number(x.toPrecision(3));
    if (digits === 0) return "0";
    return Math.abs(digits) >= 1e-4 && Math.abs(digits) < 1e6 ? String(digits) : digits.toExponential().replace("e+", "e");
  };

  // Digits in threes, where there are more than four.
  const grouped = (x) => (x < 1e4 ? String(x) : String(x).replace(/\B(?=(\d{3})+$)/g, "\u202f"));
  const signed = (x) => (x < 0 ? "−" : "") + grouped(Math.abs(x));

  // An exponent where there is little room.
  const brief = (x) => (Math.abs(x) < 1e5 ? signed(x) : x.toExponential().replace("e+", "e").replace("-", "−"));

  // A number given by log₁₀, as [mantissa, exponent]: three digits, rounded to one side; or [digits, null].
  function written(log10, rounding, whole) {
    if (Number.isNaN(log10)) return ["none", null];
    if (!Number.isFinite(log10)) return [log10 > 0 ? "∞" : "0", null];
    const up = rounding === "up", toSide = (x) => (up ? Math.ceil(x - 1e-9) : Math.floor(x + 1e-9));
    if (whole && log10 < 6) return [grouped(integers(log10 * LN10, rounding)), null];
    if (Math.abs(log10) > 1e9) return ["", toSide(log10)];
    let exponent = Math.floor(log10), digits = toSide(10 ** (log10 - exponent + 2));
    if (digits >= 1000) [digits, exponent] = [100, exponent + 1];
    if (exponent >= -4 && exponent < 5) return [String(Number((digits * 10 ** (exponent - 2)).toPrecision(3))), null];
    return [(digits / 100).toFixed(2), exponent];
  }

  function numberNodes(log10, rounding, whole) {
    const [mantissa, exponent] = written(log10, rounding, whole);
    if (exponent === null) return [mantissa];
    return [`${mantissa === "" ? "" : `${mantissa}\u202f·\u202f`}10`, element("sup", {}, signed(exponent))];
  }

  function numberText(log10, rounding, whole) {
    const [mantissa, exponent] = written(log10, rounding, whole);
    return exponent === null ? mantissa : `${mantissa === "" ? "" : `${mantissa}·`}10^${exponent}`;
  }

  // State

  const curvesOf = (quantity) => data.statements.flatMap((statement) => {
    const own = statement.curves.filter((curve) => curve.quantity === quantity);
    return own.map((curve, i) => ({ id: i === 0 ? statement.id : `${statement.id}~${curve.symbol}`, statement, curve }));
  }).map((one, i) => ({ ...one, colour: `var(--c${i % COLOURS})`, dash: DASHES[((i % COLOURS) + Math.floor(i / COLOURS)) % DASHES.length] }));

  function startState() {
    const values = {};
    for (const [name, symbol] of Object.entries(data.symbols)) {
      if (symbol.default !== null && !symbol.optional) values[name] = symbol.default;
    }
    const quantity = data.quantities[0] === undefined || data.quantities.includes("width") ? "width" : data.quantities[0];
    const state = { quantity, across: "", from: "", to: "", scale: "log", depth: "own", show: null, values, constants: { ...data.start } };
    state.show = new Set(curvesOf(quantity).filter(({ statement }) => !statement.id.includes(":")).map(({ id }) => id));
    settle(state);
    return state;
  }

  // Constants go by their names with this before them, symbols by their own.
  const ROLE = "c.";
  const axes = (state) => {
    const entering = new Set(curvesOf(state.quantity).flatMap(({ curve }) => curve.enters));
    return [...Object.keys(data.symbols).filter((name) => entering.has(name)),
      ...Object.keys(data.roles).map((name) => ROLE + name)];
  };

  const axis = (name) => (name.startsWith(ROLE)
    ? { ...data.roles[name.slice(ROLE.length)], text: name.slice(ROLE.length), unit: "", integer: false, symbol: null }
    : { ...data.symbols[name], symbol: name });

  const axisLabel = (state, name) => {
    const { text, unit, symbol } = axis(name);
    if (symbol === "L" && state.depth === "hidden") return "hidden layers";
    return unit ? `${text} (${unit})` : text;
  };

  // The label with what the symbol means, where there is room for it: 7 pixels a letter.
  function axisTitle(of, name, width) {
    const { meaning, unit, symbol } = axis(name);
    const whole = `${symbol === null ? `${name.slice(ROLE.length)}, ` : ""}${meaning.replace(/^the /, "")}${unit && !meaning.includes(unit) ? ` (${unit})` : ""}`;
    return whole.length * 7 > width - 100 || (symbol === "L" && of.depth === "hidden") ? axisLabel(of, name) : whole;
  }

  // Put an axis where there is none, or one that the quantity does not have.
  function settle(state) {
    const choices = axes(state);
    if (!choices.includes(state.across)) {
      state.across = PREFERRED.find((name) => choices.includes(name)) ?? choices[0];
      state.from = state.to = "";
    }
    const [low, high] = reach(state.across);
    if (state.from === "") state.from = low;
    if (state.to === "") state.to = state.across === "L" ? "100" : high;
  }

  const reach = (name) => axis(name).reach;

  // Why a text is no value of a symbol; empty where it is one.
  function problemOf(name, text) {
    const value = parseNumber(text);
    if (Number.isNaN(value)) return `${text || "nothing"} is not a number; write it like 0.01, 1/100, 1e-2 or 10^-2`;
    if (Math.abs(value) > 1e300 || (value !== 0 && Math.abs(value) < 1e-300)) return `${text} is outside 10^±300`;
    if (name.startsWith(ROLE)) {
      const factor = roleOf(name.slice(ROLE.length)) === "C";
      return value < 0 || (factor && value === 0) ? `${text} is not ${factor ? "> 0" : "≥ 0"}` : "";
    }
    const { lower, upper, lowerOpen, upperOpen, integer, domain } = data.symbols[name];
    const inside = (lower === null || (lowerOpen ? value > lower : value >= lower))
      && (upper === null || (upperOpen ? value < upper : value <= upper)) && (!integer || Number.isInteger(value));
    return inside ? "" : `${text} is not ${domain}`;
  }

  const ROLES = new Map(data.statements.flatMap(({ key, constants }) => constants.map((one) => [`${key}:${one.name}`, one])));
  const roleOf = (name) => (name in data.roles ? name : ROLES.get(name)?.role);

  // The whole state as the fragment of an address, and back.
  function write(state) {
    const { quantity, across, from, to, scale, depth } = state;
    const parts = new URLSearchParams({ quantity, across, from, to, scale, depth, show: [...state.show].join(",") });
    for (const [name, text] of Object.entries(state.values)) parts.set(name, text);
    for (const [name, text] of Object.entries(state.constants)) parts.set(ROLE + name, text);
    return `#${parts.toString().replaceAll("%2F", "/").replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
  }

  function read(fragment) {
    const parts = new URLSearchParams(fragment.replace(/^#/, ""));
    const state = startState(), ignored = [];
    if (![...parts].length) return { state, ignored };
    state.values = Object.fromEntries(Object.entries(state.values).filter(([name]) => !parts.has(name)));
    state.constants = {};
    const chosen = (name, among) => {
      const value = parts.get(name);
      if (value !== null && !among.includes(value)) ignored.push(`${name}=${value}`);
      else if (value !== null) state[name] = value;
    };
    chosen("quantity", data.quantities);
    chosen("scale", ["log", "loglog"]);
    chosen("depth", ["own", "hidden"]);
    state.across = "";
    chosen("across", axes(state));
    const known = new Set(curvesOf(state.quantity).map(({ id }) => id));
    const named = parts.has("show") ? parts.get("show").split(",").filter(Boolean) : [...known].filter((id) => !id.includes(":"));
    ignored.push(...named.filter((id) => !known.has(id)).map((id) => `show=${id}`));
    state.show = new Set(named.filter((id) => known.has(id)));
    state.from = state.to = "";
    for (const end of ["from", "to"]) {
      if (parts.has(end) && endProblem(state, parts.get(end))) ignored.push(`${end}=${parts.get(end)}`);
      else state[end] = parts.get(end) ?? "";
    }
    for (const [name, text] of parts) {
      if (["quantity", "across", "from", "to", "scale", "depth", "show"].includes(name)) continue;
      const isConstant = name.startsWith(ROLE) && roleOf(name.slice(ROLE.length)) !== undefined;
      if ((!isConstant && !(name in data.symbols)) || problemOf(name, text)) ignored.push(`${name}=${text}`);
      else if (isConstant) state.constants[name.slice(ROLE.length)] = text;
      else state.values[name] = text;
    }
    for (const [name, text] of Object.entries(startState().values)) state.values[name] ??= text;
    settle(state);
    return { state, ignored };
  }

  const endProblem = (state, text) => {
    const name = state.across || PREFERRED[0];
    return problemOf(name, text) || (axis(name).scale === "log" && parseNumber(text) <= 0 ? `${text} is not > 0` : "");
  };

  let { state, ignored } = read(location.hash);

  // Evaluation

  const given = () => Object.fromEntries(Object.entries(state.values).map(([name, text]) => [name, parseNumber(text)]));
  const constants = () => Object.fromEntries(Object.entries(state.constants).map(([name, text]) => [name, parseNumber(text)]));
  const shown = () => curvesOf(state.quantity).filter(({ id }) => state.show.has(id));

  // Evaluates a curve where one axis has a value in place of the state's own.
  function evaluator(name) {
    const inputs = given(), set = constants();
    return ({ statement, curve }, x) => {
      if (x === undefined) return point(statement, curve, inputs, constantIn(set), state.depth === "hidden");
      if (!name.startsWith(ROLE)) return point(statement, curve, { ...inputs, [name]: x }, constantIn(set), state.depth === "hidden");
      return point(statement, curve, inputs, constantIn({ ...set, [name.slice(ROLE.length)]: x }), state.depth === "hidden");
    };
  }

  function samples(count) {
    const { scale, integer } = axis(state.across);
    const from = parseNumber(state.from), to = parseNumber(state.to);
    const spread = Array.from({ length: count }, (_, i) => {
      const part = i / (count - 1);
      if (i === 0) return from;
      if (i === count - 1) return to;
      return scale === "log" ? 10 ** (Math.log10(from) * (1 - part) + Math.log10(to) * part) : from * (1 - part) + to * part;
    });
    return integer ? [...new Set(spread.map(Math.round))] : spread;
  }

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

  // Drawing

  function label(x, y, [text, exponent], anchor) {
    const above = exponent === null ? "" : `<tspan dy="-5" font-size="10">${brief(exponent)}</tspan>`;
    return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(text)}${above}</text>`;
  }

  function draw() {
    const holder = byId("plot");
    const width = Math.max(holder.clientWidth, 280), height = Math.max(holder.clientHeight, 180);
    const narrow = width < 500;
    const box = { left: narrow ? 62 : 78, right: width - 14, top: narrow ? 26 : 14, bottom: height - 42 };
    const curves = shown(), evaluate = evaluator(state.across), across = axis(state.across);
    const xs = samples(narrow ? 97 : 161);
    const spot = across.scale === "log" ? Math.log10 : (x) => x;
    const drawn = curves.map((one) => ({ one, points: xs.map((x) => evaluate(one, x)) }));
    const { place: scale } = SCALES[state.scale];
    const heights = drawn.flatMap(({ points }) => points.map(({ log10 }) => log10)).filter(Number.isFinite);
    const uppers = drawn.flatMap(({ points }) => points.filter(({ status }) => status === "interval").map(({ upper }) => upper));
    const [low, high] = heights.length ? extent(heights, uppers) : [0, 1];
    const [x0, x1] = [spot(xs[0]), spot(xs[xs.length - 1])];
    const X = (x) => box.left + ((spot(x) - x0) / (x1 - x0 || 1)) * (box.right - box.left);
    const Y = (log10) => box.bottom - ((scale(log10) - scale(low)) / (scale(high) - scale(low) || 1)) * (box.bottom - box.top);
    const parts = [`<title>${escaped(titleOf())}</title>`, `<desc>${escaped(described(drawn, xs))}</desc>`];
    const yTicks = state.scale === "log" ? logTicks(low, high, (box.bottom - box.top) / 44) : compressedTicks(low, high, box.bottom - box.top);
    for (const [at, text] of yTicks) {
      parts.push(`<line class="grid" x1="${box.left}" x2="${box.right}" y1="${Y(at)}" y2="${Y(at)}"/>`, label(box.left - 6, Y(at) + 4, text, "end"));
    }
    const most = (box.right - box.left) / 80;
    const xTicks = across.scale === "log" ? logTicks(Math.min(x0, x1), Math.max(x0, x1), most).map(([e, text]) => [10 ** e, text])
      : linearTicks(Math.min(x0, x1), Math.max(x0, x1), most);
    for (const [at, text] of xTicks) {
      const x = Math.min(Math.max(X(at), box.left), box.right);
      parts.push(`<line class="grid" x1="${x}" x2="${x}" y1="${box.top}" y2="${box.bottom}"/>`, label(Math.min(x, box.right - 6), box.bottom + 17, text, "middle"));
    }
    parts.push(`<rect class="frame" x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/>`);
    parts.push(`<text x="${(box.left + box.right) / 2}" y="${height - 6}" text-anchor="middle">${escaped(axisTitle(state, state.across, width))}</text>`);
    const side = (box.top + box.bottom) / 2;
    const where = narrow ? 'x="2" y="14"' : `transform="translate(14 ${side}) rotate(-90)" text-anchor="middle"`;
    parts.push(`<text ${where}>${escaped(quantityLabel())}</text>`);
    parts.push(`<clipPath id="inside"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/></clipPath><g clip-path="url(#inside)">`);
    // Solid lines below dashed ones, so that one on top of another hides neither.
    for (const { one, points } of [...drawn].sort((a, b) => (a.one.dash === "" ? 0 : 1) - (b.one.dash === "" ? 0 : 1))) parts.push(curveMarkup(one, points, xs, X, Y));
    parts.push("</g>");
    const here = currentAcross();
    if (here !== null && spot(here) >= Math.min(x0, x1) - 1e-9 && spot(here) <= Math.max(x0, x1) + 1e-9) {
      parts.push(`<line class="here" x1="${X(here)}" x2="${X(here)}" y1="${box.top}" y2="${box.bottom}"/>`);
      for (const one of curves) {
        const { log10 } = evaluate(one, here);
        if (Number.isFinite(log10) && log10 >= low && log10 <= high) parts.push(`<circle cx="${X(here)}" cy="${Y(log10)}" r="4" style="fill: ${one.colour}; stroke: var(--paper)"/>`);
      }
    }
    if (!heights.length) parts.push(`<text x="${(box.left + box.right) / 2}" y="${side}" text-anchor="middle">${curves.length ? "no curve has a value here" : "no statement is shown"}</text>`);
    holder.innerHTML = `<svg xmlns="${SVG}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(titleOf())}">${parts.join("")}</svg>`;
    holder.firstChild.addEventListener("click", (event) => {
      const part = (event.offsetX - box.left) / (box.right - box.left);
      if (part < 0 || part > 1) return;
      const at = x0 + (x1 - x0) * part;
      setAcross(across.scale === "log" ? 10 ** at : at);
    });
    byId("caption").textContent = `${titleOf()}, everything else as set ${narrow ? "below" : "on the left"}. Faint: a condition fails.`;
    fillPoints(curves, evaluate);
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
    const unit = symbols[0]?.unit, names = symbols.map(({ text }) => text).filter((text) => text !== state.quantity);
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
      const { log10, status, upper } = evaluate(one, x);
      const cell = element("td", {}, ...numberNodes(log10, one.curve.rounding, one.curve.integer));
      if (status === "interval") cell.append(" to ", ...numberNodes(upper, "down", one.curve.integer));
      return cell;
    })));
    byId("points-table").replaceChildren(head, ...rows);
  }

  // The value at which everything else is evaluated; null where the statements choose it.
  function currentAcross() {
    const constant = state.across.startsWith(ROLE) ? state.across.slice(ROLE.length) : null;
    const text = constant === null ? state.values[state.across] : state.constants[constant] ?? String(data.roles[constant].value);
    return text === undefined ? null : parseNumber(text);
  }

  function setAcross(x) {
    const { integer } = axis(state.across);
    const text = integer ? String(Math.round(x)) : short(x);
    if (problemOf(state.across, text)) return;
    if (state.across.startsWith(ROLE)) state.constants[state.across.slice(ROLE.length)] = text;
    else state.values[state.across] = text;
    changed();
  }

  // Rows of inputs and constants. A row is made once and then kept, so that a slider that is being dragged stays.

  const STEPS = 1000;

  function slide(low, high, scale, part) {
    return scale === "log" ? 10 ** (Math.log10(low) + (Math.log10(high) - Math.log10(low)) * part) : low + (high - low) * part;
  }

  function partOf(low, high, scale, x) {
    const part = scale === "log" ? (Math.log10(x) - Math.log10(low)) / (Math.log10(high) - Math.log10(low)) : (x - low) / (high - low);
    return Math.min(Math.max(part, 0), 1);
  }

  // What a row is of: its key, name (nodes) and meaning; the reach and scale of its slider; how its text is got and set
  // (undefined where the statements have values of their own); first(), the text to begin with; and whether it is fixed,
  // so that it always has one.
  function makeRow(kind, prefix) {
    const [low, high] = kind.reach.map(parseNumber);
    const id = `row-${prefix}${kind.key}`.replace(/[^\w-]/g, "-");
    const text = element("input", { type: "text", id, autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-wrong` });
    const range = element("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": `${kind.says}, slider` });
    const wrong = element("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
    const box = element("input", { type: "checkbox", id: `${id}-given` });
    const row = element("div", { class: "row" },
      element("div", { class: kind.wide ? "top wide" : "top" }, element("label", { class: "name", for: id }, ...kind.name), text), range, wrong);
    if (!kind.fixed) row.append(element("div", { class: "given" }, box, element("label", { for: `${id}-given` }, kind.free)));
    const complain = (problem) => {
      wrong.hidden = problem === "";
      wrong.textContent = problem;
      text.setAttribute("aria-invalid", String(problem !== ""));
    };
    range.addEventListener("input", () => {
      const x = slide(low, high, kind.scale, range.value / STEPS);
      kind.set(kind.integer ? String(Math.round(Number(x.toPrecision(3)))) : short(x));
      complain("");
      changed();
    });
    text.addEventListener("change", () => {
      const problem = problemOf(kind.key, text.value.trim());
      complain(problem);
      if (problem) return;
      kind.set(text.value.trim());
      changed();
    });
    box.addEventListener("change", () => {
      kind.set(box.checked ? undefined : kind.first());
      complain("");
      changed();
    });
    const update = () => {
      const own = kind.get();
      const free = own === undefined;
      box.checked = free;
      range.disabled = text.disabled = free && kind.locks;
      const value = free ? kind.first() : own;
      if (document.activeElement !== text || text.disabled || wrong.hidden) text.value = free && kind.locks ? "" : value;
      text.placeholder = free && kind.locks ? "its own" : "";
      if (document.activeElement !== range) range.value = Math.round(partOf(low, high, kind.scale, parseNumber(value)) * STEPS);
      range.setAttribute("aria-valuetext", free && kind.locks ? "as each statement has it" : value);
    };
    return { row, update };
  }

  function inputKind(name) {
    const symbol = data.symbols[name];
    const hidden = () => name === "L" && state.depth === "hidden";
    return {
      key: name, reach: symbol.reach, scale: symbol.scale, integer: symbol.integer, says: symbol.meaning,
      name: [math(symbol.math), element("span", {}, ` ${hidden() ? "the number of hidden layers" : symbol.meaning}`)],
      wide: symbol.math.length > 400, fixed: !symbol.optional, free: "as each statement has it", locks: true,
      get: () => state.values[name],
      set: (text) => {
        if (text === undefined) delete state.values[name];
        else state.values[name] = text;
      },
      first: () => symbol.default ?? "1",
    };
  }

  function constantKind(name, math_, says, first, role) {
    return {
      key: ROLE + name, reach: data.reach[role], scale: role === "C" ? "log" : "linear", integer: false, says: `${name}, ${says}`,
      name: [math_, element("span", {}, ` ${says}`)],
      fixed: name in data.roles, free: "as for all statements", locks: false,
      get: () => state.constants[name],
      set: (text) => {
        if (text === undefined) delete state.constants[name];
        else state.constants[name] = text;
      },
      first: () => String(first()),
    };
  }

  // A list of rows; each is made once for each `mark`, and kept. Their ids begin with the prefix.
  function rowList(holder, prefix = "") {
    const made = new Map();
    return (kinds, mark = "") => {
      const rows = kinds.map((kind) => {
        const key = `${mark} ${kind.key}`;
        if (!made.has(key)) made.set(key, makeRow(kind, prefix));
        return made.get(key);
      });
      if (rows.length !== holder.children.length || rows.some(({ row }, i) => row !== holder.children[i])) {
        holder.replaceChildren(...rows.map(({ row }) => row));
      }
      rows.forEach(({ update }) => update());
    };
  }

  const inputRows = rowList(byId("input-rows")), roleRows = rowList(byId("role-rows"));

  function updateInputs(curves) {
    const entering = new Set(curves.flatMap(({ curve }) => curve.enters));
    inputRows(Object.keys(data.symbols).filter((name) => entering.has(name)).map(inputKind), state.depth);
    const roles = Object.entries(data.roles).filter(([role]) => curves.some(({ statement }) => statement.constants.some((one) => one.role === role)));
    roleRows(roles.map(([role, { meaning, value }]) => constantKind(role, element("i", {}, role), meaning, () => state.constants[role] ?? value, role)));
  }

  // The table of statements

  const WORDS = {
    vacuous: "says nothing: at least 1, or with no probability", empty: "its conditions admit nothing",
    undefined: "no finite positive value", "half-line": "and everything above",
  };

  function swatch({ colour, dash }) {
    const drawn = document.createElementNS(SVG, "svg");
    drawn.setAttribute("viewBox", "0 0 44 14");
    drawn.setAttribute("aria-hidden", "true");
    drawn.innerHTML = `<line x1="1" x2="43" y1="7" y2="7" style="stroke: ${colour}; stroke-width: 3" stroke-dasharray="${dash}"/>`;
    return drawn;
  }

  let tableOf = "";
  function updateTable() {
    const all = curvesOf(state.quantity), evaluate = evaluator(state.across);
    if (tableOf !== state.quantity) {
      byId("rows").replaceChildren(...all.map((one) => {
        const box = element("input", { type: "checkbox", "data-id": one.id, "aria-label": `show ${one.id}` });
        box.addEventListener("change", () => {
          if (box.checked) state.show.add(one.id);
          else state.show.delete(one.id);
          changed();
        });
        const symbol = all.some((other) => other.curve.symbol !== one.curve.symbol) ? [" ", math(data.symbols[one.curve.symbol].math)] : [];
        const row = element("tr", { "data-id": one.id },
          element("td", { class: "pick" }, element("label", {}, box, swatch(one))),
          element("td", {}, element("strong", {}, one.statement.id), ...symbol, element("span", { class: "title" }, one.statement.title)),
          element("td", { class: "value" }));
        for (const [event, strong] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]]) {
          row.addEventListener(event, () => emphasize(one.id, strong));
        }
        return row;
      }));
      tableOf = state.quantity;
    }
    for (const row of byId("rows").children) {
      const one = all.find(({ id }) => id === row.dataset.id), show = state.show.has(one.id);
      row.classList.toggle("hidden-curve", !show);
      row.querySelector("input").checked = show;
      const result = evaluate(one);
      row.querySelector("td.value").replaceChildren(...valueNodes(one, result));
    }
    const x = currentAcross();
    byId("at").textContent = `At ${x === null ? `${axis(state.across).text} as each statement has it` : `${axisLabel(state, state.across).replace(/ \(.*/, "")} = ${short(x)}`} and the other inputs as set, also for curves that are not drawn.`;
  }

  function valueNodes({ curve }, result) {
    if (result.problem) return ["none", element("span", { class: "why" }, result.problem)];
    const sign = { ">=": "≥ ", "<=": "≤ ", "=": "" }[curve.relation];
    const nodes = Number.isNaN(result.log10) ? ["none"] : [sign, ...numberNodes(result.log10, curve.rounding, curve.integer)];
    if (result.status === "interval") nodes.push(" to ", ...numberNodes(result.upper, "down", curve.integer));
    if (result.status in WORDS) nodes.push(element("span", { class: "why" }, WORDS[result.status]));
    if (result.unmet.length) nodes.push(element("span", { class: "why unmet" }, `${result.unmet.length === 1 ? "a condition fails" : `${result.unmet.length} conditions fail`}`));
    return nodes;
  }

  function emphasize(id, strong) {
    for (const line of document.querySelectorAll(`[data-curve="${CSS.escape(id)}"] .curve`)) line.classList.toggle("strong", strong);
  }

  // The cards with the formulas

  const cards = new Map();

  function card(one) {
    const { statement, curve } = one;
    const formulas = curve.formulas.flatMap(({ math: formula, probability, over, note }) => {
      const nodes = [element("div", { class: "formula" }, math(formula))];
      const said = [];
      if (probability) said.push("with probability at least ", math(probability), ` over the ${over}`, ...(note ? ["; "] : []));
      if (note) said.push(note);
      if (said.length) nodes.push(element("p", { class: "small" }, ...said));
      return nodes;
    });
    const dynamic = element("div", {}), list = element("div", {}), summary = element("summary", {});
    const made = element("article", { class: "card", style: `border-left-color: ${one.colour}` },
      element("h3", {}, `${statement.id}: ${statement.title}`),
      ...formulas, dynamic,
      element("p", { class: "small" }, `${statement.source} (${statement.provenance}). Depth: ${statement.depth.counts}.`));
    if (statement.hypotheses.length || statement.notes.length) {
      made.append(element("details", {}, element("summary", {}, "assumptions and notes"), element("ul", {}, ...[...statement.hypotheses, ...statement.notes].map((text) => element("li", {}, text)))));
    }
    if (statement.constants.length) made.append(element("details", {}, summary, list));
    const rows = rowList(list, `${one.id}-${curve.symbol}-`);
    return { made, update() {
      const value = constantIn(constants());
      summary.textContent = `hidden constants: ${statement.constants.map((c) => `${c.name} = ${short(value(statement, c))}`).join(", ")}`;
      rows(statement.constants.map((c) => constantKind(`${statement.key}:${c.name}`, math(c.math), `hidden by ${c.hides}${c.direction === "any" ? "" : `, ${c.direction} enough`}`,
        () => constantIn({ ...constants(), [`${statement.key}:${c.name}`]: undefined })(statement, c), c.role)));
      const result = evaluator(state.across)(one), nodes = [];
      if (result.filled.length) {
        nodes.push(element("p", { class: "small" }, "Taken: ", ...result.filled.flatMap(({ name, why, log10 }, i) => [i ? "; " : "", math(data.symbols[name].math), " = ", ...numberNodes(log10, "up", data.symbols[name].integer), ` (${why})`]), "."));
      }
      for (const what of result.unmet) nodes.push(element("p", { class: "warn" }, `fails at the inputs set: ${what}`));
      dynamic.replaceChildren(...nodes);
    } };
  }

  function updateCards(curves) {
    const wanted = curves.map((one) => {
      const key = `${one.id}~${one.curve.symbol}`;
      if (!cards.has(key)) cards.set(key, card(one));
      return cards.get(key);
    });
    const held = byId("cards");
    if (wanted.length !== held.children.length || wanted.some(({ made }, i) => made !== held.children[i])) held.replaceChildren(...wanted.map(({ made }) => made));
    wanted.forEach(({ update }) => update());
  }

  // Choices at the top

  function fillChoices() {
    byId("quantity").replaceChildren(...data.quantities.map((name) => element("option", { value: name }, name.replaceAll("-", " "))));
    byId("quantity").addEventListener("change", () => {
      state.quantity = byId("quantity").value;
      state.show = new Set(curvesOf(state.quantity).filter(({ statement }) => !statement.id.includes(":")).map(({ id }) => id));
      settle(state);
      changed();
    });
    byId("across").addEventListener("change", () => {
      state.across = byId("across").value;
      state.from = state.to = "";
      settle(state);
      changed();
    });
    for (const end of ["from", "to"]) {
      byId(end).addEventListener("change", () => {
        const text = byId(end).value.trim();
        const problem = endProblem(state, text);
        byId(end).setAttribute("aria-invalid", String(problem !== ""));
        say(problem);
        if (problem) return;
        state[end] = text;
        changed();
      });
    }
    for (const name of ["scale", "depth"]) {
      byId(name).addEventListener("change", () => {
        state[name] = byId(name).value;
        changed();
      });
    }
    byId("all").addEventListener("click", () => {
      state.show = new Set(curvesOf(state.quantity).map(({ id }) => id));
      changed();
    });
    byId("none").addEventListener("click", () => {
      state.show = new Set();
      changed();
    });
    byId("reset").addEventListener("click", () => {
      state = startState();
      changed();
    });
    byId("points").addEventListener("toggle", draw);
  }

  function updateChoices() {
    byId("quantity").value = state.quantity;
    const choices = axes(state);
    const held = byId("across");
    if (choices.join() !== [...held.options].map(({ value }) => value).join()) {
      held.replaceChildren(...choices.map((name) => {
        const { text, meaning } = axis(name);
        return element("option", { value: name }, name.startsWith(ROLE) ? `${text}: ${meaning}` : text);
      }));
    }
    held.value = state.across;
    for (const name of ["from", "to", "scale", "depth"]) byId(name).value = state[name];
    for (const end of ["from", "to"]) byId(end).setAttribute("aria-invalid", "false");
  }

  function say(text) {
    byId("message").hidden = text === "";
    byId("message").textContent = text;
  }

  // Everything anew

  function show() {
    const curves = shown();
    updateChoices();
    updateInputs(curves);
    draw();
    updateTable();
    updateCards(curves);
    byId("link").href = write(state);
  }

  let writing = 0, drawing = 0;
  function changed() {
    if (!drawing) {
      drawing = setTimeout(() => {
        drawing = 0;
        show();
      });
    }
    // Not at every step of a slider: browsers refuse so many changes of the address.
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(null, "", write(state)), 250);
  }

  function start() {
    fillChoices();
    byId("unavailable").replaceChildren(...(data.unavailable.length ? [
      element("p", {}, "Not in this page, which cannot evaluate it:"),
      element("ul", {}, ...data.unavailable.map(({ what, why }) => element("li", {}, `${what}: ${why}`))),
    ] : []));
    const complain = () => say(ignored.length ? `Not taken from the link: ${ignored.join(", ")}` : "");
    complain();
    show();
    window.addEventListener("hashchange", () => {
      clearTimeout(writing);
      ({ state, ignored } = read(location.hash));
      complain();
      show();
    });
    let width = byId("plot").clientWidth;
    new ResizeObserver(() => {
      if (byId("plot").clientWidth === width) return;
      width = byId("plot").clientWidth;
      draw();
    }).observe(byId("plot"));
  }

  Object.assign(boundcalc, { parseNumber, state: () => state, link: () => write(state) });
  start();
})();
