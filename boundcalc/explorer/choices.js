// The choices at the top, and everything anew when something was moved.

function fillChoices() {
  byId("quantity").replaceChildren(...data.quantities.map((name) => element("option", { value: name }, name.replaceAll("-", " "))));
  byId("quantity").addEventListener("change", () => {
    state.quantity = byId("quantity").value;
    state.show = new Set(data.first[state.quantity]);
    settle(state);
    pardonEnds();
    changed();
  });
  byId("across").addEventListener("change", () => {
    state.across = byId("across").value;
    state.from = state.to = "";
    settle(state);
    pardonEnds();
    changed();
  });
  for (const end of ["from", "to"]) {
    byId(end).addEventListener("change", () => {
      const text = byId(end).value.trim();
      const problem = endProblem(state, text, state[end === "from" ? "to" : "from"]);
      byId(end).setAttribute("aria-invalid", String(problem !== ""));
      say(problem && `${end}: ${problem}; still ${state[end]}`);
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
    pardon();
    changed();
  });
  byId("points").addEventListener("toggle", show);
}

function updateChoices() {
  byId("quantity").value = state.quantity;
  const choices = axes(state).map((name) => {
    const { text, meaning } = axis(name);
    return [name, name.startsWith(ROLE) ? `${text}: ${meaning}` : name === "L" ? axisLabel(state, name) : text];
  });
  const held = byId("across");
  if (choices.join() !== [...held.options].map(({ value, text }) => [value, text]).join()) {
    held.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
  }
  held.value = state.across;
  for (const name of ["scale", "depth"]) byId(name).value = state[name];
  // What was refused stays, to be mended.
  for (const end of ["from", "to"]) if (byId(end).getAttribute("aria-invalid") !== "true") byId(end).value = state[end];
}

// Take back complaints about texts that are no longer of any interest.
function pardonEnds() {
  for (const end of ["from", "to"]) byId(end).setAttribute("aria-invalid", "false");
  say("");
}

function pardon() {
  pardons.forEach((one) => one());
  pardonEnds();
}

function say(text) {
  byId("message").hidden = text === "";
  byId("message").textContent = text;
}

function show() {
  const curves = shown(), evaluate = evaluator(state.across);
  updateChoices();
  updateInputs(curves);
  draw(evaluate);
  updateTable(evaluate);
  updateCards(curves, evaluate);
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
  listenToPlot();
  show();
  window.addEventListener("hashchange", () => {
    clearTimeout(writing);
    ({ state, ignored } = read(location.hash));
    pardon();
    complain();
    show();
  });
  let width = byId("plot").clientWidth;
  new ResizeObserver(() => {
    if (byId("plot").clientWidth === width) return;
    width = byId("plot").clientWidth;
    draw(evaluator(state.across));
  }).observe(byId("plot"));
}

Object.assign(boundcalc, { parseNumber, state: () => state, link: () => write(state) });
start();
