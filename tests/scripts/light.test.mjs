import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { floats, resized, spread, spotlight, heatmap, cellAt, cellBox } = load(
  "light", "floats", "resized", "spread", "spotlight", "heatmap", "cellAt", "cellBox",
);
const whole = { scale: [1, 1], offset: [0, 0], frame: [4, 2] }; // the picture is the frame
const grid = [2, 4];

test("base64 becomes the numbers that it was made of", () => {
  const numbers = new Float32Array([0, 0.25, -3, 1e-7]);
  const base64 = Buffer.from(numbers.buffer).toString("base64");
  assert.deepEqual(floats(base64), numbers);
  assert.equal(floats("").length, 0);
});

test("the true cells are drawn unsmoothed, by the largest as full light", () => {
  const map = [0, 1, 2, 4, 0, 0, 4, 8];
  const light = spread(map, grid, [4, 2], whole, 4, false);
  assert.deepEqual([...light], [0, 64, 128, 255, 0, 0, 255, 255]);
});

test("between two cells the light is between theirs", () => {
  const light = spread([0, 1], [1, 2], [8, 1], { ...whole, frame: [8, 1] }, 1, true);
  assert.deepEqual([...light], [0, 0, 32, 96, 159, 223, 255, 255]);
});

test("what a crop left out is dark", () => {
  const cropped = { scale: [1, 1], offset: [-1, 0], frame: [2, 2] };
  const light = spread([1], [1, 1], [4, 2], cropped, 1, true);
  assert.deepEqual([...light], [0, 255, 255, 0, 0, 255, 255, 0]);
});

test("a copy of another size has its cells at the same shares of it", () => {
  const map = [1, 0, 0, 1, 0, 1, 1, 0];
  const small = spread(map, grid, [4, 2], whole, 1, false);
  const large = spread(map, grid, [8, 4], resized(whole, [4, 2], [8, 4]), 1, false);
  for (let y = 0; y < 4; y++) {
    for (let x = 0; x < 8; x++) {
      assert.equal(large[y * 8 + x], small[Math.floor(y / 2) * 4 + Math.floor(x / 2)]);
    }
  }
});

test("a spotlight leaves full light alone and dims as light is dimmed", () => {
  const data = Uint8ClampedArray.from([200, 100, 50, 255, 200, 100, 50, 255, 200, 100, 50, 255]);
  spotlight(data, Uint8ClampedArray.from([255, 0, 128]), 1);
  assert.deepEqual([...data.subarray(0, 4)], [200, 100, 50, 255]);
  assert.deepEqual([...data.subarray(4, 8)], [0, 0, 0, 255]);
  const half = Math.round(200 * Math.pow(128 / 255, 1 / 2.2));
  assert.equal(data[8], half);
  const untouched = Uint8ClampedArray.from([9, 8, 7, 255]);
  spotlight(untouched, Uint8ClampedArray.from([0]), 0);
  assert.deepEqual([...untouched], [9, 8, 7, 255]);
});

test("a heatmap runs through its colours", () => {
  const colours = [[0, 0, 100], [0, 200, 0], [250, 0, 0]];
  const data = new Uint8ClampedArray(12);
  heatmap(data, Uint8ClampedArray.from([0, 255, 128]), 1, colours, 0.5);
  assert.deepEqual([...data.subarray(0, 3)], [0, 0, 50]);
  assert.deepEqual([...data.subarray(4, 7)], [125, 0, 0]);
  assert.ok(Math.abs(data[9] - 100) <= 1);
});

test("a pixel finds its cell, and a cell its place, through any placement", () => {
  assert.deepEqual(cellAt(whole, grid, 3.5, 1.5), [1, 3]);
  assert.deepEqual(cellAt(whole, grid, 0, 0), [0, 0]);
  assert.equal(cellAt(whole, grid, 4, 0), null);
  const cropped = { scale: [2, 2], offset: [-2, 0], frame: [4, 4] }; // shows x from 1 to 3
  assert.equal(cellAt(cropped, [2, 2], 0.9, 0), null);
  assert.deepEqual(cellAt(cropped, [2, 2], 1.1, 1.9), [1, 0]);
  for (let row = 0; row < 2; row++) {
    for (let column = 0; column < 4; column++) {
      const [left, top, width, height] = cellBox(whole, grid, [4, 2], row, column);
      const middle = [(left + width / 2) * 4, (top + height / 2) * 2];
      assert.deepEqual(cellAt(whole, grid, ...middle), [row, column]);
    }
  }
  const padded = { scale: [1, 1], offset: [0, 2], frame: [4, 8] }; // rows of grey above and below
  assert.deepEqual(cellBox(padded, [4, 1], [4, 4], 0, 0), [0, 0, 1, 0]);
});
