// The cards, each with the formula of a statement and what enters it.

// Where the value of a hidden constant comes from.
function originOf(statement, one) {
  const own = [`${statement.key}:${one.name}`, one.role].find((name) => state.constants[name] !== undefined);
  if (own === undefined) return one.origin;
  const began = data.origins[`${statement.key}:${one.name}`];
  return state.constants[own] === data.start[own] && began ? began : `set by ${own} = ${state.constants[own]}`;
}

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
  const command = element("code", {});
  const folded = element("details", { ontoggle: () => updateRows() }, summary, list);
  let before = "";
  const made = element("article", { class: "card", style: `border-left-color: ${one.colour}` },
    element("h3", {}, `${statement.id}: ${statement.title}`),
    ...formulas, dynamic,
    element("p", { class: "small" }, `${statement.source} (${statement.provenance}${statement.provenance in MARKS ? `: ${MARKS[statement.provenance]}` : ""}). Depth: ${statement.depth.counts}.`));
  if (statement.hypotheses.length || statement.notes.length) {
    made.append(element("details", {}, element("summary", {}, "assumptions and notes"), element("ul", {}, ...[...statement.hypotheses, ...statement.notes].map((text) => element("li", {}, ...prose(text))))));
  }
  if (statement.constants.length) made.append(folded);
  made.append(element("p", { class: "small command" }, "At the shell: ", command));
  const rows = rowList(list, `${one.id}-${curve.symbol}-`);
  function updateRows() {
    if (!folded.open) return;
    rows(statement.constants.map((c) => constantKind(`${statement.key}:${c.name}`, () => math(c.math), `hidden by ${c.hides}${c.direction === "any" ? "" : `, ${c.direction} enough`}; ${originOf(statement, c)}`,
      () => constantIn({ ...constants(), [`${statement.key}:${c.name}`]: undefined })(statement, c), c.role)));
  }
  return { made, update(result) {
    const value = constantIn(constants());
    put(summary, `hidden constants: ${statement.constants.map((c) => `${c.name} = ${+value(statement, c).toPrecision(6)}${/reconstructed/.test(originOf(statement, c)) ? " (reconstructed)" : ""}`).join(", ")}`);
    put(command, commandOf(one));
    updateRows();
    const said = JSON.stringify([result.filled, result.unmet]);
    if (said === before) return;
    before = said;
    const nodes = [];
    if (result.filled.length) {
      nodes.push(element("p", { class: "small" }, "Taken: ", ...result.filled.flatMap(({ name, why, log10 }, i) => [i ? "; " : "", math(data.symbols[name].math), " = ", ...numberNodes(log10, "up", data.symbols[name].integer), ` (${why})`]), "."));
    }
    for (const what of result.unmet) nodes.push(element("p", { class: "warn" }, `fails at the inputs set: ${what}`));
    dynamic.replaceChildren(...nodes);
  } };
}

// What gives the same value at the shell, proven.
function commandOf({ id, statement, curve }) {
  const word = (text) => (/^[\w.+/^%-]+$/.test(text) ? text : `'${text.replace(/\s/g, "")}'`);
  const unfolded = statement.id !== statement.key;
  const inputs = curve.enters.filter((name) => name !== curve.symbol && state.values[name] !== undefined).map((name) => {
    const hidden = name === "L" && state.depth === "hidden" && statement.depth.hidden !== null;
    return `${hidden ? "H" : name}=${word(state.values[name])}`;
  });
  const set = Object.entries(state.constants).filter(([name]) => statement.constants.some((one) => name === one.role || name === `${statement.key}:${one.name}`))
    .map(([name, text]) => `--set ${name}=${word(text)}`);
  return ["boundcalc eval", statement.key, id.includes("~") ? curve.symbol : curve.quantity, ...inputs, ...set,
    ...(unfolded ? ["--reading unfolded"] : []), ...(data.own.includes(statement.id) ? ["--theorems FILE"] : [])].join(" ");
}

function updateCards(curves, evaluate) {
  const wanted = curves.map((one) => {
    const key = `${state.quantity} ${one.id}`;
    if (!cards.has(key)) cards.set(key, card(one));
    return cards.get(key);
  });
  const held = byId("cards");
  if (wanted.length !== held.children.length || wanted.some(({ made }, i) => made !== held.children[i])) held.replaceChildren(...wanted.map(({ made }) => made));
  wanted.forEach(({ update }, i) => update(evaluate(curves[i])));
}
