// Shorthands, and elements of the page.

const { data, prepared, constantIn, integers } = boundcalc;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

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

// MathML that boundcalc wrote; parsed once, for a slider asks for it again and again.
const formulas = new Map();
function math(text) {
  if (!formulas.has(text)) {
    const holder = document.createElement("span");
    holder.innerHTML = text;
    formulas.set(text, holder.firstChild);
  }
  return formulas.get(text).cloneNode(true);
}

// Words in which _ and ^ lower and raise what follows: x_i, f_{W*}, W_l^(0), m^(−1/2).
function prose(text) {
  const [first, ...rest] = text.split(/([_^])(\{[^{}]*\}|\([^()]*\)|[*∞]|[A-Za-z0-9]{1,2}(?![A-Za-z]))/);
  const nodes = [first];
  for (let i = 0; i < rest.length; i += 3) {
    const [sign, held, after] = rest.slice(i, i + 3);
    // An exponent's brackets only hold it together, those of an index belong to it: R^(4/3), but W^(0).
    const inner = held.replace(/^\{(.*)\}$/, "$1").replace(/^\(([−-].*|.*\/.*)\)$/, "$1");
    nodes.push(element(sign === "_" ? "sub" : "sup", {}, ...prose(inner)), after);
  }
  return nodes;
}

// Text of an element, laid out anew only where it is another.
function put(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
