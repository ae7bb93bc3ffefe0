import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  answeredByHand, buttonOf, captionOf, openViewer, turnOfEvents, valueOf,
} from "./page.mjs";

beforeEach(() => delete globalThis.captionerTurn);

async function opened(server = {}, captions = ["a dog"]) {
  const page = openViewer(server);
  await page.show(valueOf(captions));
  return { ...page, panel: page.view.panels[0] };
}

const answerOf = (said) => ({ captions: [captionOf(said)] });

test("the newest wish wins, whichever is answered first", async () => {
  for (const order of [[0, 1], [1, 0]]) {
    const { asked, ask } = answeredByHand();
    const { panel } = await opened({ go_on: ask });
    buttonOf(panel.top, "x").click();
    buttonOf(panel.top, "y").click();
    assert.deepEqual(asked.map(({ question }) => question.word), ["x", "y"]);
    for (const which of order) {
      asked[which].answer(answerOf(`${asked[which].question.word} runs`));
      await turnOfEvents();
    }
    assert.equal(panel.heading.textContent, "y runs.");
  }
});

test("a question that runs says so at the button that asked it, and at no other", async () => {
  const { asked, ask } = answeredByHand();
  const { panel } = await opened({ go_on: ask, doubt: ask });
  const [x, hide] = [buttonOf(panel.top, "x"), buttonOf(panel.bottom, "Hide where")];
  x.click();
  x.click();
  hide.click();
  assert.equal(asked.length, 2);
  const busy = () => [x, hide].map((button) => button.getAttribute("aria-disabled"));
  assert.deepEqual(busy(), ["true", "true"]);
  assert.ok(panel.top.textContent.includes("working …"));
  asked[1].answer({ word: "a", verdict: "It is so.", trials: [] });
  await turnOfEvents();
  assert.deepEqual(busy(), ["true", null]);
  assert.ok(!panel.bottom.textContent.includes("working …"));
  asked[0].answer({ error: "No." });
  await turnOfEvents();
  assert.deepEqual(busy(), [null, null]);
  assert.equal(panel.notice.textContent, "No.");
  assert.ok(!panel.top.textContent.includes("working …"));
});

test("what was wrong with an old question never stands in place of what is wrong with a newer one", async () => {
  const { asked, ask } = answeredByHand();
  const { panel, root } = await opened({ go_on: ask, doubt: ask });
  const told = root.querySelector(".told");
  const press = () => {
    buttonOf(panel.top, "x").click();
    buttonOf(panel.bottom, "Hide where").click();
  };
  const answer = async (which, error) => {
    asked[which].answer({ error });
    await turnOfEvents();
  };
  press();
  await answer(1, "New.");
  await answer(0, "Old.");
  assert.deepEqual([panel.notice.textContent, told.textContent], ["New.", "New."]);
  press();
  assert.equal(panel.notice.textContent, "");
  await answer(2, "Old."); // nothing newer is told yet
  assert.equal(panel.notice.textContent, "Old.");
  await answer(3, "New.");
  assert.equal(panel.notice.textContent, "New.");
});

test("an answer to what was asked before the last press is dropped", async () => {
  const { root, show, view } = openViewer();
  globalThis.captionerTurn = 2;
  await show({ busy: true });
  await show(valueOf(["an old one"], { turn: 1 }));
  assert.equal(root.dataset.state, "busy");
  await show({ error: "It was late.", title: "Old", turn: 1 });
  assert.equal(root.dataset.state, "busy");
  await show(valueOf(["a new one"], { turn: 2 }));
  assert.equal(root.dataset.state, "ready");
  assert.equal(view.panels[0].heading.textContent, "a new one.");
  await show({ empty: true, turn: 2 });
  assert.equal(root.dataset.state, "empty");
});

test("every answer that comes is noted, also one that is dropped", async () => {
  const { show } = openViewer();
  const noted = [];
  globalThis.captionerTurn = 2;
  globalThis.captionerTurns = { note: (value) => noted.push(value?.turn) };
  await show(valueOf(["a new one"], { turn: 2 }));
  await show(valueOf(["an old one"], { turn: 1 }));
  delete globalThis.captionerTurns;
  assert.deepEqual(noted, [2, 1]);
});

test("a picture that can't be decoded is told", async () => {
  const { root, show } = openViewer({}, () => Promise.reject(new Error("broken")));
  await show({ busy: true });
  await show(valueOf(["a dog"]));
  assert.equal(root.dataset.state, "error");
  assert.ok(root.querySelector(".error").textContent.includes("can't show the picture"));
});

test("an answer takes the focus back only where it was", async () => {
  const { asked, ask } = answeredByHand();
  const { panel, document } = await opened({ go_on: ask });
  const elsewhere = document.createElement("input");
  document.body.append(elsewhere);
  buttonOf(panel.top, "x").click();
  elsewhere.focus();
  asked[0].answer(answerOf("x dog"));
  await turnOfEvents();
  assert.equal(document.activeElement, elsewhere);
  buttonOf(panel.top, "y").focus();
  buttonOf(panel.top, "y").click();
  asked[1].answer(answerOf("y dog"));
  await turnOfEvents();
  assert.equal(document.activeElement, panel.words.children[0]);
});

test("the offered words stay the same buttons while their word does", async () => {
  const { panel, view } = await opened();
  const before = buttonOf(panel.top, "x");
  view.pin(panel, 0);
  assert.equal(buttonOf(panel.top, "x"), before);
  view.pin(panel, 1);
  assert.notEqual(buttonOf(panel.top, "x"), before);
});

test("the legend tells of the marks that there are, and of the maps of the style", async () => {
  const { panel, root, setCaptions } = await opened();
  const legend = () => panel.top.querySelector(".legend").textContent.trim();
  const light = "The light, and the line around the brightest of it, show where it looked just " +
    "before it said the word.";
  assert.equal(legend(), light); // all words are as likely as not
  buttonOf(root, "Heatmap").click();
  assert.ok(legend().startsWith("The colours show where it looked just before it said the word"));
  buttonOf(root, "Spotlight").click();
  const [own] = [captionOf("a dog")];
  own.words[1].probability = 0.49;
  setCaptions(panel, [own]);
  assert.equal(legend(), `${light} Dotted: less than 50 % sure.`);
  const [, dog] = panel.words.children.map((chip) => chip.children[0]);
  assert.ok(dog.classList.contains("unsure"));
  assert.equal(dog.getAttribute("title"), "less than 50 % sure");
  own.words[1].known = false;
  setCaptions(panel, [own]);
  assert.equal(legend(), `${light} Wavy ?: not known to the model.`);
});

test("in a comparison the maps are explained once, and each panel names its model twice", async () => {
  const { view, show } = openViewer();
  const value = valueOf(["a dog"]);
  const other = { ...value.panels[0], model: "hard" };
  await show({ ...value, panels: [value.panels[0], other] });
  const legends = view.panels.map((panel) => panel.top.querySelector(".legend").textContent);
  assert.ok(legends[0] && !legends[1]);
  const names = (part) => view.panels.map((panel) => panel[part].querySelector(".model").textContent);
  assert.deepEqual([names("top"), names("bottom")], [["soft", "hard"], ["soft", "hard"]]);
});

test("what is remarked on a model stands after every word of it", async () => {
  const { view, show } = openViewer();
  const value = valueOf(["a dog"]);
  await show({ ...value, panels: [{ ...value.panels[0], remark: "It draws." }] });
  const [panel] = view.panels;
  assert.equal(panel.status.textContent, "Word 1: a. It draws.");
  view.preview(panel, 1);
  assert.equal(panel.status.textContent, "Word 2: dog. It draws.");
  panel.canvas.fire("keydown", { key: "ArrowLeft" });
  assert.ok(!panel.status.textContent.includes("It draws."));
  panel.canvas.fire("keydown", { key: "Escape" });
  assert.equal(panel.status.textContent, "Word 2: dog. It draws.");
});

test("a word in another's place is said to leave that map as it is", async () => {
  const { panel } = await opened();
  const said = panel.top.querySelector(".label").textContent;
  assert.ok(said.includes("Instead of “a” it also considered (press one: it writes on)."));
  assert.ok(said.includes("The words after it get new maps; its own stays"));
});

test("the controls are there as soon as a caption with words is chosen", async () => {
  const { root, panel } = await opened({}, ["", "a dog"]);
  const controls = root.querySelector(".controls");
  assert.equal(controls.hidden, true);
  buttonOf(panel.bottom, "a dog.").click();
  assert.equal(controls.hidden, false);
});

test("pointing ends when another caption is chosen", async () => {
  const { panel } = await opened({}, ["a dog", "two dogs run"]);
  panel.canvas.fire("keydown", { key: "ArrowLeft" });
  assert.equal(panel.cell.hidden, false);
  assert.ok(panel.words.classList.contains("tinted"));
  buttonOf(panel.bottom, "two dogs run.").click();
  assert.equal(panel.cell.hidden, true);
  assert.ok(!panel.words.classList.contains("tinted"));
  assert.equal(panel.status.textContent, "Word 1: two.");
});

test("one region that stays says captions, words and notices", async () => {
  const { root, show, view, play, pause } = openViewer({ go_on: async () => ({ error: "No." }) });
  const told = root.querySelector(".told");
  assert.equal(told.getAttribute("role"), "status");
  await show({ busy: true });
  assert.equal(told.textContent, "Looking at the picture …");
  await show(valueOf(["a dog", "two dogs"]));
  assert.equal(told.textContent, "a dog. Word 1: a.");
  const [panel] = view.panels;
  view.pin(panel, 1);
  assert.equal(told.textContent, "Word 2: dog.");
  view.preview(panel, 0);
  assert.equal(told.textContent, "Word 2: dog.");
  buttonOf(panel.bottom, "two dogs.").click();
  assert.equal(told.textContent, "two dogs. Word 1: two.");
  buttonOf(panel.top, "x").click();
  await turnOfEvents();
  assert.equal(told.textContent, "No.");
  play();
  assert.equal(panel.pinned, 1);
  assert.equal(told.textContent, "No.");
  pause();
  assert.equal(told.textContent, "Word 2: dogs.");
  await show(valueOf(["three dogs"]));
  assert.equal(root.querySelector(".told"), told);
  assert.equal(root.querySelectorAll(".told").length, 1);
});

test("a sheet that the browser can't hold is told at its button", async () => {
  const { panel } = await opened();
  const png = buttonOf(panel.bottom, "PNG sheet");
  png.click();
  await turnOfEvents();
  assert.equal(png.textContent, "Too large for this browser");
});
