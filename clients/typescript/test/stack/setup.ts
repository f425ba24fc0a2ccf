import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

import { PYTHON, ROOT } from "./project.js";
import { until } from "./until.js";

/** What of `stack.json` the tests need, and the folder of the functions' logs. */
export interface Address {
  url: string;
  ws_url: string;
  api_key: string;
  logs: string;
}

declare module "vitest" {
  interface ProvidedContext {
    stack: Address;
  }
}

/** Starts a local stack for all tests; what is returned ends it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const state = await mkdtemp(join(tmpdir(), "audio-"));
  const stack = serve(state);
  await once(stack, "spawn"); // throws if there is no such Python
  const ended = once(stack, "exit");
  async function stop(): Promise<void> {
    stack.kill("SIGINT");
    await ended;
    await rm(state, { recursive: true });
  }
  try {
    project.provide("stack", await ready(stack, state));
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

function serve(state: string): ChildProcess {
  const console = openSync(join(state, "console.log"), "w");
  const options = ["--port", "0", "--state", state, "--no-watch"];
  const parameters = ["--parameter", "CloseSettleSeconds=0", "--parameter", "Transcriber=none"];
  return spawn(PYTHON, ["-m", "local", "serve", ...options, ...parameters], {
    cwd: ROOT,
    stdio: ["ignore", console, console],
  });
}

async function ready(stack: ChildProcess, state: string): Promise<Address> {
  const told = join(state, "stack.json");
  await until(() => {
    if (stack.exitCode !== null) throw new Error(readFileSync(join(state, "console.log"), "utf8"));
    return existsSync(told);
  });
  return { ...JSON.parse(readFileSync(told, "utf8")), logs: join(state, "logs") };
}
