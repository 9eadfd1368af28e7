// Reading values off the curves: where a pointer is, or at the value that the input has.

let reading = null; // null, or {x}, where x is undefined for the input's own value

const SIGNS = { ">=": "≥ ", "<=": "≤ ", "=": "" };

// The value of a curve, as nodes and as text.
function numbersOf({ curve }, { log10, status, upper }) {
  if (Number.isNaN(log10)) return ["none"];
  const to = status === "interval" ? [" to ", ...numberNodes(upper, "down", curve.integer)] : [];
  return [SIGNS[curve.relation], ...numberNodes(log10, curve.rounding, curve.integer), ...to];
}

function valueText({ curve }, { log10, status, upper, unmet }) {
  if (Number.isNaN(log10)) return "none";
  const to = status === "interval" ? ` to ${numberText(upper, "down", curve.integer)}` : "";
  return `${SIGNS[curve.relation]}${numberText(log10, curve.rounding, curve.integer)}${to}${unmet.length ? ", a condition fails" : ""}`;
}

const acrossName = () => axisLabel(state, state.across).replace(/ \(.*/, "");
const acrossText = (x) => `${acrossName()} = ${x === currentAcross() ? ownText() : short(x)}`;

// The picture is a slider of its input, which says what the curves are there.
function updateSlider() {
  const slider = byId("plot"), own = currentAcross();
  const values = picture.curves.map((one) => `${nameOf(one)} ${valueText(one, picture.evaluate(one))}`);
  slider.setAttribute("aria-label", `read the curves at ${axisLabel(state, state.across)}`);
  slider.setAttribute("aria-valuenow", own === null ? 0 : Math.round(Math.min(Math.max(partAt(own), 0), 1) * 1000));
  slider.setAttribute("aria-valuetext", `${own === null ? "as each statement has it" : acrossText(own)}; ${values.join("; ")}`);
}

function updateReading() {
  const box = byId("reading"), line = byId("reading-line");
  const x = reading?.x ?? currentAcross();
  const part = x === null ? NaN : partAt(x);
  box.hidden = reading === null || !(part >= -1e-9 && part <= 1 + 1e-9) || !picture.curves.length;
  line.setAttribute("visibility", box.hidden ? "hidden" : "visible");
  if (box.hidden) return;
  const at = picture.X(x), room = Math.floor((picture.box.bottom - picture.box.top) / 19) - 1;
  for (const [name, value] of [["x1", at], ["x2", at], ["y1", picture.box.top], ["y2", picture.box.bottom]]) line.setAttribute(name, value);
  const found = picture.curves.map((one) => ({ one, result: picture.evaluate(one, x) }));
  const near = found.filter(({ result }) => Number.isFinite(result.log10))
    .sort((a, b) => Math.abs(picture.Y(a.result.log10) - reading.y) - Math.abs(picture.Y(b.result.log10) - reading.y))
    .slice(0, room).sort((a, b) => b.result.log10 - a.result.log10);
  const others = found.length - near.length;
  box.replaceChildren(element("strong", {}, acrossText(x)),
    ...near.map(({ one, result }) => element("div", {}, swatch(one), ` ${nameOf(one)} `, element("span", { class: "number" }, ...numbersOf(one, result), result.unmet.length ? " *" : ""))),
    ...(others ? [element("div", { class: "small" }, near.length < room ? `${others} without a value` : `${others} more in the table`)] : []));
  const right = at < (picture.box.left + picture.box.right) / 2;
  const left = right ? at + 10 : at - 10 - box.offsetWidth;
  box.style.left = `${Math.max(Math.min(left, picture.width - box.offsetWidth), 0)}px`;
  box.style.top = `${picture.box.top + 4}px`;
}

// Places on the horizontal axis, from 0 to 1.
const partAt = (x) => ((picture.linear ? x : Math.log10(x)) - picture.from) / (picture.to - picture.from || 1);
const atPart = (part) => {
  const at = picture.from + (picture.to - picture.from) * part;
  return picture.linear ? at : 10 ** at;
};

const MOVES = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01, PageUp: 0.1, PageDown: -0.1 };

function listenToPlot() {
  const holder = byId("plot");
  const part = (event) => (event.clientX - holder.getBoundingClientRect().left - picture.box.left) / (picture.box.right - picture.box.left);
  const hide = () => {
    reading = null;
    updateReading();
  };
  holder.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const at = part(event);
    if (at < 0 || at > 1) return hide();
    reading = { x: axis(state.across).integer ? Math.round(atPart(at)) : atPart(at), y: event.clientY - holder.getBoundingClientRect().top };
    updateReading();
  });
  holder.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
  holder.addEventListener("click", (event) => {
    const at = part(event);
    if (at < 0 || at > 1) return;
    reading = { y: event.clientY - holder.getBoundingClientRect().top };
    setAcross(atPart(at));
  });
  holder.addEventListener("focus", () => {
    if (!holder.matches(":focus-visible")) return;
    reading = { y: 0 };
    updateReading();
  });
  holder.addEventListener("blur", hide);
  holder.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const end = { Home: 0, End: 1 }[event.key], move = MOVES[event.key];
    if (end === undefined && move === undefined) return;
    event.preventDefault();
    reading = { y: 0 };
    const own = currentAcross(), begin = own === null ? 0.5 : Math.min(Math.max(partAt(own), 0), 1);
    // As many steps as it takes to get to another number: integers, and three digits, may be farther apart.
    for (let i = 1; ; i++) {
      const target = end ?? Math.min(Math.max(begin + i * move, 0), 1);
      setAcross(atPart(target));
      if (target === 0 || target === 1 || currentAcross() !== own) return;
    }
  });
}

// The value of the input that the picture goes across, as it was given; undefined where the statements choose it.
function ownText() {
  if (!state.across.startsWith(ROLE)) return state.values[state.across];
  const role = state.across.slice(ROLE.length);
  return state.constants[role] ?? String(data.roles[role].value);
}

const currentAcross = () => (ownText() === undefined ? null : parseNumber(ownText()));

function setAcross(x) {
  const { integer } = axis(state.across), ends = [state.from, state.to].map(parseNumber);
  // Three digits, or as many as it takes to tell places on a short axis apart.
  const size = Math.max(...ends.map(Math.abs)) / Math.abs(ends[1] - ends[0]);
  const near = Number(x.toPrecision(Math.min(3 + Math.max(Math.ceil(Math.log10(size) - 0.01), 0), 15)));
  const text = String(integer ? Math.round(near) : near);
  if (problemOf(state.across, text)) return;
  if (state.across.startsWith(ROLE)) state.constants[state.across.slice(ROLE.length)] = text;
  else state.values[state.across] = text;
  changed();
}
