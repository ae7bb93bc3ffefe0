// As much of a page as the viewer needs: nodes without layout, and a server that the test answers for.
import { source } from "./load.mjs";

const SCRIPTS = "light words parts legend panel steering sheets truth numbers viewer"; // as in viewer.py

class Element {
  constructor(document, tag) {
    Object.assign(this, { document, tag, parent: null, nodes: [], attributes: {}, listeners: {} });
    Object.assign(this, { dataset: {}, hidden: false, open: false, value: tag === "select" ? 0 : "" });
    const names = () => (this.attributes.class ?? "").split(" ").filter(Boolean);
    const put = (list) => (this.attributes.class = list.join(" "));
    this.classList = {
      toggle: (name, on) => put([...names().filter((each) => each !== name), ...(on ? [name] : [])]),
      add: (name) => this.classList.toggle(name, true),
      remove: (name) => this.classList.toggle(name, false),
      contains: (name) => names().includes(name),
    };
    this.style = { setProperty() {}, removeProperty() {} };
  }
  get children() { return this.nodes.filter((node) => node instanceof Element); }
  get firstChild() { return this.nodes[0]; }
  get textContent() { return this.nodes.map((node) => node.textContent ?? node).join(""); }
  set textContent(text) { this.replaceChildren(text); }
  append(...nodes) {
    for (const node of nodes) {
      if (node instanceof Element) [node.remove(), (node.parent = this)];
      this.nodes.push(node instanceof Element ? node : String(node));
    }
  }
  replaceChildren(...nodes) {
    for (const child of this.children) child.remove();
    this.nodes = [];
    this.append(...nodes);
  }
  remove() {
    if (this.contains(this.document.activeElement)) this.document.activeElement = this.document.body;
    if (this.parent) this.parent.nodes = this.parent.nodes.filter((node) => node !== this);
    this.parent = null;
  }
  after(node) {
    if (!this.parent) return;
    node.remove();
    node.parent = this.parent;
    this.parent.nodes.splice(this.parent.nodes.indexOf(this) + 1, 0, node);
  }
  contains(other) { return other === this || this.children.some((child) => child.contains(other)); }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name === "hidden") this.hidden = true;
  }
  getAttribute(name) { return this.attributes[name] ?? null; }
  removeAttribute(name) { delete this.attributes[name]; }
  addEventListener(type, act) { (this.listeners[type] ??= []).push(act); }
  fire(type, event = {}) {
    for (const act of this.listeners[type] ?? []) act({ preventDefault() {}, ...event });
  }
  click() { this.fire("click"); }
  focus() { this.document.activeElement = this; }
  scrollIntoView() {}
  matches(selector) {
    return selector[0] === "." ? this.classList.contains(selector.slice(1)) : this.tag === selector;
  }
  querySelectorAll(selector) {
    return this.children.flatMap((child) => [
      ...(child.matches(selector) ? [child] : []), ...child.querySelectorAll(selector),
    ]);
  }
  querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
  getContext() {
    const pixels = (x, y, width, height) =>
      ({ width, height, data: new Uint8ClampedArray(4 * width * height) });
    return new Proxy({}, {
      get: (_, name) => (name === "getImageData" ? pixels : () => {}), set: () => true,
    });
  }
  toBlob(done) { done(null); } // a canvas that is too large
}

// A viewer. `server` has the functions that it may ask; `decode` is what becomes of a picture.
export function openViewer(server = {}, decode = () => Promise.resolve()) {
  const document = { createElement: (tag) => new Element(document, tag) };
  document.body = document.activeElement = document.createElement("body");
  const [element, root] = [document.createElement("div"), document.createElement("div")];
  document.body.append(element);
  root.setAttribute("class", "viewer");
  element.append(root);
  const given = {
    element, server, document,
    props: { value: null, colours: [[0, 0, 0], [9, 9, 9]], heatmap_opacity: 0.5, strength: 0.8, small: 0.5 },
    watch: (_, act) => (given.update = act),
    matchMedia: () => ({ matches: false }),
    Image: class { decode() { return decode(); } },
    ImageData: class { constructor(data, width, height) { Object.assign(this, { data, width, height }); } },
  };
  const names = "element server document props watch matchMedia Image ImageData".split(" ");
  const run = new Function(...names, `${source(SCRIPTS)}\nreturn { view, play, pause, setCaptions };`);
  const scripts = run(...names.map((name) => given[name]));
  const show = (value) => {
    given.props.value = value;
    return given.update();
  };
  return { ...scripts, root, document, show };
}

export function captionOf(said, more = {}) {
  const words = said.split(" ").filter(Boolean).map((text, i) => ({
    text, probability: 0.5, percent: "50 %", gate: 1, known: true, status: `Word ${i + 1}: ${text}.`,
    alternatives: ["x", "y"].map((other) => ({ text: other, probability: 0.1, percent: "10 %" })),
  }));
  const maps = Float32Array.from(words.flatMap((_, i) => (i % 2 ? [0, 1] : [1, 0])));
  return {
    text: words.length ? `${said}.` : "The model found no words.", said, log_prob: -1, words, peak: 1,
    maps: Buffer.from(maps.buffer).toString("base64"), first: 0, locked: 0, heads: null, ...more,
  };
}

export function valueOf(captions, more = {}) {
  const geometry = { scale: [1, 1], offset: [0, 0], frame: [2, 1] };
  const panel = { model: "soft", geometry, grid: [1, 2], captions: captions.map((each) => captionOf(each)) };
  return {
    picture: "data:", size: [2, 1], panels: [panel], id: "x", name: "a.png", beam_size: 2, longest: 9,
    ...more,
  };
}

// A function of the server whose answers the test gives, in the order that it likes.
export function answeredByHand() {
  const asked = [];
  const ask = (question) => new Promise((answer) => asked.push({ question, answer }));
  return { asked, ask };
}

export const turnOfEvents = () => new Promise((done) => setTimeout(done, 0));

export function buttonOf(node, text) {
  const found = node.querySelectorAll("button").find((button) => button.textContent.startsWith(text));
  if (!found) throw new Error(`there is no button ${text}`);
  return found;
}
