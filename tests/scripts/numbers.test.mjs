import assert from "node:assert/strict";
import { test } from "node:test";
import { answeredByHand, openViewer, turnOfEvents, valueOf } from "./page.mjs";

const numbersOf = (word) => ({
  word, before: [], size: 32, columns: 2, energies: [[1, 2]], shares: [[0.3, 0.7]],
  vectors: [{ name: "the sum", values: [1, 2, 3] }], gate: "", likeliest: [],
});

async function opened() {
  const { asked, ask } = answeredByHand();
  const page = openViewer({ numbers: ask });
  await page.show(valueOf(["a dog runs"]));
  const [panel] = page.view.panels;
  const fold = panel.bottom.querySelector(".numbers");
  const open = (wanted) => {
    fold.open = wanted;
    fold.fire("toggle");
  };
  return { ...page, panel, asked, open, fold, body: fold.querySelector(".body") };
}

async function until(condition) {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((done) => setTimeout(done, 10));
  assert.ok(condition());
}

test("words that are passed by are not asked about, and one question runs at a time", async () => {
  const { view, panel, asked, open, body } = await opened();
  open(true);
  assert.equal(asked.length, 1);
  for (const index of [1, 2, 1, 2]) view.pin(panel, index);
  await new Promise((done) => setTimeout(done, 400));
  assert.equal(asked.length, 1); // the first has no answer yet
  asked[0].answer(numbersOf("a"));
  await until(() => asked.length === 2);
  assert.equal(asked[1].question.place, 2);
  assert.ok(!body.textContent.includes("“a”"));
  asked[1].answer(numbersOf("runs"));
  await turnOfEvents();
  assert.equal(body.children[0].textContent, "The word “runs”");
});

test("numbers of one word never stand under another", async () => {
  const { view, panel, asked, open, body } = await opened();
  open(true);
  asked[0].answer(numbersOf("a"));
  await turnOfEvents();
  view.pin(panel, 0);
  assert.ok(body.textContent.includes("“a”")); // the same word
  view.pin(panel, 1);
  assert.equal(body.textContent, "");
  await until(() => asked.length === 2);
  asked[1].answer({ error: "No." });
  await turnOfEvents();
  assert.equal(body.textContent, "");
  open(true);
  assert.equal(asked.length, 3);
});

test("a closed section asks nothing", async () => {
  const { view, panel, asked, open } = await opened();
  view.pin(panel, 1);
  await new Promise((done) => setTimeout(done, 300));
  assert.equal(asked.length, 0);
  open(true);
  assert.equal(asked.length, 1);
});

test("the rest of the cells is never less than nothing", async () => {
  const { asked, open, body } = await opened();
  open(true);
  const shares = [0.2, 0.2, 0.2, 0.2, 0.2, 0.000004, 0.000002];
  shares[0] += 0.00001;
  asked[0].answer({ ...numbersOf("a"), energies: [shares], shares: [shares] });
  await turnOfEvents();
  const bars = body.querySelectorAll("table")[0].querySelectorAll(".bar");
  assert.equal(bars.length, 7);
  assert.equal(bars[6].firstChild.style.width, "0%");
});

test("each table has a name", async () => {
  const { asked, open, body } = await opened();
  open(true);
  asked[0].answer(numbersOf("a"));
  await turnOfEvents();
  const names = body.querySelectorAll("table").map((table) => table.getAttribute("aria-label"));
  assert.equal(new Set(names).size, 3);
  assert.ok(names.every(Boolean));
});
