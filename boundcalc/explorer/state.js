// The state of the page, one object that the address spells out, and the curves at it.

const COLOURS = 7;
const DASHES = ["", "7 4", "10 3 2 3", "2 3"];
const PREFERRED = ["m", "n", "epsilon", "L", "tau", "delta"];

const has = (held, name) => Object.hasOwn(held, name);

// The curves of a quantity, those first that are drawn at first: they have colours of their own.
const listed = new Map();
function curvesOf(quantity) {
  if (!listed.has(quantity)) {
    const all = data.statements.flatMap((statement) => statement.curves
      .filter((curve) => curve.quantity === quantity).map((curve) => ({ id: curve.id, statement, curve })));
    const rank = ({ id }) => (data.first[quantity].includes(id) ? data.first[quantity].indexOf(id) : all.length);
    listed.set(quantity, all.sort((a, b) => rank(a) - rank(b)).map((one, i) => (
      { ...one, colour: `var(--c${i % COLOURS})`, dash: DASHES[((i % COLOURS) + Math.floor(i / COLOURS)) % DASHES.length] })));
  }
  return listed.get(quantity);
}

function startState() {
  const values = {};
  for (const [name, symbol] of Object.entries(data.symbols)) {
    if (symbol.default !== null && !symbol.optional) values[name] = symbol.default;
  }
  const quantity = data.quantities.includes("width") ? "width" : data.quantities[0];
  const state = { quantity, across: "", from: "", to: "", scale: "log", depth: "hidden", show: new Set(data.first[quantity]), values, constants: { ...data.start } };
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

// Put an axis where there is none, or one that the quantity does not have: what enters most of the first curves with
// every input that need not be given left to the statement.
function settle(state) {
  const choices = axes(state);
  if (!choices.includes(state.across)) {
    const first = curvesOf(state.quantity).filter(({ id }) => data.first[state.quantity].includes(id));
    const plans = first.map(({ curve }) => curve.plans[""]).filter(({ problem }) => !problem);
    const count = (name) => plans.filter(({ inputs, filled }) => inputs.includes(name) || filled.some((one) => one.name === name)).length;
    const inOrder = [...PREFERRED.filter((name) => choices.includes(name)), ...choices];
    state.across = inOrder.reduce((best, name) => (count(name) > count(best) ? name : best));
    state.from = state.to = "";
  }
  const { across, reach } = axis(state.across), [low, high] = across ?? reach;
  if (state.from === "") state.from = low;
  if (state.to === "") state.to = high;
}

// Why a text is no value of a symbol; empty where it is one.
function problemOf(name, text) {
  const value = parseNumber(text);
  if (Number.isNaN(value)) return `${text ? `${text} is not a number; write it` : "write a number"} like 0.01, 1/100, 1e-2 or 10^-2`;
  const lost = value === 0 && /[1-9]/.test(text.split(/[e^]/i)[0]);
  if (lost || Math.abs(value) > 1e300 || (value !== 0 && Math.abs(value) < 1e-300)) return `${text} is outside 10^±300`;
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
const roleOf = (name) => (has(data.roles, name) ? name : ROLES.get(name)?.role);

// The whole state as the fragment of an address, and back. With constants=unit the constants that follow are
// all that is set; an address without it only changes those that the page begins with.
function write(state) {
  const { quantity, across, from, to, scale, depth } = state;
  const parts = new URLSearchParams({ quantity, across, from, to, scale, depth, show: [...state.show].join(","), constants: "unit" });
  for (const [name, text] of Object.entries(state.values)) parts.set(name, text);
  for (const [name, text] of Object.entries(state.constants)) parts.set(ROLE + name, text);
  return `#${parts.toString().replaceAll("%2F", "/").replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}

function read(fragment) {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const state = startState(), ignored = [];
  if (![...parts].length) return { state, ignored };
  state.values = Object.fromEntries(Object.entries(state.values).filter(([name]) => !parts.has(name)));
  const chosen = (name, among) => {
    const value = parts.get(name);
    if (value !== null && !among.includes(value)) ignored.push(`${name}=${value}`);
    else if (value !== null) state[name] = value;
  };
  chosen("quantity", data.quantities);
  chosen("scale", ["log", "loglog"]);
  chosen("depth", ["own", "hidden"]);
  if (parts.get("constants") === "unit") state.constants = {};
  else if (parts.has("constants")) ignored.push(`constants=${parts.get("constants")}`);
  state.across = "";
  chosen("across", axes(state));
  const known = new Set(curvesOf(state.quantity).map(({ id }) => id));
  const named = parts.has("show") ? parts.get("show").split(",").filter(Boolean) : data.first[state.quantity];
  ignored.push(...named.filter((id) => !known.has(id)).map((id) => `show=${id}`));
  const found = named.filter((id) => known.has(id));
  state.show = new Set(found.length || !named.length ? found : data.first[state.quantity]);
  state.from = state.to = "";
  settle(state);
  const own = { from: state.from, to: state.to }, ends = ["from", "to"].filter((end) => parts.has(end));
  const refuse = (end) => {
    ignored.push(`${end}=${parts.get(end)}`);
    state[end] = own[end];
  };
  for (const end of ends) {
    state[end] = parts.get(end);
    if (problemOfEnd(state, state[end])) refuse(end);
  }
  // One end may be that of the other, which stands in for what was refused.
  if (parseNumber(state.from) === parseNumber(state.to)) ends.filter((end) => state[end] !== own[end]).forEach(refuse);
  for (const [name, text] of parts) {
    if (["quantity", "across", "from", "to", "scale", "depth", "show", "constants"].includes(name)) continue;
    const isConstant = name.startsWith(ROLE) && roleOf(name.slice(ROLE.length)) !== undefined;
    if ((!isConstant && !has(data.symbols, name)) || problemOf(name, text)) ignored.push(`${name}=${text}`);
    else if (isConstant) state.constants[name.slice(ROLE.length)] = text;
    else state.values[name] = text;
  }
  for (const [name, text] of Object.entries(startState().values)) state.values[name] ??= text;
  return { state, ignored };
}

// Why a text is no end of the horizontal axis: in itself, and when the other end is there.
function problemOfEnd(state, text) {
  return axis(state.across).scale === "log" && parseNumber(text) <= 0 ? `${text} is not > 0` : problemOf(state.across, text);
}

function endProblem(state, text, other) {
  return problemOfEnd(state, text) || (parseNumber(text) === parseNumber(other) ? `the axis has no length from ${other} to ${text}` : "");
}

let { state, ignored } = read(location.hash);

const given = () => Object.fromEntries(Object.entries(state.values).map(([name, text]) => [name, parseNumber(text)]));
const constants = () => Object.fromEntries(Object.entries(state.constants).map(([name, text]) => [name, parseNumber(text)]));
const shown = () => curvesOf(state.quantity).filter(({ id }) => state.show.has(id));

// Evaluates a curve, where one axis may have a value in place of the state's own.
function evaluator(name) {
  const inputs = given(), set = constants(), names = Object.keys(inputs), hidden = state.depth === "hidden";
  const role = name.startsWith(ROLE) ? name.slice(ROLE.length) : null;
  const here = new Map(), along = new Map();
  const ready = (held, { id, statement, curve }, all) => {
    if (!held.has(id)) held.set(id, prepared(statement, curve, all, constantIn(set), hidden));
    return held.get(id);
  };
  return (one, x) => {
    if (x === undefined) return ready(here, one, names)(inputs);
    if (role === null) return ready(along, one, [...names, name])({ ...inputs, [name]: x });
    return prepared(one.statement, one.curve, names, constantIn({ ...set, [role]: x }), hidden)(inputs);
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
