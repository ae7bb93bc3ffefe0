import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./load.mjs";

// The page, as far as turns go: what is shown, and the newest value that has been put there.
function opened() {
  new Function(source("turns"))();
  const { begin, ask, settle } = globalThis.captionerTurns;
  const page = { shown: null };
  return {
    page,
    press: (picture = "a.png") => {
      page.shown = begin(picture);
      return ask([picture, 5, 30, "model", null, page.shown], 4).at(-1);
    },
    begin: () => (page.shown = begin("a.png")),
    // Two answers may have come before either question is settled.
    come: (turn) => captionerTurns.note((page.shown = { panels: [], turn })),
    answer: (turn) => {
      page.shown = { panels: [], turn };
      page.shown = settle(page.shown) ?? page.shown;
    },
    fail: () => (page.shown = settle(page.shown) ?? page.shown),
  };
}

const FAILED = "No answer from the server";

test("a question is busy with a picture and empty without, and carries its number", () => {
  const { page, press } = opened();
  assert.equal(press(), 1);
  assert.deepEqual(page.shown, { busy: true, begun: 1 });
  assert.equal(press(null), 2);
  assert.deepEqual(page.shown, { empty: true, begun: 2 });
  assert.equal(globalThis.captionerTurn, 2);
  assert.deepEqual(captionerTurns.ask(["a", "b", 0, "what is shown"], 2), ["a", "b", 3]);
});

test("a question that fails is told, with its number", () => {
  const { page, press, fail } = opened();
  press();
  fail();
  assert.equal(page.shown.title, FAILED);
  assert.equal(page.shown.turn, 1);
  assert.ok(page.shown.error.endsWith("press the button to try again."));
});

test("what is answered is not told to have failed", () => {
  const { page, press, answer } = opened();
  press();
  answer(1);
  assert.deepEqual(page.shown, { panels: [], turn: 1 });
});

test("an old failure never overwrites a newer answer, whichever comes first", () => {
  for (const order of [["answer", "fail"], ["fail", "answer"]]) {
    const { page, press, ...comes } = opened();
    press();
    press();
    for (const what of order) comes[what](2);
    assert.deepEqual(page.shown, { panels: [], turn: 2 });
  }
});

test("the newest failure is told, whichever comes first, and no old answer in its place", () => {
  for (const order of [["answer", "fail"], ["fail", "answer"]]) {
    const { page, press, ...comes } = opened();
    press();
    press();
    comes[order[0]](1);
    assert.notEqual(page.shown.title, FAILED);
    comes[order[1]](1);
    assert.equal(page.shown.title, FAILED);
    assert.equal(page.shown.turn, 2);
  }
});

test("what is just being asked has not failed", () => {
  const { page, press, begin, fail } = opened();
  press();
  begin();
  fail();
  assert.deepEqual(page.shown, { busy: true, begun: 2 });
});

test("the newest is answered though an older answer came after it", () => {
  const { page, press, answer } = opened();
  press();
  press();
  answer(2);
  answer(1);
  assert.deepEqual(page.shown, { panels: [], turn: 1 }); // which the viewer drops
});

test("the newest is answered though an older answer came before it was settled", () => {
  const { page, press, come, fail } = opened();
  press();
  press();
  come(2);
  come(1);
  fail();
  fail();
  assert.deepEqual(page.shown, { panels: [], turn: 1 });
});
