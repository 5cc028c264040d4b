/* Explorers of what was measured: the captures of a recovery, and dose and response of steering. A cell of data.js is
   [mean, low, high, null, values of the seeds]; the interval is that of lglib.report over seeds, 95 %. */
"use strict";
(() => {
  const say = Chart.number;
  const different = (list) => [...new Set(list)];
  const told = ([mean, low, high, , seeds]) =>
    seeds.length > 1 ? `${say(mean)} [${say(low)}, ${say(high)}]` : `${say(mean)} (one seed)`;
  const whole = (cell, unit = "") => cell[4].length > 1 ?
    `${told(cell)}${unit} (mean and 95 % interval, n = ${cell[4].length} seeds)` :
    `${say(cell[0])}${unit} (n = 1 seed, so no interval)`;
  const marks = (points, style, name) => [
    { kind: "line", style, name, points: points.map(([x, c]) => [x, c[0]]) },
    { kind: "bars", style, points: points.filter(([, c]) => c[4].length > 1).map(([x, c]) => [x, c[1], c[2]]) },
    { kind: "dots", style, points: points.flatMap(([x, c]) => c[4].map((v) => [x, v, true])) },
  ];
  const within = (...values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)], room = (high - low || 1) * 0.06;
    return { min: low - room, max: high + room };
  };

  Explore["recovery"] = ({ recovery }) => {
    const rows = recovery.rows;
    const of = (v) => rows.filter((r) => r.model === v.model && r.pair === v.pair && r.optimiser === v.optimiser);
    const sorted = (list) => different(list).sort((a, b) => a - b);
    return {
      controls: (v) => {
        const models = different(rows.map((r) => r.model));
        const model = models.includes(v.model) ? v.model : models[0];
        return {
          model: { label: "model", values: models },
          pair: { label: "task pair", values: different(rows.filter((r) => r.model === model).map((r) => r.pair)) },
          optimiser: { label: "optimiser", values: different(rows.map((r) => r.optimiser)) },
          k: { label: "k, steps of the prefix", values: sorted(rows.map((r) => r.k)) },
          T: { label: "T, steps of the recovery", values: sorted(rows.map((r) => r.T)) },
        };
      },
      read: (v, moved) => {
        const own = of(v), there = own.find((r) => r.k === v.k && r.T === v.T);
        // Not every k was measured at every T: the slider that was not moved goes to the nearest T or k that was.
        const near = (list, name) => list.reduce((a, b) => (Math.abs(b[name] - v[name]) < Math.abs(a[name] - v[name]) ? b : a));
        const row = there ?? (moved === "T" ? near(own.filter((r) => r.T === v.T), "k") : near(own.filter((r) => r.k === v.k), "T"));
        const c = row.cells, equal = row.k / row.T, kOverD = c.prefix[3];
        const walk = (r) => Laws.walkOfShare(r.cells["energy share"][0], r.cells.prefix[3]);
        const plain = (r) => Laws.walkOfShare(r.k / r.T, r.cells.prefix[3]);
        const chart = (name, other) => {
          const line = own.filter((r) => r[other] === row[other]).sort((a, b) => a[name] - b[name]);
          const cells = (basis) => line.filter((r) => r.cells[basis]).map((r) => [r[name], r.cells[basis]]);
          const at = line.map((r) => r[name]);
          return {
            label: `Capture against ${name}, at ${other} = ${row[other]}: prefix, static plane, energy share and nulls`,
            x: { label: `${name} (${other} = ${row[other]})`, ...(at.length > 1 ? within(...at) : { min: at[0] - 1, max: at[0] + 1 }), at },
            y: { label: "share of the squared norm", min: 0, max: 1 },
            marks: [
              ...marks(cells("prefix"), "one", "capture by the prefix"),
              ...marks(cells("static"), "three dotted", "capture by the static plane"),
              { kind: "line", style: "null", name: "energy share, and k/d of the rest: random walk with these lengths", points: line.map((r) => [r[name], walk(r)]) },
              { kind: "line", style: "null dashed", name: "random walk with equal steps", points: line.map((r) => [r[name], plain(r)]) },
              { kind: "dots", style: "one", name: "the chosen run", points: [[row[name], c.prefix[0]]] },
            ],
          };
        };
        const moot = there ? "" : `k = ${v.k} at T = ${v.T} was not measured; shown is k = ${row.k} at T = ${row.T}. `;
        return {
          set: { k: row.k, T: row.T },
          say: `${moot}The first ${row.k} of ${row.T} updates capture this share of the recovery: ${whole(c.prefix)}. ` +
            `An isotropic random walk with steps of these lengths gives ${say(walk(row))}, with equal steps ${say(plain(row))}, a random subspace ${say(kOverD)}.`,
          table: {
            head: ["measure", "mean [95 %]", "null", "each seed"],
            rows: [
              ["capture by the prefix", told(c.prefix), `${say(kOverD)} (random subspace)`, c.prefix[4].map(say).join(", ")],
              ...(c["still to come"] ? [["capture of what is still to come", told(c["still to come"]), `${say(c["still to come"][3])} (random subspace)`, c["still to come"][4].map(say).join(", ")]] : []),
              ["energy share of the prefix", told(c["energy share"]), `${say(equal)} (equal lengths)`, c["energy share"][4].map(say).join(", ")],
              ...(c.static ? [["capture by the static plane", told(c.static), `${say(c.static[3])} (random subspace)`, c.static[4].map(say).join(", ")]] : []),
            ],
          },
          charts: [chart("k", "T"), chart("T", "k")].filter((one) => one.x.at.length > 1),
        };
      },
    };
  };

  Explore["dose"] = ({ dose }) => {
    const rows = dose.rows, names = ["model", "task", "measure", "depth", "vector"];
    const labels = { model: "model", task: "task", measure: "measure", depth: "depth, share of the blocks", vector: "vector" };
    const left = (v, until) => rows.filter((r) => names.slice(0, until).every((name) => r[name] === v[name]));
    return {
      // What can be chosen depends on what stands above it: each list holds what was measured.
      controls: (v) => {
        const specs = {}, kept = {};
        names.forEach((name, i) => {
          const values = different(left(kept, i).map((r) => r[name]));
          kept[name] = values.includes(v[name]) ? v[name] : values[0];
          specs[name] = { label: labels[name], values };
        });
        const xs = left(kept, names.length)[0].x;
        return { ...specs, multiplier: { label: "multiplier", values: xs } };
      },
      read: (v) => {
        const row = left(v, names.length)[0], i = row.x.indexOf(v.multiplier), cell = row.cells[i];
        const chance = left(v, 4).find((r) => r.vector === "random direction");
        const points = (r) => r.x.map((x, j) => [x, r.cells[j]]);
        const shown = [...points(row), ...(chance ? points(chance) : [])].flatMap(([, c]) => [c[0], c[1], c[2], c[3], ...c[4]]);
        const share = row.measure.startsWith("P(");
        const nulls = row.x.map((x, j) => [x, row.cells[j][3]]);
        return {
          say: `At multiplier ${say(v.multiplier)}, ${row.measure} is ${whole(cell, row.unit === "1" ? "" : ` ${row.unit}`)}. ` +
            `Null (${row.null}): ${say(cell[3])}.` + (chance && chance !== row ? ` A random direction of this length: ${told(chance.cells[i])}.` : ""),
          table: { turned: true, head: ["multiplier", ...row.x.map(say)],
            rows: [["mean", ...row.cells.map((c) => say(c[0]))], ["low", ...row.cells.map((c) => say(c[1]))], ["high", ...row.cells.map((c) => say(c[2]))],
              ["null", ...row.cells.map((c) => say(c[3]))]] },
          charts: [{
            label: `${row.measure} against the multiplier of the steering vector, with a random direction and the null`,
            x: { label: "multiplier, in mean distances of the activation", ...within(...row.x), at: row.x.filter((x) => Number.isInteger(x)) },
            y: { label: row.unit === "1" ? row.measure : `${row.measure}, ${row.unit}`, ...(share ? { min: 0, max: 1 } : within(...shown)) },
            marks: [
              { kind: "line", style: "null", name: `null: ${row.null}`, points: nulls },
              ...(chance && chance !== row ? marks(points(chance), "two dashed", "a random direction") : []),
              ...marks(points(row), "one", row.vector),
              { kind: "dots", style: "one", name: "the chosen multiplier", points: [[v.multiplier, cell[0]]] },
            ],
          }],
        };
      },
    };
  };
})();
