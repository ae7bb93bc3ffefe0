import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { floats, resized, spread, spotlight, litColours, heatmap, cellAt, cellBox } = load(
  "light", "floats", "resized", "spread", "spotlight", "litColours", "heatmap", "cellAt", "cellBox",
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
  assert.deepEqual([...light], [0, 63.75, 127.5, 255, 0, 0, 255, 255]);
});

test("between two cells the light is between theirs", () => {
  const light = spread([0, 1], [1, 2], [8, 1], { ...whole, frame: [8, 1] }, 1, true);
  assert.deepEqual([...light].map(Math.round), [0, 0, 32, 96, 159, 223, 255, 255]);
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

test("more light makes every colour lighter, black too, and never darker", () => {
  for (const strength of [0.05, 0.5, 0.9, 1]) {
    const table = litColours(strength);
    for (let colour = 0; colour < 256; colour++) {
      for (let amount = 1; amount < 256; amount++) {
        assert.ok(table[(amount << 8) | colour] >= table[((amount - 1) << 8) | colour]);
      }
      assert.ok(table[(255 << 8) | colour] > table[colour] || colour === 255 && strength < 0.1);
    }
  }
});

test("a spotlight dims as light is dimmed, and lights what is black a little", () => {
  const [none, half, full] = [0, 128, 255].map((amount) => litColours(1).subarray(amount << 8));
  assert.deepEqual([none[0], none[200], full[255]], [0, 0, 255]);
  const seen = Math.pow(200 / 255, 2.2);
  const lit = (light) => 255 * Math.pow(seen * light + 0.04 * light * (1 - seen * light), 1 / 2.2);
  assert.equal(half[200], Math.round(lit(128 / 255)));
  assert.equal(full[200], Math.round(lit(1)));
  assert.equal(full[0], Math.round(255 * Math.pow(0.04, 1 / 2.2)));
});

// A picture of one colour, by the channel that is drawn of each pixel.
function drawn(colour, light, strength, size) {
  const data = new Uint8ClampedArray(4 * light.length).fill(colour);
  spotlight(data, Float32Array.from(light), strength, size);
  return Array.from(light, (_, i) => data[4 * i]);
}

test("strength zero leaves the picture alone", () => {
  for (const colour of [0, 1, 99, 254, 255]) {
    assert.deepEqual(drawn(colour, [0, 100, 255], 0, [3, 1]), [colour, colour, colour]);
  }
});

test("a line runs around what has more than half of the strongest light", () => {
  const row = [0, 0, 100, 101, 200, 101, 100, 0, 0];
  const lit = drawn(40, row, 1, [9, 1]);
  const plain = row.map((amount) => litColours(1)[(amount << 8) | 40]);
  const share = 200 / 255; // a faint light has a faint line
  const [white, black] = [plain[3] + share * (255 - plain[3]), plain[2] * (1 - share)];
  assert.deepEqual([lit[3], lit[5]], [Math.round(white), Math.round(white)]);
  assert.deepEqual([lit[2], lit[6]], [Math.round(black), Math.round(black)]);
  for (const i of [0, 1, 4, 7, 8]) assert.equal(lit[i], plain[i]);
});

test("a flat map has no line, nor has the edge of the picture", () => {
  for (const light of [[80, 80, 80, 80], [90, 60, 70, 80], [0, 0, 0, 0]]) {
    const plain = light.map((amount) => litColours(0.9)[(amount << 8) | 40]);
    assert.deepEqual(drawn(40, light, 0.9, [2, 2]), plain);
  }
});

test("a large picture has a line of several pixels, outwards and inwards", () => {
  const light = Float32Array.from({ length: 500 }, (_, x) => (x < 100 ? 255 : 0));
  const lit = drawn(128, light, 1, [500, 1]);
  assert.deepEqual(lit.slice(97, 103), [litColours(1)[(255 << 8) | 128], 255, 255, 0, 0, 0]);
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
