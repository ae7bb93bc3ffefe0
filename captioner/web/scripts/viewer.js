// The viewer: its states, what its panels share, and the switches that steer all of them.
// Gradio runs the joined scripts once, with `element`, `props`, `server` and `watch`.

const NARROW = "(max-width: 700px)"; // one column, as in page.css
const PLAY_EVERY = 800; // milliseconds a word
const HINTS = {
  empty: "The caption appears here. Run along its words to see where the model looked for each.",
  busy: "Looking at the picture …",
};

const root = element.querySelector(".viewer");
const hint = make("p", { class: "hint" });
// Says aloud what is new. It stays for good: a region that comes with its text is not read.
const told = make("p", { class: "told", role: "status" });
const tops = make("div", { class: "panels" });
const bottoms = make("div", { class: "panels" });

const view = {
  value: null, // what is shown
  picture: null, // its picture, decoded
  pixels: null, // the same without light
  panels: [],
  settings: {
    style: "Spotlight", strength: 0, cells: false, ownScale: false,
    colours: props.colours, opacity: props.heatmap_opacity, small: props.small,
  },
  pin(panel, index) {
    eachPanel(panel, index, pinWord);
    controls.hidden = !view.panels.some((each) => each.caption?.words.length);
    // While it plays, a screen reader would be cut off at every word.
    if (!view.playing()) view.say(panel.status.textContent);
  },
  preview: (panel, index) => eachPanel(panel, index, showWord),
  ask,
  say: (text) => (told.textContent = text),
  playing: () => timer !== null,
};

// Does the same for a word of one panel and for the words that answer to it in the others.
function eachPanel(panel, index, act) {
  const text = panel.caption.words[index]?.text;
  for (const other of view.panels) {
    if (!other.caption) continue; // it is still being filled
    const texts = other.caption.words.map((word) => word.text);
    act(other, other === panel ? index : matchWord(texts, text, index));
  }
}

// Asks the server about a panel's caption and chosen word; nothing if it has no answer.
async function ask(name, panel, more) {
  const question = {
    picture: view.value.id,
    model: panel.value.model,
    words: panel.caption.words.map((word) => word.text),
    place: panel.pinned,
    beam_size: view.value.beam_size,
    longest: view.value.longest,
    ...more,
  };
  const [value, caption] = [view.value, panel.caption];
  // The newest question of its kind counts, whichever is answered first.
  const turn = (panel.asked[name] = panel.turn += 1);
  panel.notice.textContent = "";
  let answer;
  try {
    answer = await server[name](question);
  } catch {
    answer = { error: "There is no answer from the server: try again in a moment." };
  }
  // Another picture, another caption or another wish has come in the meantime.
  const late = turn !== panel.asked[name];
  if (late || value !== view.value || caption !== panel.caption) return null;
  if (!answer.error) return answer;
  // One place tells what is wrong with questions of all kinds: there, too, the newest stays.
  if (turn < panel.noticed) return null;
  panel.noticed = turn;
  panel.notice.textContent = answer.error;
  view.say(answer.error);
  return null;
}

// --- Controls ---------------------------------------------------------------------------------

const styles = ["Spotlight", "Heatmap"].map((name) => makeButton(name, () => chooseStyle(name)));
const strength = make("input", { type: "range", min: 0, max: 100, value: 100 * props.strength });
const cells = make("input", { type: "checkbox" });
const ownScale = make("input", { type: "checkbox" });
const cellsName = make("span", {});
const player = makeButton("▶ Play", () => (timer ? pause() : play()));
const controls = make("div", { class: "controls" },
  player,
  make("div", { class: "styles", role: "group", "aria-label": "Style" }, ...styles),
  make("label", {}, "Strength", strength),
  make("label", {}, cells, cellsName),
  make("label", {}, ownScale, "Each word its own scale"),
);
let timer = null;

function chooseStyle(name) {
  view.settings.style = name;
  for (const button of styles) button.setAttribute("aria-pressed", button.textContent === name);
  redraw();
}

function redraw() {
  view.settings.strength = strength.value / 100;
  view.settings.cells = cells.checked;
  view.settings.ownScale = ownScale.checked;
  for (const panel of view.panels) {
    if (!panel.caption) continue;
    drawPanel(panel);
    tell(panel, "redrawn");
  }
}

function play() {
  const panel = view.panels.find((each) => each.caption.words.length);
  if (!panel) return;
  player.textContent = "‖ Pause";
  const next = () => view.pin(panel, (panel.pinned + 1) % panel.caption.words.length);
  timer = setInterval(next, PLAY_EVERY);
  next();
}

function pause() {
  if (timer === null) return;
  clearInterval(timer);
  timer = null;
  player.textContent = "▶ Play";
  for (const each of view.panels) tell(each, "pinned");
  view.say(view.panels[0].status.textContent);
}

strength.addEventListener("input", redraw);
cells.addEventListener("change", redraw);
ownScale.addEventListener("change", redraw);

// --- What is shown ----------------------------------------------------------------------------

const result = make("div", { class: "result" }, tops, controls, bottoms,
  make("p", { class: "honest" },
    "Attention shows where the model looked while it chose a word. It is a hint, not a proof."),
);
root.append(told, hint, result);
let latest = 0; // counts values, so that a slow picture never overtakes a newer one
const UNSHOWN = "Your browser can't show the picture that came with the answer: choose it again.";

async function update() {
  const next = props.value;
  globalThis.captionerTurns?.note(next);
  // It answers what was asked before the last press or picture: that is still to come (page.py).
  if (next?.turn < globalThis.captionerTurn) return;
  const turn = ++latest;
  pause();
  root.querySelector(".error")?.remove();
  if (!next || next.empty) return enter("empty");
  if (next.busy) return enter("busy");
  if (next.error) return fail(next.title, next.error);
  const picture = new Image();
  picture.src = next.picture;
  const decoded = await picture.decode().then(() => true, () => false);
  if (turn !== latest) return;
  if (!decoded) return fail("No picture", UNSHOWN);
  view.value = next;
  view.picture = picture;
  view.pixels = pixelsOf(picture, next.size);
  root.style.setProperty("--ratio", next.size[0] / next.size[1]);
  root.dataset.panels = next.panels.length;
  const grids = [...new Set(next.panels.map((panel) => panel.grid.join(" × ")))];
  cellsName.textContent = `Show the ${grids.join(" or ")} cells`;
  view.panels = next.panels.map(() => makePanel(view));
  tops.replaceChildren(...view.panels.map((panel) => panel.top));
  bottoms.replaceChildren(...view.panels.map((panel) => panel.bottom));
  view.panels.forEach((panel, i) => setPanel(panel, next.panels[i]));
  const [first] = view.panels;
  // The last panel that was filled has led the others.
  if (view.panels.length > 1) view.pin(first, first.caption.first);
  announce(first);
  enter("ready");
}

function fail(title, message) {
  const box = { class: "error", role: "alert" };
  root.append(make("div", box, make("strong", {}, title), make("p", {}, message)));
  enter("error");
}

function enter(state) {
  const height = root.offsetHeight;
  root.dataset.state = state;
  hint.textContent = HINTS[state] ?? "";
  if (state === "busy") view.say(HINTS.busy);
  hint.hidden = !(state in HINTS);
  // The last answer stays, dimmed, until there is a new one: the page does not jump.
  result.hidden = !(state === "ready" || (state === "busy" && view.value));
  result.inert = state !== "ready";
  if (state === "empty" || state === "error") view.value = null;
  const narrow = matchMedia(NARROW).matches;
  // Beside the picture, what stands in place of an answer takes its room: the page does not jump.
  root.style.minHeight = state === "ready" || narrow ? "" : `${height}px`;
  // In one column the answer is below what was pressed.
  const answered = state === "ready" || state === "error";
  if (answered && narrow) root.scrollIntoView({ block: "start" });
}

chooseStyle(view.settings.style);
watch("value", update);
update();
