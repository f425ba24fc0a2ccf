import { readFileSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, inject, test } from "vitest";

import {
  configureApi,
  deleteMemory,
  getMemoryAudio,
  getMemoryAudioMetadata,
  listMemories,
  problemOf,
} from "../../src/index.js";
import { thrownBy } from "../thrown.js";
import { readWav, sampleAudio, streamSample } from "./sample.js";
import { until } from "./until.js";

const stack = inject("stack");
const WORKER_LOG = "JobsWorkerFunction.log"; // says why there is no memory

beforeEach(() => configureApi({ baseURL: stack.url, apiKey: stack.api_key }));

test("what was streamed is listed, played back sample by sample, and deleted", async ({
  onTestFailed,
}) => {
  onTestFailed(() => console.error(readFileSync(join(stack.logs, WORKER_LOG), "utf8")));
  const memory_id = await streamSample(stack);

  const memory = await until(async () => {
    const { memories } = await listMemories();
    const found = memories.find((memory) => memory.memory_id === memory_id);
    return found?.processing_status !== "pending" && found;
  });
  const metadata = await getMemoryAudioMetadata({ memory_id });
  const { presigned_url } = await getMemoryAudio({ memory_id });
  const file = await fetch(presigned_url);
  const wav = readWav(Buffer.from(await file.arrayBuffer()));

  expect(memory).toMatchObject({ windows: 1, processing_status: "complete" });
  expect(metadata.processing_status).toBe("complete");
  expect(new URL(presigned_url).searchParams.get("X-Amz-Expires")).toBe("3600");
  expect(wav).toMatchObject({ format: 1, channels: 1, sampleRate: 16_000, bits: 16 });
  expect(wav.samples.equals(await sampleAudio())).toBe(true);
  expect(metadata.duration_seconds).toBeCloseTo(wav.samples.length / 2 / 16_000, 3);

  expect(await deleteMemory({ memory_id })).toEqual({ deleted: 1 });
  for (const ask of [getMemoryAudioMetadata, getMemoryAudio, deleteMemory]) {
    const problem = problemOf(await thrownBy(ask({ memory_id })));
    expect(problem).toMatchObject({ status: 404, code: "MEMORY_NOT_FOUND" });
  }
  expect(await listMemories()).toEqual({ memories: [], next_cursor: null });
});

describe.each([
  ["getMemoryAudio", getMemoryAudio],
  ["getMemoryAudioMetadata", getMemoryAudioMetadata],
])("%s", (_, ask) => {
  test.each([
    ["", 400, "INVALID_REQUEST"],
    [" \t", 400, "INVALID_REQUEST"],
    ["nobody's", 404, "MEMORY_NOT_FOUND"],
  ])("says what is wrong with the id %o", async (memory_id, status, code) => {
    const problem = problemOf(await thrownBy(ask({ memory_id })));
    expect(problem).toMatchObject({ status, code, error: { code, message: problem?.detail } });
  });

  test("needs a key that is known", async () => {
    configureApi({ baseURL: stack.url, apiKey: "another-key" });
    const problem = problemOf(await thrownBy(ask({ memory_id: "memory-1" })));
    expect(problem).toMatchObject({ status: 401, code: "INVALID_KEY" });
  });
});

test("a page's limit and cursor are checked", async () => {
  for (const wrong of [{ limit: 0 }, { cursor: "none of ours" }]) {
    const problem = problemOf(await thrownBy(listMemories(wrong)));
    expect(problem).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
  }
});
