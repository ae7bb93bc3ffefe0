// All words at once, and saving: a sheet and an animation of them, and the numbers as JSON.

const TILE = 120; // about as wide as a tile: a picture that the browser makes smaller loses its line

function makeAllWords(panel) {
  const { fold, body } = makeFold("All words at once", "all", draw);
  let tiles = [];
  const mark = () =>
    tiles.forEach((tile, i) => tile.setAttribute("aria-pressed", i === panel.pinned));
  function draw() {
    if (!fold.open || !panel.caption) return;
    const [width, height] = panel.view.value.size;
    const side = TILE * Math.max(1, height / width) * (globalThis.devicePixelRatio ?? 1);
    const { size } = sheetPlan(0, [width, height], side);
    const pixels = pixelsOf(panel.view.picture, size);
    if (tiles.length !== panel.caption.words.length) {
      tiles = panel.caption.words.map((_, i) =>
        makeButton("", () => panel.view.pin(panel, i), { class: "tile" }),
      );
      body.replaceChildren(...tiles);
    }
    panel.caption.words.forEach((word, i) => {
      const canvas = tiles[i].querySelector("canvas") ?? make("canvas", { "aria-hidden": "true" });
      paint(canvas, pixels, smallLightOf(panel, i, size));
      tiles[i].replaceChildren(canvas, make("span", {}, `${word.text} ${word.percent}`));
    });
    mark();
  }
  return { node: fold, captioned: draw, redrawn: draw, pinned: mark };
}

function makeSaving(panel) {
  const stem = () => {
    const several = panel.view.value.panels.length > 1;
    return fileStem(panel.view.value.name) + (several ? `-${fileStem(panel.value.model)}` : "");
  };
  const png = makeButton("PNG sheet", async () => {
    const canvas = drawSheet(panel);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    // Browsers give nothing for a canvas that is larger than they can hold.
    if (!blob) return flash(png, "Too large for this browser");
    download(`${stem()}.png`, blob);
  });
  const gif = makeAsker("GIF", async () => {
    const { style, strength, cells, ownScale } = panel.view.settings;
    const look = { style: style.toLowerCase(), strength, smooth: !cells, own_scale: ownScale };
    const answer = await panel.view.ask("animate", panel, look);
    if (!answer) return;
    download(`${stem()}.gif`, await (await fetch(`data:image/gif;base64,${answer.gif}`)).blob());
  });
  const json = makeButton("JSON", () => {
    const whole = asJson(panel.view.value.name, panel.value, panel.caption, panel.maps);
    download(`${stem()}.json`, new Blob([JSON.stringify(whole)], { type: "application/json" }));
  });
  const label = make("span", { class: "label" }, "Save");
  return { node: make("div", { class: "saving", role: "group", "aria-label": "Save" }, label, png, gif, json) };
}

// The caption, the picture and one tile for each word, as a picture.
function drawSheet(panel) {
  const { caption, view } = panel;
  const plan = sheetPlan(caption.words.length, view.value.size, 320);
  const sheet = make("canvas", { width: plan.whole[0], height: plan.whole[1] });
  const surface = sheet.getContext("2d");
  surface.fillStyle = "white";
  surface.fillRect(0, 0, ...plan.whole);
  surface.fillStyle = "black";
  surface.font = "700 22px system-ui, sans-serif";
  surface.fillText(caption.text, plan.margin, 36, plan.whole[0] - 2 * plan.margin);
  surface.font = "16px system-ui, sans-serif";
  const pixels = pixelsOf(view.picture, plan.size);
  const tile = make("canvas", {});
  plan.tiles.forEach(([left, top], i) => {
    const word = caption.words[i - 1];
    paint(tile, pixels, word ? smallLightOf(panel, i - 1, plan.size) : {});
    surface.drawImage(tile, left, top);
    const label = word ? `${word.text} ${word.percent}` : "";
    surface.fillText(label, left, top + plan.size[1] + 18, Math.max(plan.size[0], 120));
  });
  return sheet;
}
