/* The search page: chapters stand before the pages of the library, and a book that is read from disk shows
   excerpts too. Sphinx's own script does all else. */
(() => {
  const first = [
    [/^book\/chapters\/\d\w*s_/, 30], // supplements
    [/^book\/chapters\/\d\w*x_/, 25], // exercises
    [/^book\/chapters\//, 35],
    [/^book\/api\//, 0],
  ];
  const rank = ([name, , , , score]) => score + (first.find(([pattern]) => pattern.test(name)) ?? [0, 10])[1];
  document.addEventListener("DOMContentLoaded", () => {
    if (typeof Scorer !== "undefined") Scorer.score = rank;
  });
  if (window.location.protocol !== "file:") return;
  let texts; // asked for once, with the first excerpt
  const loaded = () =>
    (texts ??= new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = document.documentElement.dataset.content_root + "_static/search_texts.js";
      script.onload = () => resolve(window.SEARCH_TEXTS);
      script.onerror = () => resolve({});
      document.head.append(script);
    }));
  const fetched = window.fetch;
  window.fetch = async (address, ...rest) => {
    const here = String(address);
    const page = /^(?!\w+:)(.*)\.html(#.*)?$/.exec(here)?.[1].replace(/^(\.{1,2}\/)+/, "");
    const known = page === undefined ? {} : await loaded();
    if (!(page in known)) return fetched(address, ...rest);
    return new Response(`<div role="main">${known[page]}</div>`);
  };
})();
