/* Tables of the class "filterable" get a field: lines that lack one of its words are hidden. Without scripts
   the table is whole. No request leaves the page. */
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.filterable")) {
    const rows = [...table.querySelectorAll("tbody tr")];
    const label = document.createElement("label");
    const field = document.createElement("input");
    const told = document.createElement("output");
    label.className = "table-filter";
    label.append("Show lines with ", field, " ", told);
    field.type = "search";
    field.placeholder = "S3 gemma inconclusive";
    const show = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        count += !row.hidden;
      }
      told.textContent = `${count} of ${rows.length}`;
    };
    field.addEventListener("input", show);
    table.parentElement.insertBefore(label, table);
    show();
  }
});
