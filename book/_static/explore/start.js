/* Explorers of the page: controls, a chart and a reading that follows them. Nothing is asked of a server; what was
   measured comes with the page (data.js, made from results/ when the book is built). */
"use strict";
const Explore = (() => {
  const element = (tag, properties = {}, ...children) => {
    const e = Object.assign(document.createElement(tag), properties);
    e.append(...children);
    return e;
  };

  /* A slider over a list of values: arrows, touch and screen readers work as for any range. */
  const slider = (id, { values, shown = Chart.number }) => {
    const input = element("input", { type: "range", id, min: 0, max: values.length - 1, step: 1 });
    const told = element("output", {});
    told.htmlFor.add(id);
    const tell = () => {
      told.value = shown(values[input.value]);
      input.setAttribute("aria-valuetext", told.value);
    };
    return {
      input, told, tell,
      get: () => values[input.value],
      set: (wanted) => {
        const off = values.map((v) => Math.abs(v - wanted));
        input.value = off.indexOf(Math.min(...off));
        tell();
      },
    };
  };

  const choice = (id, { values }) => {
    const input = element("select", { id }, ...values.map((v) => element("option", { value: v, textContent: v })));
    const set = (wanted) => { if (values.includes(wanted)) input.value = wanted; };
    return { input, told: "", tell: () => {}, get: () => input.value, set };
  };

  const table = ({ turned, ...given }) => {
    const turn = ([first, ...others]) => first.map((cell, i) => [cell, ...others.map((one) => one[i])]);
    const [head, ...rows] = turned ? turn([given.head, ...given.rows]) : [given.head, ...given.rows];
    const line = (cells, tag) => element("tr", {}, ...cells.map((c, i) => {
      const cell = element(i ? tag : "th", { textContent: c });
      if (tag === "th" || !i) cell.scope = tag === "th" ? "col" : "row";
      return cell;
    }));
    const whole = element("table", { className: "explorer-table" }, element("thead", {}, line(head, "th")),
      element("tbody", {}, ...rows.map((r) => line(r, "td"))));
    return element("div", { className: "explorer-scroll", tabIndex: 0 }, whole);
  };

  /* Fill a box with an explorer: {controls: values -> {name: spec}, read: (values, moved) -> {set, say, table, charts}}. */
  const start = (box, explorer, first) => {
    const form = element("div", { className: "explorer-controls" }), charts = element("div", { className: "explorer-charts" });
    const say = element("p", { className: "explorer-reading" }), under = element("div", {});
    say.setAttribute("aria-live", "polite");
    box.replaceChildren(form, charts, say, under);
    let controls = {}, values = { ...first };
    const build = () => {
      const specs = explorer.controls(values);
      const there = JSON.stringify(specs);
      if (form.dataset.specs === there) return;
      form.dataset.specs = there;
      const focused = document.activeElement?.id;
      controls = {};
      form.replaceChildren(...Object.entries(specs).map(([name, spec]) => {
        const id = `${box.id}-${name}`;
        const control = (controls[name] = (typeof spec.values[0] === "number" ? slider : choice)(id, spec));
        if (values[name] !== undefined) control.set(values[name]);
        control.tell();
        control.input.addEventListener("input", () => { control.tell(); update(name); });
        return element("div", {}, element("label", { htmlFor: id, textContent: spec.label }), control.input, control.told);
      }));
      if (focused) document.getElementById(focused)?.focus();
    };
    let shown = [];
    const paint = () => {
      const width = Math.max(260, Math.min(charts.clientWidth, 700));
      charts.replaceChildren(...shown.flatMap((c) => [Chart.draw(c, width), Chart.legend(c.marks)]));
    };
    const take = () => { for (const [name, c] of Object.entries(controls)) values[name] = c.get(); };
    const update = (moved) => {
      take();
      build();
      take();
      const found = explorer.read(values, moved);
      for (const [name, wanted] of Object.entries(found.set ?? {})) controls[name].set(wanted);
      take();
      shown = found.charts;
      say.textContent = found.say;
      under.replaceChildren(...(found.table ? [table(found.table)] : []));
      paint();
    };
    build();
    update("");
    let before = charts.clientWidth;
    new ResizeObserver(() => {
      if (charts.clientWidth !== before) { before = charts.clientWidth; paint(); }
    }).observe(charts);
  };

  const explorers = {};
  document.addEventListener("DOMContentLoaded", () => {
    for (const box of document.querySelectorAll(".explorer")) {
      const name = box.dataset.explorer, made = window.EXPLORE ?? {};
      if (!made.first?.[name]) box.textContent = "There is nothing to show here: no observation of it counts in this book.";
      else start(box, explorers[name](made), made.first[name]);
    }
  });
  return explorers;
})();
