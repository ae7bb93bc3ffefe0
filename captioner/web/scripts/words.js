// What is said and chosen, without the page: every function here gives the same for the same.

// A share of 0-1 as people say it; what is neither none nor all is never called so.
function percent(share) {
  const rounded = Math.round(100 * share);
  if (rounded === 0 && share > 0) return "under 1 %";
  if (rounded === 100 && share < 1) return "over 99 %";
  return `${rounded} %`;
}

// Where a key leads among `count` things in a row, from `index`; undefined for any other key.
function nextIndex(key, index, count) {
  return {
    ArrowRight: (index + 1) % count,
    ArrowDown: (index + 1) % count,
    ArrowLeft: (index + count - 1) % count,
    ArrowUp: (index + count - 1) % count,
    Home: 0,
    End: count - 1,
  }[key];
}

// The word of another caption that answers to the word `text` at `place` of this one: the same word
// nearest to that place, or else the word that stands there.
function matchWord(texts, text, place) {
  const same = texts.map((_, index) => index).filter((index) => texts[index] === text);
  same.sort((one, other) => Math.abs(one - place) - Math.abs(other - place));
  return same[0] ?? Math.max(0, Math.min(place, texts.length - 1));
}

// How much of each word's attention lies in one cell.
function attentionAt(maps, grid, row, column) {
  const cells = grid[0] * grid[1];
  const words = maps.length / cells;
  const at = row * grid[1] + column;
  return Array.from({ length: words }, (_, word) => maps[word * cells + at]);
}

// How strongly each word is tinted, 0-1: the one that looked there most fully, the least not at all.
function tints(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => (high > low ? (value - low) / (high - low) : 0));
}

// Which words looked at a place most, with the share of their attention that it got.
function lookedHere(texts, values) {
  const order = texts.map((_, index) => index).sort((one, other) => values[other] - values[one]);
  const named = order.slice(0, 3).map((index) => `“${texts[index]}” (${percent(values[index])})`);
  return `The words that looked here most, with the share of their attention: ${named.join(", ")}.`;
}

// A name for a file that is saved: that of the picture without what follows its last dot.
function fileStem(name) {
  const stem = name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-");
  return stem.replace(/^-+|-+$/g, "").slice(0, 60) || "picture";
}

// A caption in the shape that `captioner caption --json` gives.
function asJson(name, panel, caption, maps) {
  const [rows, columns] = panel.grid;
  const rounded = (number) => Number(number.toFixed(6));
  const alpha = (word) =>
    Array.from({ length: rows }, (_, row) => {
      const start = (word * rows + row) * columns;
      return Array.from(maps.subarray(start, start + columns), rounded);
    });
  const heads = caption.heads && headMaps(caption, panel.grid, rounded);
  return {
    image: name,
    ...(panel.model && { model: panel.model }),
    caption: caption.said,
    log_prob: caption.log_prob,
    ...scored(caption),
    grid: panel.grid,
    words: caption.words.map((word, index) => ({
      word: word.text,
      probability: word.probability,
      gate: word.gate,
      alpha: alpha(index),
      alternatives: word.alternatives.map((other) => [other.text, other.probability]),
      ...(heads && { heads: heads[index] }),
    })),
    alternatives: panel.captions
      .filter((other) => other !== caption)
      .map((other) => ({ caption: other.said, log_prob: other.log_prob, ...scored(other) })),
  };
}

// What the captions were ranked by; words of a visitor's own are not ranked.
function scored(caption) {
  return caption.score == null ? {} : { score: caption.score };
}

// The maps of the heads of each word: layers, heads, rows, columns. They were sent as bytes, so they
// are as exact as a 255th of the strongest.
function headMaps(caption, grid, rounded) {
  const { maps, layers, heads, peak } = caption.heads;
  const fold = (list, size) =>
    Array.from({ length: list.length / size }, (_, i) => list.slice(i * size, (i + 1) * size));
  const values = Array.from(bytes(maps), (byte) => rounded((byte / 255) * peak));
  return [grid[1], grid[0], heads, layers].reduce(fold, values);
}

// Where the tiles of a sheet lie: about as many columns as rows, the plain picture first.
function sheetPlan(count, [width, height], side) {
  const ratio = Math.min(1, side / Math.max(width, height));
  const size = [width, height].map((length) => Math.max(1, Math.round(length * ratio)));
  const [margin, label, heading] = [12, 26, 56];
  const step = [Math.max(size[0], 120) + margin, size[1] + label + margin];
  const columns = Math.ceil(Math.sqrt((count + 1) * (step[1] / step[0])));
  const tiles = Array.from({ length: count + 1 }, (_, index) => [
    margin + (index % columns) * step[0],
    heading + margin + Math.floor(index / columns) * step[1],
  ]);
  const rows = Math.ceil((count + 1) / columns);
  const whole = [margin + columns * step[0], heading + margin + rows * step[1]];
  return { size, tiles, whole, margin, label, heading };
}
