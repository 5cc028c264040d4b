/* A formula that is wider than its column scrolls, so it must be reached by keyboard; all others are no tab stop. */
window.addEventListener("load", async () => {
  for (let tries = 0; tries < 600 && !window.MathJax?.startup?.promise; tries += 1) {
    await new Promise((later) => setTimeout(later, 50)); // the script may come later than the page
  }
  await window.MathJax?.startup?.promise;
  const mark = () => {
    for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
      if (formula.scrollWidth > formula.clientWidth + 1 && formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
  };
  mark();
  window.addEventListener("resize", mark);
});
