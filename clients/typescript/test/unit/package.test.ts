import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import { expect, onTestFinished, test } from "vitest";

import * as source from "../../src/index.js";

const run = promisify(execFile);
const PACKAGE = resolve(import.meta.dirname, "../..");

test("the package is what its name imports, with types, and nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pack-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const pack = ["pack", "--silent", "--pack-destination", folder];
  const { stdout: name } = await run("npm", pack, { cwd: PACKAGE });
  const { stdout: files } = await run("tar", ["-tzf", join(folder, name.trim())]);
  const modules = ["api", "audio", "envelope", "feed", "index", "problems"];
  expect(files.trim().split("\n").sort()).toEqual(
    ["LICENSE", "README.md", "package.json"]
      .concat(modules.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]))
      .map((name) => `package/${name}`)
      .sort(),
  );

  const print = 'console.log(Object.keys(await import("serverless-audio")).join())';
  const { stdout: names } = await run("node", ["--input-type=module", "-e", print], {
    cwd: PACKAGE,
  });
  expect(names.trim().split(",")).toEqual(Object.keys(source).sort());
});
