/* A chart as SVG: lines, dots, intervals and rules on linear or logarithmic axes. Colours come from custom.css,
   so that it follows the theme; what a mark means stands in a legend of text. */
"use strict";
const Chart = (() => {
  const make = (tag, attributes = {}, ...children) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    e.append(...children);
    return e;
  };

  /* A number in four digits at most, as the readings say it. */
  const number = (v) => {
    if (v === 0) return "0";
    const size = Math.abs(v);
    if (size >= 1e-3 && size < 1e5) return String(Number(v.toPrecision(4))).replace("-", "−");
    const [mantissa, power] = v.toExponential(2).split("e");
    const raised = [...String(Number(power))].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
    const front = String(Number(mantissa)).replace("-", "−");
    return front === "1" ? `10${raised}` : `${front}·10${raised}`;
  };

  const ticks = ({ log, min, max, at }) => {
    if (at) return at;
    if (log) {
      const [low, high] = [Math.ceil(Math.log10(min) - 1e-9), Math.floor(Math.log10(max) + 1e-9)];
      const every = Math.max(1, Math.ceil((high - low) / 5));
      return Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, i) => 10 ** (low + i * every));
    }
    const raw = (max - min) / 5, unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find((m) => m * unit >= raw) * unit;
    const first = Math.ceil(min / step - 1e-9);
    const count = Math.floor(max / step + 1e-9) - first + 1;
    return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  };

  const scale = ({ log, min, max }, from, to) => {
    const f = log ? Math.log : (v) => v;
    return (v) => from + (to - from) * (f(v) - f(min)) / (f(max) - f(min));
  };

  const swatch = (mark) => {
    const icon = make("svg", { width: 28, height: 12, "aria-hidden": "true", class: "explorer-swatch" });
    if (mark.kind === "dots") icon.append(make("circle", { cx: 14, cy: 6, r: 4, class: `mark dot ${mark.style}` }));
    else icon.append(make("line", { x1: 1, x2: 27, y1: 6, y2: 6, class: `mark line ${mark.style}` }));
    return icon;
  };

  const legend = (marks) => {
    const list = document.createElement("ul");
    list.className = "explorer-legend";
    for (const mark of marks.filter((m) => m.name)) {
      const item = document.createElement("li");
      item.append(swatch(mark), " ", mark.name);
      list.append(item);
    }
    return list;
  };

  /* {label, x, y, marks}: axes {label, log, min, max, at}; marks {kind, style, name, points | x}. */
  const draw = ({ label, x, y, marks }, width) => {
    const height = Math.min(320, Math.max(230, width * 0.6)), left = 58, right = width - 12, top = 12, foot = height - 44;
    const [px, py] = [scale(x, left, right), scale(y, foot, top)];
    const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    const id = `clip-${(draw.count = (draw.count ?? 0) + 1)}`;
    const inside = make("g", { "clip-path": `url(#${id})` });
    const clip = make("rect", { x: left, y: top - 6, width: right - left + 8, height: foot - top + 12 });
    svg.append(make("defs", {}, make("clipPath", { id }, clip)));
    for (const v of ticks(x)) {
      svg.append(make("line", { x1: px(v), x2: px(v), y1: foot, y2: foot + 5, class: "axis" }));
      svg.append(make("text", { x: px(v), y: foot + 18, "text-anchor": "middle" }, number(v)));
    }
    for (const v of ticks(y)) {
      svg.append(make("line", { x1: left, x2: right, y1: py(v), y2: py(v), class: "grid" }));
      svg.append(make("text", { x: left - 6, y: py(v) + 4, "text-anchor": "end" }, number(v)));
    }
    svg.append(make("line", { x1: left, x2: right, y1: foot, y2: foot, class: "axis" }));
    svg.append(make("text", { x: (left + right) / 2, y: height - 8, "text-anchor": "middle" }, x.label));
    const turned = `translate(13 ${(top + foot) / 2}) rotate(-90)`;
    svg.append(make("text", { transform: turned, "text-anchor": "middle" }, y.label));
    const far = (v) => Math.min(Math.max(v, -1e4), 1e4); // an SVG coordinate that browsers draw
    for (const { kind, style, points, x: at } of marks) {
      if (kind === "line") {
        const path = points.map(([a, b]) => `${px(a).toFixed(1)},${far(py(b)).toFixed(1)}`).join(" ");
        inside.append(make("polyline", { points: path, fill: "none", class: `mark line ${style}` }));
      } else if (kind === "dots") {
        for (const [a, b, small] of points)
          inside.append(make("circle", { cx: px(a), cy: far(py(b)), r: small ? 2 : 4.5, class: `mark dot ${style}` }));
      } else if (kind === "bars") {
        for (const [a, low, high] of points)
          inside.append(make("line", { x1: px(a), x2: px(a), y1: far(py(low)), y2: far(py(high)), class: `mark bar ${style}` }));
      } else inside.append(make("line", { x1: px(at), x2: px(at), y1: top, y2: foot, class: `mark line ${style}` }));
    }
    svg.append(inside);
    return svg;
  };

  return { draw, legend, number };
})();
