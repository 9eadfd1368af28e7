// Numbers as people type them, and as the page writes them.

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
  if (whole && log10 < 6) return [grouped(integers(log10 * Math.LN10, rounding)), null];
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
