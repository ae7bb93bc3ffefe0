// Gives the functions of scripts of the page: they are plain scripts, so that no build is needed.
import { readFileSync } from "node:fs";

export function source(names) {
  const read = (name) =>
    readFileSync(new URL(`../../captioner/web/scripts/${name}.js`, import.meta.url), "utf-8");
  return names.split(" ").map(read).join("\n");
}

export function load(names, ...functions) {
  return new Function(`${source(names)}\nreturn { ${functions.join(", ")} };`)();
}
