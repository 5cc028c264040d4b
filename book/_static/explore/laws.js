/* Laws and nulls of lglib.theory, for a page that has no server. A test holds each of them beside lglib's. */
"use strict";
const Laws = (() => {
  const POINTS = 2000;

  /* Mean and mean square of the largest of n draws of a law that is symmetric about 0. values: x >= 0, at even
     steps of the variable of integration; density: at these steps, up to a factor. */
  const largest = (values, density, n) => {
    const last = density.length - 1;
    const total = 2 * density.reduce((sum, g) => sum + g, 0) - density[0];
    let beyond = 0, mean = 0, square = 0;
    for (let i = last; i > 0; i--) {
      const w = density[i] / total;
      const slope = ((density[i + 1] ?? 0) - density[i - 1]) / total / 24; // Euler-Maclaurin: the rule's h^2 term
      const tail = Math.max(beyond + w / 2 + slope, 0); // P(X > x)
      const above = Math.exp((n - 1) * Math.log1p(-tail)), below = tail ** (n - 1);
      mean += n * w * values[i] * (above - below);
      square += n * w * values[i] ** 2 * (above + below);
      beyond += w;
    }
    return { mean, square };
  };

  const steps = (top) => Array.from({ length: POINTS }, (_, i) => (top * i) / (POINTS - 1));
  const kept = new Map();
  const once = (key, make) => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  };
  const normal = (n) => once(`normal ${n}`, () => {
    const x = steps(14);
    return largest(x, x.map((v) => Math.exp(-v * v / 2)), n);
  });

  /* m_N and q_N: mean and mean square of the largest of n standard normals. */
  const expectedMaximum = (n) => normal(n).mean;
  const maximumSecondMoment = (n) => normal(n).square;
  const maximumBound = (n) => Math.sqrt(2 * Math.log(n));

  /* E max of the cosines of n random directions in R^d to a fixed one; cos = tanh(u), density sech(u)^(d-1). */
  const expectedMaximumCosine = (n, d) => once(`cosine ${n} ${d}`, () => {
    if (d === 1) return 1 - 2 ** (1 - n);
    const b = d - 1;
    const u = steps(90 / b + Math.log1p(Math.sqrt(-Math.expm1(-180 / b))));
    return largest(u.map(Math.tanh), u.map((v) => Math.exp(-b / 2 * Math.log1p(Math.sinh(v) ** 2))), n).mean;
  });

  const bestOfN = (sigma, norm, n) => sigma * norm * expectedMaximum(n);
  const sphereGain = (rho, norm, d, n) => rho * norm * expectedMaximumCosine(n, d);
  const cost = (trace, along, n) => trace + along * (maximumSecondMoment(n) - 1); // tau_N
  const winnerGain = (sigma, norm, trace, along, n) =>
    bestOfN(sigma, norm, n) - sigma ** 2 * cost(trace, along, n) / 2;
  const optimalSigma = (norm, trace, along, n) => norm * expectedMaximum(n) / cost(trace, along, n);
  const optimalGain = (norm, trace, along, n) => (norm * expectedMaximum(n)) ** 2 / (2 * cost(trace, along, n));

  /* log B(a, b), without the difference of two large logarithms. */
  const stirling = (x) => (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * x * x)) / (x * x)) / (x * x)) / x;
  const logGamma = (x) => {
    let shift = 0;
    for (; x < 10; x++) shift += Math.log(x);
    return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + stirling(x) - shift;
  };
  const logBeta = (a, b) => {
    const [p, q] = a < b ? [a, b] : [b, a];
    if (q < 10) return logGamma(p) + logGamma(q) - logGamma(p + q);
    const ratio = stirling(q) - stirling(p + q) - (q - 0.5) * Math.log1p(p / q) - p * Math.log(p + q) + p;
    return logGamma(p) + ratio;
  };

  /* The continued fraction of the incomplete beta function, by Lentz's method (Numerical Recipes, 6.4). */
  const fraction = (x, a, b) => {
    const tiny = 1e-300, safe = (v) => (Math.abs(v) < tiny ? tiny : v);
    let c = 1, d = 1 / safe(1 - (a + b) * x / (a + 1)), found = d;
    for (let m = 1; m < 1e6; m++) {
      const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
      const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
      let change = 1;
      for (const term of [even, odd]) {
        d = 1 / safe(1 + term * d);
        c = safe(1 + term / c);
        change = d * c;
        found *= change;
      }
      if (Math.abs(change - 1) < 1e-15) return found;
    }
    throw new Error(`the incomplete beta function did not converge at ${x}, ${a}, ${b}`);
  };

  /* P(X <= x) and P(X > x) for X ~ Beta(a, b). */
  const betaTails = (x, a, b) => {
    if (x <= 0) return { below: 0, above: 1 };
    if (x >= 1) return { below: 1, above: 0 };
    const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b));
    if (x < (a + 1) / (a + b + 2)) {
      const below = front * fraction(x, a, b) / a;
      return { below, above: 1 - below };
    }
    const above = front * fraction(1 - x, b, a) / b;
    return { below: 1 - above, above };
  };

  /* The capture of a fixed vector by a random k-dimensional subspace of R^d: Beta(k/2, (d-k)/2). */
  const captureTails = (x, k, d) => betaTails(x, k / 2, (d - k) / 2);
  const capturePValue = (capture, k, d) => captureTails(capture, k, d).above;
  const captureQuantile = (p, k, d) => {
    let [low, high] = [-700, 0]; // of log x
    for (let i = 0; i < 70; i++) {
      const middle = (low + high) / 2, { below, above } = captureTails(Math.exp(middle), k, d);
      if (p < 0.5 ? below < p : above > 1 - p) low = middle;
      else high = middle;
    }
    return Math.exp((low + high) / 2);
  };

  /* What a walk without direction captures of itself: the prefix's share of the energy, and k/d of the rest. */
  const walkOfShare = (share, kOverD) => share + (1 - share) * kOverD;
  const randomWalkCapture = (k, t, d) => walkOfShare(k / t, k / d);

  return {
    bestOfN, capturePValue, captureQuantile, captureTails, expectedMaximum, expectedMaximumCosine, maximumBound,
    maximumSecondMoment, optimalGain, optimalSigma, randomWalkCapture, sphereGain, walkOfShare, winnerGain,
  };
})();
