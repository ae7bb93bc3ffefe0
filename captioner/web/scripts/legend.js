// What the marks on the picture and under the words mean.

const LIGHTS = {
  Spotlight: "The light, and the line around the brightest of it, show where it looked just before " +
    "it said the word.",
  Heatmap: "The colours show where it looked just before it said the word: yellow most, dark " +
    "blue least.",
};
const UNSURE = "less than 50 % sure";
const UNKNOWN = "not known to the model";

function isUnsure(word) {
  return word.known && word.probability < 0.5;
}

function makeLegend(panel) {
  const node = make("p", { class: "legend" });
  function draw() {
    const { view, caption } = panel;
    const { words } = caption;
    const mark = (name, text, meaning) =>
      make("span", {}, make("span", { class: name }, text), `: ${meaning}. `);
    node.replaceChildren(
      // The same for all panels: it is said once.
      ...(words.length && panel === view.panels[0] ? [`${LIGHTS[view.settings.style]} `] : []),
      ...(words.some(isUnsure) ? [mark("unsure", "Dotted", UNSURE)] : []),
      ...(words.every((word) => word.known) ? [] : [mark("wavy", "Wavy ?", UNKNOWN)]),
    );
  }
  return { node, captioned: draw, redrawn: draw };
}
