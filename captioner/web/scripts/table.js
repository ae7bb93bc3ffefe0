// The table of many pictures: one row for each, filled as the captions come.

const board = element.querySelector(".board");
const progress = make("progress", { "aria-label": "Pictures captioned" });
const count = make("p", { class: "count", role: "status" });
const body = make("tbody", {});
const titles = ["Picture", "File", "Caption", "Mean confidence"];
const heads = titles.map((title) => make("th", { scope: "col" }, title));
const table = make("table", { "aria-label": "Captions" }, make("thead", {}, make("tr", {}, ...heads)), body);
const wide = make("div", {
  class: "wide", tabindex: 0, role: "group", "aria-label": "Captions",
}, table);
board.append(progress, count, wide);

function makeRow(row) {
  const picture = row.picture ? make("img", { src: row.picture, alt: "", width: 72 }) : "";
  const cells = row.error
    ? [make("td", { colspan: 2, class: "wrong" }, row.error)]
    : [make("td", {}, row.caption), make("td", { class: "number" }, row.percent)];
  return make("tr", {}, make("td", {}, picture), make("td", { class: "file" }, row.file), ...cells);
}

function show() {
  const value = props.value;
  board.hidden = !value;
  if (!value) return;
  board.dataset.state = value.done < value.total ? "busy" : "ready";
  progress.hidden = value.done === value.total;
  progress.max = value.total;
  progress.value = value.done;
  count.textContent = `${value.done} of ${value.total} done`;
  if (body.children.length > value.rows.length) body.replaceChildren();
  // Rows that are there stay: a table that is made anew would jump and lose what is selected.
  body.append(...value.rows.slice(body.children.length).map(makeRow));
}

watch("value", show);
show();
