// One caption of the picture: its heading, the picture with the light, and the words to run along.
// A comparison has several panels; `view` is what they share (see viewer.js).

function makePanel(view) {
  const panel = {
    view,
    value: null, // the panel's part of the value that the server sent
    captions: [], // those to choose from, see viewer.py
    caption: null, // the one that is shown
    maps: null, // its maps, one after the other
    pinned: 0,
    shown: 0,
    pointed: null, // the cell that is pointed at
    turn: 0, // the number of the last question to the server
    asked: {}, // that of the last question of each kind
    noticed: 0, // that of the question that the notice is about
    model: make("p", { class: "model" }),
    again: make("p", { class: "model" }), // the model, above what is under the controls
    heading: make("h2", { class: "caption" }),
    note: make("p", { class: "note" }),
    canvas: make("canvas", {
      role: "application", "aria-roledescription": "picture to point at", tabindex: 0,
    }),
    badge: make("span", { class: "badge", "aria-hidden": "true" }),
    cell: make("span", { class: "cell", "aria-hidden": "true", hidden: "" }),
    words: make("div", { class: "words", role: "radiogroup" }),
    status: make("p", { class: "status" }),
    notice: make("p", { class: "notice" }),
  };
  const copy = makeButton("Copy as alt text", () =>
    copyText(panel.caption.text).then(
      () => flash(copy, "Copied"),
      () => flash(copy, "Copying was not allowed"),
    ),
  );
  const [legend, steering] = [makeLegend(panel), makeSteering(panel)];
  const sections = [
    makeCaptions(panel), makeAllWords(panel), makeHeads(panel), makeTruth(panel),
    makeNumbers(panel), makeSaving(panel),
  ];
  panel.sections = [legend, steering, ...sections];
  panel.top = make("section", { class: "top" },
    make("div", { class: "above" },
      panel.model,
      make("div", { class: "head" }, panel.heading, copy),
      panel.note,
    ),
    make("div", { class: "below" },
      make("div", { class: "frame" }, panel.canvas, panel.cell, panel.badge),
      panel.words,
      panel.status,
      legend.node,
      panel.notice,
      steering.node,
    ),
  );
  panel.bottom = make("section", { class: "bottom" },
    panel.again,
    ...sections.map((section) => section.node),
  );
  listenToWords(panel);
  listenToPicture(panel);
  return panel;
}

// Tells every section of a panel what has happened: `captioned`, `pinned` or `redrawn`.
function tell(panel, what) {
  for (const section of panel.sections) section[what]?.();
}

function setPanel(panel, value) {
  const several = panel.view.value.panels.length > 1;
  panel.value = value;
  for (const name of [panel.model, panel.again]) {
    name.textContent = value.model;
    name.hidden = !several;
  }
  panel.top.setAttribute("aria-label", several ? `Caption by ${value.model}` : "Caption");
  panel.note.textContent = panel.view.value.note ?? "";
  setCaptions(panel, value.captions);
}

function setCaptions(panel, captions, index = 0, place = undefined) {
  panel.captions = captions;
  chooseCaption(panel, index, place);
}

function chooseCaption(panel, index, place = undefined) {
  const caption = panel.captions[index];
  if (panel.caption) pointAt(panel, null);
  panel.caption = caption;
  panel.maps = floats(caption.maps);
  panel.heading.textContent = caption.text;
  panel.words.setAttribute("aria-label", `Words of “${caption.text}”`);
  panel.words.replaceChildren(...caption.words.map((word, i) => makeChip(panel, word, i)));
  panel.notice.textContent = "";
  tell(panel, "captioned");
  panel.view.pin(panel, place ?? caption.first);
  announce(panel);
}

// Says a caption aloud, with the word that is chosen.
function announce(panel) {
  panel.view.say(`${panel.caption.text} ${panel.status.textContent}`.trim());
}

function makeChip(panel, word, index) {
  const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span", {}));
  bar.firstChild.style.width = `${word.known ? 100 * word.probability : 0}%`;
  const text = make("span", { class: "text" }, word.text);
  if (isUnsure(word)) {
    text.classList.add("unsure");
    text.setAttribute("title", UNSURE);
  }
  const chip = makeButton("", () => panel.view.pin(panel, index), { role: "radio" });
  chip.classList.toggle("locked", index < panel.caption.locked);
  chip.classList.toggle("unknown", !word.known);
  chip.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") panel.view.preview(panel, index);
  });
  chip.append(text, bar);
  return chip;
}

// Chooses a word until another one is chosen.
function pinWord(panel, index) {
  panel.pinned = index;
  [...panel.words.children].forEach((chip, i) => {
    chip.setAttribute("aria-checked", i === index);
    chip.tabIndex = i === index ? 0 : -1;
  });
  showWord(panel, index);
  tell(panel, "pinned");
}

// Shows a word without choosing it.
function showWord(panel, index) {
  panel.shown = index;
  const word = panel.caption.words[index];
  [...panel.words.children].forEach((chip, i) => chip.classList.toggle("shown", i === index));
  panel.badge.hidden = !word;
  panel.badge.textContent = word ? `${word.text} ${word.percent}` : "";
  panel.status.textContent = statusOf(panel);
  const label = word ? `Where it looked for “${word.text}”` : panel.caption.text;
  panel.canvas.setAttribute("aria-label", `${label}. Arrow keys point at the picture.`);
  drawPanel(panel);
}

// What is said of the word that is shown.
function statusOf(panel) {
  const word = panel.caption.words[panel.shown];
  return word ? [word.status, panel.value.remark].filter(Boolean).join(" ") : "";
}

function drawPanel(panel) {
  paint(panel.canvas, panel.view.pixels, lightOf(panel, panel.shown, panel.view.value.size));
}

// What `paint` needs for one word on a small copy of the picture: a spotlight dims it less, as in
// visual.py.
function smallLightOf(panel, index, size) {
  const light = lightOf(panel, index, size);
  const { style, strength, small } = light.settings;
  const less = style === "Spotlight" ? strength * small : strength;
  return { ...light, settings: { ...light.settings, strength: less } };
}

// The same for a copy of any size.
function lightOf(panel, index, size) {
  const { view, value, caption, maps } = panel;
  const cells = value.grid[0] * value.grid[1];
  const map = caption.words.length ? maps.subarray(index * cells, (index + 1) * cells) : null;
  return {
    map,
    grid: value.grid,
    geometry: resized(value.geometry, view.value.size, size),
    peak: view.settings.ownScale && map ? Math.max(...map) || 1 : caption.peak,
    settings: view.settings,
  };
}

function listenToWords(panel) {
  panel.words.addEventListener("pointerleave", () => panel.view.preview(panel, panel.pinned));
  panel.words.addEventListener("keydown", (event) => {
    const target = nextIndex(event.key, panel.pinned, panel.caption.words.length);
    if (target === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    panel.view.pin(panel, target);
    panel.words.children[target].focus();
  });
}

// --- Pointing at the picture: which words looked here? ----------------------------------------

function listenToPicture(panel) {
  const { canvas } = panel;
  const cellOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const [width, height] = panel.view.value.size;
    const x = ((event.clientX - box.left) / box.width) * width;
    const y = ((event.clientY - box.top) / box.height) * height;
    return cellAt(panel.value.geometry, panel.value.grid, x, y);
  };
  canvas.addEventListener("pointermove", (event) => pointAt(panel, cellOf(event)));
  canvas.addEventListener("pointerdown", (event) => pointAt(panel, cellOf(event)));
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") pointAt(panel, null);
  });
  canvas.addEventListener("blur", () => pointAt(panel, null));
  canvas.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (!cell || !panel.caption.words.length) return;
    const values = attentionAt(panel.maps, panel.value.grid, ...cell);
    panel.view.pin(panel, values.indexOf(Math.max(...values)));
    pointAt(panel, cell);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    }[event.key];
    if (event.key === "Escape") pointAt(panel, null);
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const grid = panel.value.grid;
    const from = panel.pointed ?? grid.map((count) => Math.floor(count / 2));
    const to = from.map((place, axis) => Math.min(Math.max(place + step[axis], 0), grid[axis] - 1));
    pointAt(panel, panel.pointed ? to : from);
  });
}

const MOST_TINT = 60; // per cent: with more, light letters on it are hard to read

// Tints the words by how much they looked at a cell; null ends it.
function pointAt(panel, cell) {
  if (String(panel.pointed) === String(cell)) return;
  panel.pointed = cell;
  panel.cell.hidden = !cell;
  const chips = [...panel.words.children];
  if (!cell || !chips.length) {
    for (const chip of chips) chip.style.removeProperty("--tint");
    panel.words.classList.remove("tinted");
    panel.status.textContent = statusOf(panel);
    return;
  }
  const values = attentionAt(panel.maps, panel.value.grid, ...cell);
  tints(values).forEach((tint, i) => chips[i].style.setProperty("--tint", `${MOST_TINT * tint}%`));
  panel.words.classList.add("tinted");
  panel.status.textContent = lookedHere(panel.caption.words.map((word) => word.text), values);
  panel.view.say(panel.status.textContent);
  const box = cellBox(panel.value.geometry, panel.value.grid, panel.view.value.size, ...cell);
  ["left", "top", "width", "height"].forEach((side, i) => {
    panel.cell.style[side] = `${100 * box[i]}%`;
  });
}
