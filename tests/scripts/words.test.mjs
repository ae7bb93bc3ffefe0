import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { percent, nextIndex, matchWord, attentionAt, tints, lookedHere, fileStem, asJson, sheetPlan } =
  load(
    "light words", "percent", "nextIndex", "matchWord", "attentionAt", "tints", "lookedHere", "fileStem",
    "asJson", "sheetPlan",
  );

test("what is neither none nor all is never called so", () => {
  const shares = [0, 0.003, 0.005, 0.025, 0.824, 0.994, 0.995, 0.997, 1];
  const said = [
    "0 %", "under 1 %", "1 %", "3 %", "82 %", "99 %", "over 99 %", "over 99 %", "100 %",
  ];
  assert.deepEqual(shares.map(percent), said);
});

test("keys go along the words and around their ends", () => {
  const led = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Home", "End", "a"].map(
    (key) => nextIndex(key, 0, 4),
  );
  assert.deepEqual(led, [1, 1, 3, 3, 0, 3, undefined]);
  assert.equal(nextIndex("ArrowRight", 3, 4), 0);
});

test("another caption's word is the same word nearest by, or else that in the same place", () => {
  const texts = ["a", "man", "and", "a", "dog"];
  assert.equal(matchWord(texts, "dog", 1), 4);
  assert.equal(matchWord(texts, "a", 4), 3);
  assert.equal(matchWord(texts, "a", 0), 0);
  assert.equal(matchWord(texts, "cat", 2), 2);
  assert.equal(matchWord(texts, "cat", 9), 4);
  assert.equal(matchWord([], "cat", 0), 0);
});

test("one cell's share of each word's attention", () => {
  const maps = Float32Array.from([1, 0, 0, 0, 0.25, 0.25, 0.5, 0]);
  assert.deepEqual(attentionAt(maps, [2, 2], 1, 0), [0, 0.5]);
  assert.deepEqual(attentionAt(maps, [2, 2], 0, 0), [1, 0.25]);
});

test("the word that looked there most is tinted most, and equal ones not at all", () => {
  assert.deepEqual(tints([0.1, 0.3, 0.2]).map((tint) => Math.round(100 * tint)), [0, 100, 50]);
  assert.deepEqual(tints([0.2, 0.2]), [0, 0]);
});

test("the three words that looked at a place most are named, most first", () => {
  assert.equal(
    lookedHere(["a", "man", "in", "red"], [0.01, 0.3, 0.001, 0.08]),
    "The words that looked here most, with the share of their attention: " +
      "“man” (30 %), “red” (8 %), “a” (1 %).",
  );
});

test("a saved file is named after the picture, with nothing that a disk would not take", () => {
  assert.equal(fileStem("my dog.v2.jpeg"), "my-dog-v2");
  assert.equal(fileStem("../a/b c.png"), "a-b-c");
  assert.equal(fileStem("日本.png"), "日本");
  assert.equal(fileStem("<>.png"), "picture");
  assert.equal(fileStem("x".repeat(300)).length, 60);
});

test("a caption is saved in the shape that the command gives", () => {
  const word = (text) => ({
    text, probability: 0.5, gate: 0.9, alternatives: [{ text: "cat", probability: 0.1, percent: "" }],
  });
  const caption = { said: "a dog", log_prob: -2, score: -1, words: [word("a"), word("dog")] };
  const other = { said: "two", log_prob: -3, words: [] };
  const panel = { model: "soft", grid: [1, 2], captions: [caption, other] };
  const maps = Float32Array.from([0.1, 0.9, 0.5, 0.5]);
  assert.deepEqual(asJson("a.jpg", panel, caption, maps), {
    image: "a.jpg", model: "soft", caption: "a dog", log_prob: -2, score: -1, grid: [1, 2],
    words: [
      { word: "a", probability: 0.5, gate: 0.9, alpha: [[0.1, 0.9]], alternatives: [["cat", 0.1]] },
      { word: "dog", probability: 0.5, gate: 0.9, alpha: [[0.5, 0.5]], alternatives: [["cat", 0.1]] },
    ],
    alternatives: [{ caption: "two", log_prob: -3 }],
  });
});

test("the maps of heads are saved word by word, as the command nests them", () => {
  const word = { text: "a", probability: 1, gate: 1, alternatives: [] };
  const sent = Uint8Array.from([0, 255, 51, 204, 102, 153, 255, 0]); // 2 words, 1 layer, 2 heads
  const heads = { maps: Buffer.from(sent).toString("base64"), layers: 1, heads: 2, peak: 0.5 };
  const caption = { said: "a a", log_prob: -1, words: [word, word], heads };
  const panel = { grid: [1, 2], captions: [caption] };
  const saved = asJson("a.jpg", panel, caption, Float32Array.from([1, 0, 0, 1])).words;
  assert.deepEqual(saved[0].heads, [[[[0, 0.5]], [[0.1, 0.4]]]]);
  assert.deepEqual(saved[1].heads, [[[[0.2, 0.3]], [[0.5, 0]]]]);
});

test("the tiles of a sheet lie inside it and do not cover each other", () => {
  for (const [count, size] of [[0, [90, 60]], [12, [1024, 683]], [30, [60, 1024]], [5, [1000, 2]]]) {
    const plan = sheetPlan(count, size, 320);
    assert.equal(plan.tiles.length, count + 1);
    assert.ok(Math.max(...plan.size) <= 320);
    plan.tiles.forEach(([x, y], i) => {
      assert.ok(x + plan.size[0] <= plan.whole[0] && y + plan.size[1] + plan.label <= plan.whole[1]);
      for (const [left, top] of plan.tiles.slice(0, i)) {
        assert.ok(Math.abs(x - left) >= plan.size[0] || Math.abs(y - top) >= plan.size[1] + plan.label);
      }
    });
  }
});
