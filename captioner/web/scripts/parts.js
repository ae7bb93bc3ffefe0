// Small parts that pages are made of. Text from a value only ever becomes text nodes and attributes,
// so nothing in a caption can turn into markup or code.

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function makeButton(text, act, attributes = {}) {
  const button = make("button", { type: "button", ...attributes }, text);
  button.addEventListener("click", act);
  return button;
}

// A button that asks the server.
function makeAsker(text, ask, attributes = {}) {
  const button = makeButton(text, () => whileWorking(button, ask), attributes);
  return button;
}

// Asks, and until there is an answer says so beside the button, which asks no second time. It is not
// disabled as browsers do it: that would take the focus from who pressed it.
async function whileWorking(button, ask) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const note = make("span", { class: "working" }, "working …");
  button.setAttribute("aria-disabled", "true");
  button.after(note);
  try {
    await ask();
  } finally {
    note.remove();
    button.removeAttribute("aria-disabled");
  }
}

// A part that can be folded away; `fill` runs whenever it is opened.
function makeFold(title, name, fill) {
  const body = make("div", { class: "body" });
  const fold = make("details", { class: `fold ${name}` }, make("summary", {}, title), body);
  fold.addEventListener("toggle", () => fold.open && fill());
  return { fold, body };
}

// Gives a file to the visitor.
function download(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Says on a button for a moment what came of pressing it.
function flash(button, text) {
  button.dataset.text ??= button.textContent;
  button.textContent = text;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => (button.textContent = button.dataset.text), 2000);
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Pages of another host that come without encryption have no clipboard of that name.
  const area = make("textarea", { readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser does not let this page copy");
}

// A picture at some size, as pixels to draw light on.
function pixelsOf(picture, [width, height]) {
  const canvas = make("canvas", { width, height });
  const surface = canvas.getContext("2d", { willReadFrequently: true });
  surface.imageSmoothingQuality = "high";
  surface.drawImage(picture, 0, 0, width, height);
  return surface.getImageData(0, 0, width, height);
}

// Draws a map on a canvas that is as large as `pixels`.
function paint(canvas, pixels, { map, grid, geometry, peak, settings }) {
  const size = [pixels.width, pixels.height];
  const drawn = new ImageData(new Uint8ClampedArray(pixels.data), ...size);
  if (map) {
    const light = spread(map, grid, size, geometry, peak, !settings.cells);
    if (settings.style === "Heatmap") {
      heatmap(drawn.data, light, settings.strength, settings.colours, settings.opacity);
    } else {
      spotlight(drawn.data, light, settings.strength, size);
    }
  }
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.getContext("2d").putImageData(drawn, 0, 0);
}
