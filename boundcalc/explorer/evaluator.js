// Evaluates the bounds of the catalogue in the log domain, by the programs that sweeps run.
//
// boundcalc.evaluate("cao2020/cor3.2", "width", {epsilon: 0.01, L: 1e6}) takes a statement's key, a quantity or the
// name of a bounded symbol, and inputs by name; options are {reading, constants: {C: 2, "cao2020/cor3.2:C_m": 3},
// depth: "hidden"}. It returns {log10, status, …} as a prepared curve below does.
"use strict";

const boundcalc = ((data) => {
  const { close: CLOSE, digitsLost: DIGITS_LOST, negligible: NEGLIGIBLE, thresholds: FIND } = data.numerics;
  const SEARCH = FIND.search;
  const LARGEST_EXACT = 53 * Math.LN2;

  // Operations: the value of arguments x, and the derivative of a value y at x with derivatives d.

  const add = (x, y) => x + y;
  // exp(x − top) for x ≤ top; the difference of two infinities counts as none.
  const relative = (x, top) => (x - top < 0 ? Math.exp(x - top) : 1);
  const total = (terms) => terms.reduce(add, 0);
  const power = (x, p) => (x === 1 ? 1 : p === 0.5 ? Math.sqrt(x) : x ** p);
  const logSum = (x) => {
    const top = Math.max(...x);
    if (x.length === 2) return top + Math.log1p(relative(Math.min(...x), top));
    return top + Math.log(total(x.map((one) => relative(one, top))));
  };
  const ratio = (y, x, d) => d[0] / x[0];

  const OPERATIONS = {
    copy: [(x) => x[0], (y, x, d) => d[0]],
    log: [(x) => Math.log(x[0]), ratio],
    logAbs: [(x) => Math.log(Math.abs(x[0])), ratio],
    logPositive: [(x) => Math.log(Math.max(x[0], 0)), ratio],
    exp: [(x) => Math.exp(x[0]), (y, x, d) => y * d[0]],
    plus: [(x) => x[0] + x[1], (y, x, d) => d[0] + d[1]],
    minus: [(x) => x[0] - x[1], (y, x, d) => d[0] - d[1]],
    times: [(x) => x[0] * x[1], (y, x, d) => d[0] * x[1] + x[0] * d[1]],
    power: [(x) => power(x[0], x[1]), (y, x, d) => ((x[1] * y) / x[0]) * d[0]],
    maximum: [(x) => Math.max(x[0], x[1]), (y, x, d) => (x[0] >= x[1] ? d[0] : d[1])],
    minimum: [(x) => Math.min(x[0], x[1]), (y, x, d) => (x[0] <= x[1] ? d[0] : d[1])],
    sign: [(x) => Math.sign(x[0]), () => 0],
    masked: [(x) => (x[1] < 0 ? x[2] : x[0]), (y, x, d) => d[0]],
    logSum: [logSum, (y, x, d) => total(x.map((one, i) => (d[i] === 0 ? 0 : relative(one, y) * d[i])))],
    logDifference: [
      (x) => Math.max(x[0], x[1]) + Math.log(-Math.expm1(-Math.abs(x[0] - x[1]))),
      (y, x, d) => {
        const r = Math.exp(x[1] - x[0]);
        return (d[0] - r * d[1]) / (1 - r);
      },
    ],
    scaledSum: [
      (x) => {
        const half = (x.length - 1) / 2;
        return total(x.slice(1, half + 1).map((one, i) => x[half + 1 + i] * relative(one, x[0])));
      },
      (y, x, d) => {
        const half = (x.length - 1) / 2;
        return total(x.slice(1, half + 1).map((one, i) => x[half + 1 + i] * relative(one, x[0]) * (d[i + 1] - d[0])));
      },
    ],
    logLog1p: [
      (x) => (x[0] < NEGLIGIBLE ? x[0] : Math.log(Math.abs(Math.log1p(x[1] * Math.exp(x[0]))))),
      (y, x, d) => {
        const r = x[1] * Math.exp(x[0]);
        return x[0] < NEGLIGIBLE ? d[0] : (r / ((1 + r) * Math.log1p(r))) * d[0];
      },
    ],
  };

  // constant + Σ coefficient·x
  function affine(coefficients, constant) {
    const value = (x, from) => {
      let sum = from;
      for (let i = 0; i < x.length; i++) sum += coefficients[i] * x[i];
      return sum;
    };
    return [(x) => value(x, constant), (y, x, d) => value(d, 0)];
  }

  const programs = data.programs.map((program) => ({
    inputs: Object.entries(program.inputs),
    outputs: program.outputs,
    steps: program.steps.map(([name, out, args, coefficients, constant]) => {
      const [value, slope] = name === "affine" ? affine(coefficients.map(Number), Number(constant)) : OPERATIONS[name];
      // Room for what is read, kept, since steps run by the thousand at every move of a slider.
      return { out, args, value, slope, x: args.map(() => 0), d: args.map(() => 0) };
    }),
  }));

  const fill = (slots, { out, args, value, x }) => {
    for (let i = 0; i < args.length; i++) x[i] = slots[args[i]];
    slots[out] = value(x);
  };

  // The results of a program, from inputs by name.
  function run(number, known) {
    const { inputs, steps, outputs } = programs[number];
    const slots = [];
    for (const [name, slot] of inputs) slots[slot] = known[name];
    for (const step of steps) fill(slots, step);
    return outputs.map((slot) => slots[slot]);
  }

  // The steps of a program that stay while one input moves, and for each result those that move and lead to it.
  const parted = new Map();
  function partedBy(number, unknown) {
    const key = `${number} ${unknown}`;
    if (!parted.has(key)) {
      const { inputs, steps, outputs } = programs[number];
      const moves = new Set(inputs.filter(([name]) => name === unknown).map(([, slot]) => slot));
      for (const { out, args } of steps) if (args.some((slot) => moves.has(slot))) moves.add(out);
      const leading = outputs.map((output) => {
        const read = new Set([output]);
        const led = steps.filter(({ out }) => moves.has(out)).reverse().filter(({ out, args }) => {
          if (read.has(out)) args.forEach((slot) => read.add(slot));
          return read.has(out);
        });
        return { output, steps: led.reverse() };
      });
      parted.set(key, { still: steps.filter(({ out }) => !moves.has(out)), leading });
    }
    return parted.get(key);
  }

  // Each result of a program as a function of one input: its value and its derivative.
  function moving(number, known, unknown) {
    const { still, leading } = partedBy(number, unknown);
    const slots = [], slopes = [];
    let start = -1;
    for (const [name, slot] of programs[number].inputs) {
      slots[slot] = known[name];
      if (name === unknown) start = slot;
    }
    for (const step of still) fill(slots, step);
    slopes[start] = 1;
    return leading.map(({ output, steps }) => (x) => {
      slots[start] = x;
      for (const step of steps) {
        const { out, args, d } = step;
        let moves = false;
        for (let i = 0; i < args.length; i++) {
          d[i] = slopes[args[i]] ?? 0;
          moves ||= d[i] !== 0;
        }
        fill(slots, step);
        slopes[out] = moves ? step.slope(slots[out], step.x, d) : 0;
      }
      return [slots[output], slopes[output] ?? 0];
    });
  }

  // Integers, as sweeps round them.

  function integers(log, rounding) {
    const x = Math.exp(log);
    if (!(log < LARGEST_EXACT)) return x;
    const nearest = Math.round(x);
    const same = Math.abs(x - nearest) <= DIGITS_LOST * (Math.abs(log) + 10) * x;
    return Math.max(same ? nearest : rounding === "up" ? Math.ceil(x) : Math.floor(x), 1);
  }

  const rounded = (log, rounding) => (log < LARGEST_EXACT ? Math.log(integers(log, rounding)) : log);

  // The ends of the last range of u = log x ≥ 0 on which a condition holds, by its slack and the slack's derivative:
  // the largest root, on Lambert's branch W₋₁ where there are two.

  function lastRange(rising) {
    const falling = (w) => {
      const u = Math.exp(w), [value, slope] = rising(u);
      return [-value, -slope * u];
    };
    const last = SEARCH[SEARCH.length - 1];
    const [value, slope] = rising(last);
    if (Number.isNaN(value)) return [NaN, NaN];
    const lasts = value >= 0;
    let rooted = lasts && slope > 0, top = last, nearest = last, held = lasts, lower = 0, upper = Infinity;
    if (lasts) {
      for (const u of SEARCH.slice(0, -1).reverse()) {
        const [v, s] = rising(u), holds = v >= 0;
        if (holds && s > 0) [top, rooted] = [u, true];
        held = held && holds;
        if (held) nearest = u;
      }
      if (rooted) lower = largestRoot(rising, top, 0);
    } else {
      const w = largestRoot(falling, Math.log(last), FIND.nearest);
      [lower, upper] = w <= FIND.nearest + 1e-9 ? [Infinity, 0] : [0, Math.exp(w)];
    }
    const begins = !rooted && lower === 0 && !(rising(0)[0] >= 0);
    if (begins || (lasts && !rooted && rising(nearest)[0] === Infinity)) {
      lower = largestRoot(rising, Math.min(upper * (1 - FIND.narrowest), nearest), 0);
    }
    return [lower, upper];
  }

  // Newton's method from above, kept between the nearest points at which the condition fails and holds.
  function largestRoot(slack, top, least) {
    let x = top, high = top, low = -Infinity, settled = false;
    for (let count = 0; count < FIND.mostSteps && !settled; count++) {
      const [value, slope] = slack(x);
      if (value >= 0) high = x;
      else low = x;
      const target = Math.max(x - value / slope, least);
      const inside = target > low && target <= high && (count <= FIND.patience || count % 2 === 0);
      const following = inside ? target : (Math.max(low, least) + high) / 2;
      settled = Math.abs(following - x) <= FIND.close * Math.max(Math.abs(x), 1);
      x = following;
    }
    return x - least <= 4 * FIND.close ? least : settled ? x : NaN;
  }

  function ranges(solved, known, unknown) {
    let lower = 0, upper = Infinity;
    for (const slack of moving(solved.program, known, unknown)) {
      const [low, high] = lastRange(slack);
      [lower, upper] = [Math.max(lower, low), Math.min(upper, high)];
    }
    return [lower, upper];
  }

  function nothingBetween(lower, upper, whole) {
    if (upper < lower || !whole) return upper < lower;
    const close = upper - lower < Math.LN2 && lower < LARGEST_EXACT;
    return close && integers(upper, "down") < integers(lower, "up");
  }

  // Statements and their curves.

  const statements = new Map(data.statements.map((one) => [one.id, one]));
  for (const { curves } of data.statements) {
    for (const plan of curves.flatMap(({ plans }) => Object.values(plans))) {
      for (const part of ["filled", "checks"]) plan[part] = plan[part]?.map((number) => data[part][number]);
    }
  }

  // The plan for the inputs that are given, of those that need not be and that change something.
  const planFor = (curve, given) => curve.plans[curve.options.filter((name) => given.has(name)).join()];

  function outside(symbol, value, least) {
    const { lower, upper, lowerOpen, upperOpen, integer } = data.symbols[symbol];
    const below = lower !== null && (lowerOpen ? !(value > lower) : !(value >= lower));
    const above = upper !== null && (upperOpen ? !(value < upper) : !(value <= upper));
    if (below || above || (integer && !Number.isInteger(value))) return true;
    return symbol === "L" && value < least;
  }

  // A curve, ready to be evaluated at points.
  //
  //   names:    the symbols that are given at every point; others are supplied, prescribed or defaults
  //   constant: the value of a hidden constant, by the statement and the constant
  //   returns   what takes numbers by symbol and gives {log10, status, lower, upper, filled, unmet, problem}
  //
  // log10 is that of the bound before rounding: NaN where there is none. lower and upper are log₁₀ of the ends where
  // conditions were solved, filled is [{name, why, log10}], unmet the texts of conditions that fail. The status is ok,
  // half-line, interval, empty, vacuous, undefined, or outside.
  function prepared(statement, curve, names, constant, hiddenDepth = false) {
    const plan = planFor(curve, new Set(names));
    const nothing = { log10: NaN, status: "outside", lower: null, upper: null, filled: [], unmet: [] };
    if (plan.problem) return () => ({ ...nothing, problem: plan.problem });
    const constants = {};
    for (const one of statement.constants) constants[one.name] = constant(statement, one);
    return (given) => {
      const known = { ...constants };
      for (const name of plan.inputs) {
        let value = given[name];
        if (value === undefined) {
          if (data.symbols[name].default === null) return { ...nothing, problem: `needs a value of ${name}` };
          value = name === "L" ? Math.max(data.symbols[name].value, statement.depth.minimum) : data.symbols[name].value;
        } else if (name === "L" && hiddenDepth) {
          value -= statement.depth.hidden ?? 0;
        }
        if (outside(name, value, statement.depth.minimum)) {
          const limit = name === "L" && value < statement.depth.minimum ? `≥ ${statement.depth.minimum}` : data.symbols[name].domain;
          return { ...nothing, problem: `${data.symbols[name].text} = ${+value.toPrecision(6)} is not ${limit}` };
        }
        known[name] = value;
      }
      return valued(plan, curve, known);
    };
  }

  // The result of a plan, with everything known that it starts from.
  function valued(plan, curve, known) {
    const logs = {};
    for (const put of plan.puts) {
      const log = put.solved ? ranges(put, known, put.name)[0] : run(put.program, known)[0];
      known[put.name] = logs[put.name] = rounded(log, put.rounding);
    }
    const filled = plan.filled.map(({ name, why, program, value }) => {
      const log = name in logs ? logs[name] : value === undefined ? run(program, known)[0] : Math.log(value);
      return { name, why, log10: log / Math.LN10 };
    });
    const unmet = plan.checks.filter(({ large, small }) => {
      const [over] = run(large, known), [under] = run(small, known);
      return !(over >= under - CLOSE * Math.max(Math.abs(over), 1) && over < Infinity);
    }).map(({ what }) => what);
    if (plan.bound.solved) {
      const [lower, upper] = ranges(plan.bound, known, curve.symbol);
      const empty = nothingBetween(lower, upper, curve.integer);
      const log10 = empty ? NaN : lower / Math.LN10;
      const status = empty ? "empty" : !Number.isFinite(log10) ? "undefined" : Number.isFinite(upper) ? "interval"
        : plan.several ? "half-line" : "ok";
      return { log10, status, lower: lower / Math.LN10, upper: upper / Math.LN10, filled, unmet };
    }
    const [log10] = run(plan.bound.program, known);
    const improbable = plan.probability !== null && !(run(plan.probability, known)[0] > -Infinity);
    const vacuous = improbable || (curve.atMostOne && log10 >= 0);
    const status = !Number.isFinite(log10) ? "undefined" : vacuous ? "vacuous" : "ok";
    return { log10, status, lower: null, upper: null, filled, unmet };
  }

  // The value of a hidden constant, where `set` has values by `key:name`, or for all constants of a role.
  const constantIn = (set) => (statement, one) =>
    Number(set[`${statement.key}:${one.name}`] ?? set[one.role] ?? one.value);

  function evaluate(key, quantity, inputs, { reading = "stated", constants = {}, depth = "own" } = {}) {
    const statement = statements.get(reading === "stated" ? key : `${key}:${reading}`);
    if (statement === undefined) throw new Error(`no statement ${key} (${reading})`);
    const curve = statement.curves.find(({ symbol }) => symbol === quantity)
      ?? statement.curves.find((one) => one.quantity === quantity);
    if (curve === undefined) throw new Error(`${key} says nothing about ${quantity}`);
    return prepared(statement, curve, Object.keys(inputs), constantIn(constants), depth === "hidden")(inputs);
  }

  return { data, statements, operations: OPERATIONS, evaluate, prepared, constantIn, integers };
})(JSON.parse(document.getElementById("catalogue").textContent));
window.boundcalc = boundcalc;
