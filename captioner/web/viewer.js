// Shows a value of viewer.py: draws maps on the picture and answers to pointer, keys and switches.
// Gradio runs this once, with `element`, `props` and `watch`. Text from a value only ever becomes
// text nodes, so nothing in a caption can turn into markup or code.

const NARROW = "(max-width: 700px)"; // one column, as in page.py
const HINTS = {
  empty: "The caption appears here. Run along its words to see where the model looked for each.",
  busy: "Looking at the picture …",
};

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const root = element.querySelector(".viewer");
const hint = make("p", { class: "hint", role: "status" });
const heading = make("h2", { class: "caption" });
const canvas = make("canvas", { role: "img" });
const badge = make("span", { class: "badge", "aria-hidden": "true" });
const words = make("div", { class: "words", role: "radiogroup", "aria-label": "Words" });
const status = make("p", { class: "status", "aria-live": "polite" });
const considered = make("p", { class: "considered" });
const styles = ["Spotlight", "Heatmap"].map((name) => make("button", { type: "button" }, name));
const strength = make("input", { type: "range", min: 0, max: 100, value: 80 });
const cells = make("input", { type: "checkbox" });
const cellsName = make("span", {});
const captions = make("ol", {});
const others = make("div", { class: "others" }, make("h3", {}, "Choose among its captions"), captions);
const result = make(
  "section",
  { class: "result", "aria-label": "Caption" },
  heading,
  make("div", { class: "frame" }, canvas, badge),
  words,
  status,
  considered,
  make(
    "div",
    { class: "controls" },
    make("div", { class: "styles", role: "group", "aria-label": "Style" }, ...styles),
    make("label", {}, "Strength", strength),
    make("label", {}, cells, cellsName),
  ),
  others,
);
root.append(hint, result);

const surface = canvas.getContext("2d", { willReadFrequently: true });
let latest = 0; // counts values, so that a slow picture never overtakes a newer one
let value = null; // what is shown
let caption = null; // which of its captions
let maps = null; // the caption's maps, one after the other
let pixels = null; // of the picture without light
let pinned = 0;
let style = "Spotlight";

// --- What is shown ---------------------------------------------------------------------------

async function update() {
  const next = props.value;
  const turn = ++latest;
  root.querySelector("[role=alert]")?.remove();
  if (!next) return enter("empty");
  if (next.busy) return enter("busy");
  if (next.error) {
    const box = { class: "error", role: "alert" };
    root.append(make("div", box, make("strong", {}, next.title), make("p", {}, next.error)));
    return enter("error");
  }
  const picture = new Image();
  picture.src = next.picture;
  await picture.decode();
  if (turn !== latest) return;
  value = next;
  [canvas.width, canvas.height] = value.size;
  surface.drawImage(picture, 0, 0, canvas.width, canvas.height);
  pixels = surface.getImageData(0, 0, canvas.width, canvas.height);
  root.style.setProperty("--ratio", canvas.width / canvas.height);
  cellsName.textContent = `Show the ${value.grid.join(" × ")} cells`;
  listCaptions();
  chooseCaption(0);
  enter("ready");
}

function enter(state) {
  root.dataset.state = state;
  root.setAttribute("aria-busy", state === "busy");
  hint.textContent = HINTS[state] ?? "";
  hint.hidden = !(state in HINTS);
  // The last answer stays, dimmed, until there is a new one: the page does not jump.
  result.hidden = !(state === "ready" || (state === "busy" && value));
  result.inert = state !== "ready";
  if (state === "empty" || state === "error") value = null;
  // In one column the answer is below what was pressed.
  const answered = state === "ready" || state === "error";
  if (answered && matchMedia(NARROW).matches) root.scrollIntoView({ block: "start" });
}

function listCaptions() {
  others.hidden = value.captions.length < 2;
  captions.replaceChildren(
    ...value.captions.map((each, index) => {
      const button = make("button", { type: "button" }, each.text);
      button.addEventListener("click", () => chooseCaption(index));
      return make("li", {}, button);
    }),
  );
}

function chooseCaption(index) {
  caption = value.captions[index];
  const bytes = Uint8Array.from(atob(caption.maps), (letter) => letter.charCodeAt(0));
  maps = new Float32Array(bytes.buffer);
  heading.textContent = caption.text;
  words.replaceChildren(...caption.words.map(makeChip));
  captions.querySelectorAll("button").forEach((button, i) => {
    button.setAttribute("aria-pressed", i === index);
  });
  pin(caption.first);
}

function makeChip(word, index) {
  const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span", {}));
  bar.firstChild.style.width = `${100 * word.probability}%`;
  const text = make("span", { class: word.probability < 0.5 ? "unsure" : "" }, word.text);
  const chip = make("button", { type: "button", role: "radio" }, text, bar);
  chip.addEventListener("click", () => pin(index));
  chip.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") preview(index);
  });
  return chip;
}

function pin(index) {
  pinned = index;
  [...words.children].forEach((chip, i) => {
    chip.setAttribute("aria-checked", i === index);
    chip.tabIndex = i === index ? 0 : -1;
  });
  preview(index);
}

let shown = 0;
function preview(index) {
  shown = index;
  const word = caption.words[index];
  [...words.children].forEach((chip, i) => chip.classList.toggle("shown", i === index));
  badge.hidden = !word;
  badge.textContent = word ? `${word.text} ${word.percent}` : "";
  status.textContent = word ? word.status : "";
  considered.textContent = word?.considered ? `It also considered: ${word.considered}.` : "";
  canvas.setAttribute("aria-label", word ? `Where it looked for “${word.text}”` : caption.text);
  draw();
}

// --- Drawing, by the formulas of geometry.py and visual.py ------------------------------------

function draw() {
  const drawn = new ImageData(new Uint8ClampedArray(pixels.data), canvas.width, canvas.height);
  if (caption.words.length) {
    const paint = style === "Spotlight" ? spotlight : heatmap;
    paint(drawn.data, spread(shown, !cells.checked), strength.value / 100);
  }
  surface.putImageData(drawn, 0, 0);
}

// Light of each pixel, 0-255: alpha / peak, on one scale for the whole caption.
function spread(index, smooth) {
  const [rows, columns] = value.grid;
  const [width, height] = value.size;
  const alpha = maps.subarray(index * rows * columns, (index + 1) * rows * columns);
  const across = shares(0, width, columns, smooth);
  const down = shares(1, height, rows, smooth);
  const strips = new Float32Array(rows * width); // each row of cells, spread over the width
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      const { covered, low, high, share } = across[x];
      const left = alpha[row * columns + low];
      const right = alpha[row * columns + high];
      strips[row * width + x] = covered * (left + (right - left) * share);
    }
  }
  const light = new Uint8ClampedArray(width * height); // rounds and clamps
  for (let y = 0; y < height; y++) {
    const { covered, low, high, share } = down[y];
    const scale = (covered * 255) / caption.peak;
    for (let x = 0; x < width; x++) {
      const above = strips[low * width + x];
      const below = strips[high * width + x];
      light[y * width + x] = scale * (above + (below - above) * share);
    }
  }
  return light;
}

// Along one axis: the two cells that each pixel lies between, and the share of the second.
function shares(axis, size, count, smooth) {
  const { scale, offset, frame } = value.geometry;
  return Array.from({ length: size }, (_, pixel) => {
    const position = (((pixel + 0.5) * scale[axis] + offset[axis]) * count) / frame[axis];
    const wanted = smooth ? position - 0.5 : Math.floor(position);
    const place = Math.min(Math.max(wanted, 0), count - 1);
    const low = Math.floor(place);
    const covered = Number(position >= 0 && position < count);
    return { covered, low, high: Math.min(low + 1, count - 1), share: place - low };
  });
}

// Darkens what is not attended.
function spotlight(data, light, strength) {
  const kept = Float32Array.from({ length: 256 }, (_, amount) => 1 - strength * (1 - amount / 255));
  for (let i = 0, at = 0; i < light.length; i++, at += 4) {
    const share = kept[light[i]];
    data[at] *= share;
    data[at + 1] *= share;
    data[at + 2] *= share;
  }
}

// Blends a colour for each amount of light over the picture.
function heatmap(data, light, strength) {
  const opacity = strength * props.heatmap_opacity;
  const colours = Array.from({ length: 256 }, (_, amount) => viridis(amount / 255));
  for (let i = 0, at = 0; i < light.length; i++, at += 4) {
    const [red, green, blue] = colours[light[i]];
    data[at] += opacity * (red - data[at]);
    data[at + 1] += opacity * (green - data[at + 1]);
    data[at + 2] += opacity * (blue - data[at + 2]);
  }
}

function viridis(amount) {
  const place = amount * (props.colours.length - 1);
  const low = Math.min(Math.floor(place), props.colours.length - 2);
  const [from, to] = [props.colours[low], props.colours[low + 1]];
  return from.map((channel, c) => Math.round(channel + (to[c] - channel) * (place - low)));
}

// --- Pointer, keys and switches ---------------------------------------------------------------

words.addEventListener("pointerleave", () => preview(pinned));
words.addEventListener("keydown", (event) => {
  const count = caption.words.length;
  const target = {
    ArrowRight: (pinned + 1) % count,
    ArrowDown: (pinned + 1) % count,
    ArrowLeft: (pinned + count - 1) % count,
    ArrowUp: (pinned + count - 1) % count,
    Home: 0,
    End: count - 1,
  }[event.key];
  if (target === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  pin(target);
  words.children[target].focus();
});

function chooseStyle(name) {
  style = name;
  for (const button of styles) button.setAttribute("aria-pressed", button.textContent === name);
}
for (const button of styles) {
  button.addEventListener("click", () => {
    chooseStyle(button.textContent);
    draw();
  });
}
strength.addEventListener("input", draw);
cells.addEventListener("change", draw);

chooseStyle(style);
watch("value", update);
update();
