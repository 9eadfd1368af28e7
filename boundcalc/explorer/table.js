// The table of statements, with the value of each.

const WORDS = {
  vacuous: "says nothing: at least 1, or with no probability", empty: "its conditions admit nothing",
  undefined: "no finite positive value in double precision", "half-line": "and everything above",
};

function swatch({ colour, dash }) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 44 14");
  drawn.setAttribute("aria-hidden", "true");
  drawn.innerHTML = `<line x1="1" x2="43" y1="7" y2="7" style="stroke: ${colour}; stroke-width: 3" stroke-dasharray="${dash}"/>`;
  return drawn;
}

const MARKS = { secondary: "known from citations of it", reconstructed: "read off the proof" };
const markOf = ({ provenance, depth }) => [
  ...(provenance in MARKS ? [[provenance, MARKS[provenance]]] : []), ...(depth.hidden === null ? [["one hidden layer", depth.counts]] : []),
].flatMap(([text, title]) => [" ", element("span", { class: "mark", title }, text)]);

let tableOf = "";
function updateTable(evaluate) {
  const all = curvesOf(state.quantity);
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
        element("th", { scope: "row" }, element("strong", {}, one.statement.id), ...symbol, ...markOf(one.statement), element("span", { class: "title" }, one.statement.title)),
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
  byId("at").textContent = `At ${x === null ? `${axis(state.across).text} as each statement has it` : acrossText(x)} and the other inputs as set.`;
}

function valueNodes(one, result) {
  if (result.problem) return ["none", element("span", { class: "why" }, result.problem)];
  const nodes = numbersOf(one, result);
  if (result.status in WORDS) nodes.push(element("span", { class: "why" }, WORDS[result.status]));
  if (result.unmet.length) nodes.push(element("span", { class: "why unmet" }, `${result.unmet.length === 1 ? "a condition fails" : `${result.unmet.length} conditions fail`}`));
  return nodes;
}

function emphasize(id, strong) {
  for (const line of document.querySelectorAll(`[data-curve="${CSS.escape(id)}"] .curve`)) line.classList.toggle("strong", strong);
}
