/* Explorers of laws: best of N, density against mass, the nulls of a capture. */
"use strict";
(() => {
  const say = Chart.number;
  const decades = (low, high, of = [1, 2, 5]) => {
    const found = [];
    for (let p = low; p < high; p++) for (const m of of) found.push(Number((m * 10 ** p).toPrecision(6)));
    return [...found, 10 ** high];
  };
  const fine = (low, high) => Array.from({ length: (high - low) * 10 + 1 }, (_, i) => Number((10 ** (low + i / 10)).toPrecision(3)));
  const over = (min, max, f, count = 80) => Array.from({ length: count + 1 }, (_, i) => {
    const x = min * (max / min) ** (i / count);
    return [x, f(x)];
  });
  const draws = { label: "N, candidates", values: Array.from({ length: 21 }, (_, i) => 2 ** i) };

  Explore["best-of-n"] = () => ({
    controls: () => ({
      d: { label: "d, dimension", values: decades(0, 9) },
      n: draws,
      sigma: { label: "σ, noise per coordinate", values: fine(-6, 1) },
      c: { label: "c, mean curvature", values: [0, ...decades(-6, 1)] },
    }),
    read: ({ d, n, sigma, c }) => {
      const trace = d * c, m = Laws.expectedMaximum(n);
      const linear = (s) => Laws.bestOfN(s, 1, n), net = (s) => Laws.winnerGain(s, 1, trace, c, n);
      const best = c > 0 && n > 1 ? Laws.optimalSigma(1, trace, c, n) : null;
      const [min, max] = best ? [Math.min(best / 100, sigma), Math.max(best * 10, sigma)] : [sigma / 100, sigma * 10];
      const top = best ? 1.6 * Laws.optimalGain(1, trace, c, n) : Math.max(linear(sigma) * 2, 1e-9);
      const low = n > 1 ? (c > 0 ? -top / 2 : 0) : Math.min(1.3 * net(sigma), -1e-12);
      const here = Math.min(Math.max(net(sigma), low), top);
      const marks = [
        { kind: "line", style: "law", name: "without curvature: σ‖a‖ m_N (Theorem 1)", points: over(min, max, linear) },
        { kind: "line", style: "one", name: "with curvature c", points: over(min, max, net) },
        { kind: "dots", style: "one", points: [[sigma, here]], name: "the chosen σ" },
      ];
      if (best) marks.push({ kind: "dots", style: "two", points: [[best, net(best)]], name: "the best σ" });
      const told = best ? ` The best scale is σ* = ${say(best)}, with a gain of ${say(net(best))}.` :
        c > 0 ? " A single candidate only pays for curvature." : " Without curvature there is no best σ.";
      return {
        say: `m_N = ${say(m)}, at most √(2 ln N) = ${say(Laws.maximumBound(n))}. At σ = ${say(sigma)} the gain without ` +
          `curvature is ${say(linear(sigma))}, for every d. With tr(H) = d c = ${say(trace)} it is ${say(net(sigma))}.${told}`,
        charts: [{
          label: "Mean gain of the best of N against the noise scale, without and with curvature", marks,
          x: { label: "σ", log: true, min, max }, y: { label: "mean gain, in ‖a‖", min: low, max: top },
        }],
      };
    },
  });

  Explore["density"] = () => ({
    controls: () => ({
      ka: { label: "k of A", values: decades(0, 6) },
      massa: { label: "mass of A", values: fine(-4, 0) },
      kb: { label: "k of B", values: decades(0, 6) },
      massb: { label: "mass of B", values: fine(-4, 0) },
      n: draws,
    }),
    read: ({ ka, massa, kb, massb, n }) => {
      const gain = (mass, k) => Laws.sphereGain(1, Math.sqrt(mass), k, n);
      const free = (mass) => Laws.bestOfN(1, Math.sqrt(mass), n);
      const row = (name, k, mass) => [name, ...[k, mass, mass / k, gain(mass, k), free(mass)].map(say)];
      const more = (a, b) => (Math.abs(a - b) <= 1e-9 * Math.abs(a) ? "neither is ahead" : a > b ? "A is ahead" : "B is ahead");
      const curve = (mass) => over(1, 1e6, (k) => gain(mass, Math.max(1, Math.round(k))), 40);
      return {
        say: `At one norm ρ of all candidates ${more(gain(massa, ka), gain(massb, kb))} (density: ${more(massa / ka, massb / kb)}). ` +
          `At one σ per coordinate ${more(free(massa), free(massb))} (mass: ${more(massa, massb)}).`,
        table: { turned: true, head: ["subspace", "k", "mass", "density", "gain / (ρ‖a‖)", "gain / (σ‖a‖)"],
          rows: [row("A", ka, massa), row("B", kb, massb)] },
        charts: [{
          label: "Mean gain at a fixed norm against the dimension of the subspace, for the masses of A and B",
          x: { label: "k", log: true, min: 1, max: 1e6 },
          y: { label: "gain / (ρ‖a‖)", log: true, min: 1e-5, max: 1 },
          marks: [
            { kind: "line", style: "one", name: "mass of A", points: curve(massa) },
            { kind: "line", style: "two dashed", name: "mass of B", points: curve(massb) },
            { kind: "dots", style: "one", name: "A", points: [[ka, gain(massa, ka)]] },
            { kind: "dots", style: "two", name: "B", points: [[kb, gain(massb, kb)]] },
          ],
        }],
      };
    },
  });

  Explore["capture"] = () => ({
    controls: ({ d, t }) => ({
      d: { label: "d, dimension", values: decades(1, 9) },
      t: { label: "T, steps of the run", values: decades(0, 4, [1, 1.5, 2, 2.5, 3, 4, 5, 7]).filter((v) => v >= 2 && v % 1 === 0) },
      k: { label: "k, steps of the prefix", values: decades(0, 3).filter((v) => v < Math.min(d, t)) },
      share: { label: "energy share of the prefix", values: Array.from({ length: 101 }, (_, i) => i / 100) },
      observed: { label: "capture observed", values: fine(-6, 0) },
    }),
    read: ({ d, k, t, share, observed }) => {
      const low = Laws.captureQuantile(0.025, k, d), high = Laws.captureQuantile(0.975, k, d);
      const equal = Laws.randomWalkCapture(k, t, d), lengths = Laws.walkOfShare(share, k / d);
      const p = Laws.capturePValue(observed, k, d);
      const told = (name, v) => `${name} ${say(v)} (observed: ${say(observed / v)} times as much)`;
      const min = Math.min(low / 3, observed / 3);
      return {
        say: `A random ${k}-dimensional subspace captures k/d = ${say(k / d)} on average, 95 % range ${say(low)} to ${say(high)}; ` +
          `by chance at least ${say(observed)} with probability ${p < 1e-300 ? "below 10⁻³⁰⁰" : say(p)}. The first ${k} of ${t} steps of an isotropic random walk capture ` +
          `${told("with equal steps", equal)}, ${told("with steps of this energy share", lengths)}.`,
        charts: [{
          label: "Share of random subspaces that capture at least so much, with the captures of random walks and the observed one",
          x: { label: "capture", log: true, min, max: 1 }, y: { label: "share with at least this", min: 0, max: 1 },
          marks: [
            { kind: "line", style: "null", name: "random subspaces", points: over(min, 1, (x) => Laws.captureTails(x, k, d).above, 160) },
            { kind: "rule", style: "null dashed", name: "random walk, equal steps", x: equal },
            { kind: "rule", style: "two dotted", name: "random walk, steps of this energy share", x: Math.max(lengths, min) },
            { kind: "rule", style: "one", name: "observed", x: observed },
          ],
        }],
      };
    },
  });
})();
