/* Folded tables in a div of the class "filterable" get a field: rows that lack one of its words are hidden, and
   what is left is unfolded. Without scripts the tables unfold by hand. No request leaves the page. */
document.addEventListener("DOMContentLoaded", () => {
  for (const whole of document.querySelectorAll("div.filterable")) {
    const parts = [...whole.querySelectorAll(":scope > details")].map((fold) => ({
      fold,
      rows: [...fold.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]),
    }));
    const label = document.createElement("label");
    const field = document.createElement("input");
    const told = document.createElement("output");
    label.className = "table-filter";
    label.append("Show rows with ", field, " ", told);
    field.type = "search";
    field.placeholder = "S3 gemma inconclusive";
    const show = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let [count, all] = [0, 0];
      for (const { fold, rows } of parts) {
        let here = 0;
        for (const [row, text] of rows) {
          row.hidden = !words.every((word) => text.includes(word));
          here += !row.hidden;
        }
        fold.open = words.length > 0 && here > 0;
        fold.hidden = here === 0;
        count += here;
        all += rows.length;
      }
      told.textContent = `${count} of ${all}`;
    };
    field.addEventListener("input", show);
    whole.prepend(label);
    show();
  }
});
