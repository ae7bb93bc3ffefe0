// Light on a picture, by the formulas of geometry.py, visual.py and spotlight.py: knows numbers, not
// the page.
//
// A geometry is { scale, offset, frame }, each [x, y]: frame position = picture position * scale +
// offset, in pixels. A grid is [rows, columns], a size [width, height], a map one number a cell.

// As in spotlight.py.
const GAMMA = 2.2;
const GLOW = 0.04;
const HALF = 0.5 + 1e-4;
const LINE = 250;

// The numbers behind base64 bytes of little-endian float32.
function floats(base64) {
  return new Float32Array(bytes(base64).buffer);
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// The same placement, told for a copy of the picture that has another size.
function resized(geometry, from, to) {
  return { ...geometry, scale: geometry.scale.map((s, axis) => (s * from[axis]) / to[axis]) };
}

// Along one axis: the two cells that each pixel lies between, and the share of the second.
function shares(geometry, axis, size, count, smooth) {
  const { scale, offset, frame } = geometry;
  return Array.from({ length: size }, (_, pixel) => {
    const position = (((pixel + 0.5) * scale[axis] + offset[axis]) * count) / frame[axis];
    const wanted = smooth ? position - 0.5 : Math.floor(position);
    const place = Math.min(Math.max(wanted, 0), count - 1);
    const low = Math.floor(place);
    const covered = Number(position >= 0 && position < count);
    return { covered, low, high: Math.min(low + 1, count - 1), share: place - low };
  });
}

// Light of each pixel, 0-255, not rounded: the map by `peak`, the value that is full light.
function spread(map, grid, size, geometry, peak, smooth) {
  const [rows, columns] = grid;
  const [width, height] = size;
  const across = shares(geometry, 0, width, columns, smooth);
  const down = shares(geometry, 1, height, rows, smooth);
  const strips = new Float32Array(rows * width); // each row of cells, spread over the width
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      const { covered, low, high, share } = across[x];
      const left = map[row * columns + low];
      const right = map[row * columns + high];
      strips[row * width + x] = covered * (left + (right - left) * share);
    }
  }
  const light = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const { covered, low, high, share } = down[y];
    const scale = (covered * 255) / peak;
    for (let x = 0; x < width; x++) {
      const above = strips[low * width + x];
      const below = strips[high * width + x];
      light[y * width + x] = Math.min(scale * (above + (below - above) * share), 255);
    }
  }
  return light;
}

// Dims what is not attended, and draws a line around what is attended most.
function spotlight(data, light, strength, size) {
  const table = litColours(strength);
  for (let i = 0, at = 0; i < light.length; i++, at += 4) {
    const row = Math.round(light[i]) << 8;
    data[at] = table[row | data[at]];
    data[at + 1] = table[row | data[at + 1]];
    data[at + 2] = table[row | data[at + 2]];
  }
  drawOutline(data, light, strength, size);
}

let kept = { strength: null, table: null }; // all words of a caption are drawn with the same

// What each amount of light, a row, makes of each amount of a colour, both 0-255.
function litColours(strength) {
  if (kept.strength === strength) return kept.table;
  const colours = Float64Array.from({ length: 256 }, (_, amount) => Math.pow(amount / 255, GAMMA));
  const table = new Uint8ClampedArray(256 * 256); // rounds
  for (let amount = 0; amount < 256; amount++) {
    const dimmed = 1 - strength * (1 - amount / 255);
    const glow = (GLOW * strength * amount) / 255;
    for (let colour = 0; colour < 256; colour++) {
      const seen = colours[colour] * dimmed;
      table[(amount << 8) | colour] = 255 * Math.pow(seen + glow * (1 - seen), 1 / GAMMA);
    }
  }
  kept = { strength, table };
  return table;
}

// A line around the brightest half of the light: white inside and black outside, so that it can be
// seen on anything; where the light is faint the line is too.
function drawOutline(data, light, strength, [width, height]) {
  let most = 0;
  for (let i = 0; i < light.length; i++) if (light[i] > most) most = light[i];
  const share = (strength * most) / 255;
  const step = Math.max(1, Math.floor(Math.max(width, height) / LINE));
  const wide = width + 2 * step;
  const bright = new Uint8Array(wide * (height + 2 * step));
  // Beyond the edges it goes on as it ends, so that no line runs along them.
  for (let y = -step; y < height + step; y++) {
    const from = Math.min(Math.max(y, 0), height - 1) * width;
    const to = (y + step) * wide + step;
    for (let x = 0; x < width; x++) bright[to + x] = light[from + x] > HALF * most;
    bright.fill(bright[to], to - step, to);
    bright.fill(bright[to + width - 1], to + width, to + width + step);
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0, i = (y + step) * wide + step; x < width; x++, i++) {
      const near = bright[i - step] + bright[i + step] +
        bright[i - step * wide] + bright[i + step * wide];
      if (near === 4 * bright[i]) continue; // all are alike
      const ink = 255 * bright[i];
      const at = 4 * (y * width + x);
      for (let c = at; c < at + 3; c++) data[c] += share * (ink - data[c]);
    }
  }
}

// Blends a colour for each amount of light over the picture. `colours` are equally spaced.
function heatmap(data, light, strength, colours, opacity) {
  const share = strength * opacity;
  const table = Array.from({ length: 256 }, (_, amount) => between(colours, amount / 255));
  for (let i = 0, at = 0; i < light.length; i++, at += 4) {
    const [red, green, blue] = table[Math.round(light[i])];
    data[at] += share * (red - data[at]);
    data[at + 1] += share * (green - data[at + 1]);
    data[at + 2] += share * (blue - data[at + 2]);
  }
}

function between(colours, amount) {
  const place = amount * (colours.length - 1);
  const low = Math.min(Math.floor(place), colours.length - 2);
  const [from, to] = [colours[low], colours[low + 1]];
  return from.map((channel, c) => Math.round(channel + (to[c] - channel) * (place - low)));
}

// The cell [row, column] at a pixel of the picture; null where no cell lies.
function cellAt(geometry, grid, x, y) {
  const { scale, offset, frame } = geometry;
  const column = Math.floor(((x * scale[0] + offset[0]) * grid[1]) / frame[0]);
  const row = Math.floor(((y * scale[1] + offset[1]) * grid[0]) / frame[1]);
  return row >= 0 && row < grid[0] && column >= 0 && column < grid[1] ? [row, column] : null;
}

// Where a cell lies in the picture: [left, top, width, height] as shares of it, 0-1, inside it.
function cellBox(geometry, grid, size, row, column) {
  const edge = (axis, cell) => {
    const pixel = ((cell * geometry.frame[axis]) / grid[1 - axis] - geometry.offset[axis]) /
      geometry.scale[axis];
    return Math.min(Math.max(pixel / size[axis], 0), 1);
  };
  const [left, top] = [edge(0, column), edge(1, row)];
  return [left, top, edge(0, column + 1) - left, edge(1, row + 1) - top];
}
