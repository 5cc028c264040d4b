/* A formula that is wider than its column scrolls, so it must be reached by keyboard; all others are no tab stop. */
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const mark = () => {
    for (const formula of document.querySelectorAll("mjx-container")) {
      if (formula.scrollWidth > formula.clientWidth + 1 && formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
  };
  mark();
  window.addEventListener("resize", mark);
});
