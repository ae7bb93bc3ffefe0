// "The numbers": what the model really computed for one word; and the maps of its heads.

const CELLS_SHOWN = 6; // the brightest ones
const SETTLED = 250; // milliseconds that a word must stay chosen before its numbers are asked for

function makeNumbers(panel) {
  const { fold, body } = makeFold("The numbers", "numbers", () => {
    if (!shown) run();
  });
  let shown = null; // the word that the numbers are of
  let running = false;
  let timer;
  // While it plays, the next word would be there before the answer.
  const wanted = () =>
    fold.open && !panel.view.playing() ? (panel.caption.words[panel.pinned] ?? null) : null;
  async function run() {
    if (running) return; // it goes on to the newest word itself
    running = true;
    for (let word = wanted(); word && word !== shown; word = wanted()) {
      body.replaceChildren(make("p", { class: "working" }, "working …"));
      const answer = await panel.view.ask("numbers", panel, {});
      if (word !== wanted()) continue;
      body.replaceChildren(...(answer ? explainNumbers(answer) : []));
      if (!answer) break; // the notice says why; opening it again asks again
      shown = word;
    }
    running = false;
    if (!wanted()) body.replaceChildren();
  }
  return {
    node: fold,
    pinned() {
      const word = panel.caption.words[panel.pinned];
      fold.hidden = !word;
      if (word === shown) return;
      // Numbers of one word under another would be wrong.
      shown = null;
      body.replaceChildren();
      clearTimeout(timer);
      timer = setTimeout(run, SETTLED);
    },
  };
}

function explainNumbers(answer) {
  const said = ["<start>", ...answer.before].join(" ");
  const rows = make("tbody", {});
  const heads = answer.energies.map((_, head) => make("option", { value: head }, `Head ${head + 1}`));
  const select = make("select", { "aria-label": "Head" }, ...heads);
  const fill = () =>
    rows.replaceChildren(
      ...cellRows(answer.energies[select.value], answer.shares[select.value], answer.columns),
    );
  select.addEventListener("change", fill);
  fill();
  const parts = answer.vectors[0].values;
  return [
    make("h3", {}, `The word “${answer.word}”`),
    make("p", {}, `After “${said}” the model asks every cell of the picture: how well do you suit `,
      "what I want to know now? The answers are energies; e to the power of each, divided by the ",
      "sum of all, is the attention (softmax)."),
    ...(heads.length > 1 ? [select] : []),
    makeTable(["Cell (row, column)", "Energy", "Attention"], rows, "Energies and attention of the cells"),
    make("p", {}, `${answer.sum} A cell holds ${answer.size} numbers; these are the first:`),
    makeTable(["", ...parts.map((_, i) => `${i + 1}`)],
      make("tbody", {}, ...answer.vectors.map(({ name, values }) => vectorRow(name, values))),
      "What is in the cells, and their sum"),
    ...(answer.gate ? [make("p", {}, answer.gate)] : []),
    make("p", {}, "From this sum and the words before come the likeliest next words:"),
    makeTable(["Word", "Probability"],
      make("tbody", {}, ...answer.likeliest.map((word) => barRow(word.text, word.percent, word.probability))),
      "The likeliest next words"),
  ];
}

function makeTable(titles, rows, name) {
  const heads = titles.map((title) => make(title ? "th" : "td", title ? { scope: "col" } : {}, title));
  const table = make("table", { "aria-label": name }, make("thead", {}, make("tr", {}, ...heads)), rows);
  return make("div", { class: "wide", tabindex: 0, role: "group", "aria-label": name }, table);
}

// The cells with most attention, and the others together.
function cellRows(energies, shares, columns) {
  const order = shares.map((_, cell) => cell).sort((one, other) => shares[other] - shares[one]);
  const top = order.slice(0, CELLS_SHOWN);
  // Rounded shares may add up to more than all.
  const rest = Math.max(0, 1 - top.reduce((sum, cell) => sum + shares[cell], 0));
  const rows = top.map((cell) => {
    const place = `(${Math.floor(cell / columns) + 1}, ${(cell % columns) + 1})`;
    return barRow(place, percent(shares[cell]), shares[cell], energies[cell].toFixed(2));
  });
  const left = order.length - top.length;
  return left ? [...rows, barRow(`the other ${left}`, percent(rest), rest, "")] : rows;
}

function barRow(name, said, share, ...between) {
  const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span", {}));
  bar.firstChild.style.width = `${100 * share}%`;
  return make("tr", {}, make("th", { scope: "row" }, name),
    ...between.map((text) => make("td", { class: "number" }, text)),
    make("td", { class: "number measured" }, said, bar));
}

function vectorRow(name, values) {
  const numbers = values.map((value) => value.toFixed(2));
  return make("tr", {}, make("th", { scope: "row" }, name),
    ...numbers.map((number) => make("td", { class: "number" }, number)));
}

// One small map for each head of each layer, where the attention has several.
function makeHeads(panel) {
  const { fold, body } = makeFold("Its heads, one by one", "heads", draw);
  function draw() {
    const { heads } = panel.caption;
    fold.hidden = !heads;
    if (!heads || !fold.open) return;
    const size = sheetPlan(0, panel.view.value.size, 120).size;
    const pixels = pixelsOf(panel.view.picture, size);
    const maps = bytes(heads.maps);
    const cells = panel.value.grid[0] * panel.value.grid[1];
    const each = heads.layers * heads.heads;
    body.replaceChildren(...Array.from({ length: each }, (_, i) => {
      const start = (panel.shown * each + i) * cells;
      const light = smallLightOf(panel, panel.shown, size);
      const canvas = make("canvas", { "aria-hidden": "true" });
      paint(canvas, pixels, { ...light, map: maps.subarray(start, start + cells), peak: 255 });
      const layer = heads.layers > 1 ? `layer ${Math.floor(i / heads.heads) + 1}, ` : "";
      return make("figure", {}, canvas,
        make("figcaption", {}, `${layer}head ${(i % heads.heads) + 1}`));
    }));
  }
  return { node: fold, captioned: draw, pinned: draw, redrawn: draw };
}
