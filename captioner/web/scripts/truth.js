// "Is it true?": hides where a word looked, and shows what the model then says.

function makeTruth(panel) {
  const { fold, body } = makeFold("Is it true?", "truth", () => {});
  const button = makeAsker("", run);
  const result = make("div", { class: "trials" });
  const verdict = make("p", { class: "verdict" });
  body.append(
    make("p", {},
      "If the model used what it looked at, hiding just that must make the word less likely; ",
      "hiding as much elsewhere must not."),
    button, verdict, result,
  );
  async function run() {
    const answer = await panel.view.ask("doubt", panel, {});
    if (!answer) return;
    verdict.textContent = answer.verdict;
    panel.view.say(answer.verdict);
    result.replaceChildren(...answer.trials.map((trial) => showTrial(panel, trial, answer.word)));
  }
  return {
    node: fold,
    captioned() {
      verdict.textContent = "";
      result.replaceChildren();
    },
    pinned() {
      const word = panel.caption.words[panel.pinned];
      fold.hidden = !word;
      button.textContent = word ? `Hide where it looked for “${word.text}”` : "";
    },
  };
}

function showTrial(panel, trial, word) {
  const canvas = make("canvas", { role: "img", "aria-label": trial.title });
  drawHidden(panel, canvas, trial.hidden);
  const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span", {}));
  bar.firstChild.style.width = `${100 * trial.probability}%`;
  return make("figure", {}, canvas,
    make("figcaption", {}, make("strong", {}, trial.title),
      make("span", {}, `“${word}”: ${trial.percent}`), bar,
      make("span", { class: "said" }, trial.caption)),
  );
}

// Blurs cells of the picture, about as the model saw it: `hidden` is a list of [row, column].
function drawHidden(panel, canvas, hidden) {
  const { value, view } = panel;
  const size = sheetPlan(0, view.value.size, 320).size;
  [canvas.width, canvas.height] = size;
  const surface = canvas.getContext("2d");
  surface.drawImage(view.picture, 0, 0, ...size);
  // A copy of few pixels, drawn large again, has colours and no things; every browser can do that.
  const small = make("canvas", { width: value.grid[1], height: value.grid[0] });
  small.getContext("2d").drawImage(view.picture, 0, 0, value.grid[1], value.grid[0]);
  const geometry = resized(value.geometry, view.value.size, size);
  surface.beginPath();
  for (const [row, column] of hidden) {
    const [left, top, width, height] = cellBox(geometry, value.grid, size, row, column);
    surface.rect(left * size[0], top * size[1], width * size[0], height * size[1]);
  }
  surface.clip();
  surface.imageSmoothingQuality = "high";
  surface.drawImage(small, 0, 0, ...size);
}
