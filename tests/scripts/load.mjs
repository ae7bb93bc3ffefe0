// Gives the functions of a script of the page: they are plain scripts, so that no build is needed.
import { readFileSync } from "node:fs";

export function load(name, ...functions) {
  const source = readFileSync(
    new URL(`../../captioner/web/scripts/${name}.js`, import.meta.url), "utf-8",
  );
  return new Function(`${source}\nreturn { ${functions.join(", ")} };`)();
}
