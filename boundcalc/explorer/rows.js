// Rows with a slider and a field, of inputs and hidden constants. A row is made once and then kept, so that a slider that
// is being dragged stays.

const STEPS = 1000;

// What takes back each row's complaint.
const pardons = [];

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
  const wrong = element("p", { class: "wrong", id: `${id}-wrong`, role: "alert", hidden: true });
  const box = element("input", { type: "checkbox", id: `${id}-given` });
  const row = element("div", { class: "row" },
    element("div", { class: kind.wide ? "top wide" : "top" }, element("label", { class: "name", for: id }, ...kind.name()), text), range, wrong);
  if (!kind.fixed) row.append(element("div", { class: "given" }, box, element("label", { for: `${id}-given` }, kind.free)));
  const complain = (problem) => {
    wrong.hidden = problem === "";
    wrong.textContent = problem;
    text.setAttribute("aria-invalid", String(problem !== ""));
  };
  pardons.push(() => complain(""));
  range.addEventListener("input", () => {
    const x = slide(low, high, kind.scale, range.value / STEPS);
    kind.set(kind.integer ? String(Math.round(Number(x.toPrecision(3)))) : short(x));
    complain("");
    changed();
  });
  text.addEventListener("change", () => {
    const problem = problemOf(kind.key, text.value.trim());
    complain(problem && `${problem}; still ${kind.get() ?? kind.first()}`);
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
    // What was refused stays, to be mended.
    if (wrong.hidden) text.value = free && kind.locks ? "" : value;
    text.placeholder = free && kind.locks ? "its own" : "";
    if (document.activeElement !== range) range.value = Math.round(partOf(low, high, kind.scale, parseNumber(value)) * STEPS);
    range.setAttribute("aria-valuetext", free && kind.locks ? "as each statement has it" : value);
  };
  return { row, update };
}

function inputKind(name) {
  const symbol = data.symbols[name];
  const hidden = name === "L" && state.depth === "hidden";
  const says = hidden ? "the number of hidden layers" : symbol.meaning;
  return {
    key: name, reach: symbol.reach, scale: symbol.scale, integer: symbol.integer, says,
    name: () => [hidden ? element("i", {}, "H") : math(symbol.math), element("span", {}, " ", ...prose(says))],
    wide: symbol.math.length > 400, fixed: !symbol.optional, free: "as each statement has it", locks: true,
    get: () => state.values[name],
    set: (text) => {
      if (text === undefined) delete state.values[name];
      else state.values[name] = text;
    },
    first: () => symbol.default ?? "1",
  };
}

function constantKind(name, symbol, says, first, role) {
  return {
    key: ROLE + name, reach: data.reach[role], scale: role === "C" ? "log" : "linear", integer: false, says: `${name}, ${says}`,
    name: () => [symbol(), element("span", {}, " ", ...prose(says))],
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
  roleRows(roles.map(([role, { meaning, value }]) => constantKind(role, () => element("i", {}, role), meaning, () => state.constants[role] ?? value, role)));
}
