import { isAxiosError } from "axios";
import { describe, expect, test } from "vitest";
import { ZodError } from "zod";

import {
  REQUEST_TIMEOUT_MS,
  getApi,
  getMemoryAudio,
  getMemoryAudioMetadata,
} from "../../src/index.js";
import { useServer } from "./harness.js";
import { thrownBy } from "../thrown.js";

const METADATA = { duration_seconds: 12.5, processing_status: "complete" };
const AUDIO = {
  ...METADATA,
  presigned_url: "https://bucket.example/sessions/s/window_000/audio.wav?X-Amz-Expires=3600",
};

const server = useServer();

describe("getMemoryAudio", () => {
  test("posts the memory's id and returns its URL", async () => {
    server.current.answer = { body: { data: AUDIO } };

    const audio = await getMemoryAudio({ memory_id: "memory-1" });

    expect(audio).toEqual({ presigned_url: AUDIO.presigned_url });
    expect(server.current.received).toMatchObject([
      { method: "POST", url: "/memories/audio", body: '{"memory_id":"memory-1"}' },
    ]);
  });

  test.each([
    ["is missing", METADATA],
    [
      "is null, as of a pending memory",
      { ...METADATA, processing_status: "pending", presigned_url: null },
    ],
    ["is no URL", { ...METADATA, presigned_url: "audio.wav" }],
    ["is no address of a file", { ...METADATA, presigned_url: "javascript:alert(1)" }],
  ])("refuses an answer whose presigned_url %s", async (_, data) => {
    server.current.answer = { body: { data } };
    const refusal = await thrownBy(getMemoryAudio({ memory_id: "memory-1" }));
    expect(issuesOf(refusal)).toEqual(["presigned_url"]);
  });
});

describe("getMemoryAudioMetadata", () => {
  test("posts the memory's id and returns its length and status", async () => {
    server.current.answer = { body: { data: AUDIO } };

    const metadata = await getMemoryAudioMetadata({ memory_id: "memory-1" });

    expect(metadata).toEqual(METADATA);
    expect(server.current.received).toMatchObject([
      { method: "POST", url: "/memories/audio-metadata", body: '{"memory_id":"memory-1"}' },
    ]);
  });

  test.each(["pending", "failed"])("returns the status %s", async (processing_status) => {
    server.current.answer = { body: { data: { ...METADATA, processing_status } } };
    const metadata = await getMemoryAudioMetadata({ memory_id: "memory-1" });
    expect(metadata.processing_status).toBe(processing_status);
  });

  test("returns the error that an answer may name", async () => {
    const failed = { duration_seconds: 0, processing_status: "failed", error: "no audio" };
    server.current.answer = { body: { data: failed } };
    expect(await getMemoryAudioMetadata({ memory_id: "memory-1" })).toEqual(failed);
  });

  test.each([
    ["processing_status", { ...METADATA, processing_status: "done" }],
    ["processing_status", { duration_seconds: 1 }],
    ["duration_seconds", { ...METADATA, duration_seconds: "12.5" }],
    ["duration_seconds", { processing_status: "complete" }],
    ["error", { ...METADATA, error: 7 }],
  ])("refuses an answer with a wrong or missing %s", async (field, data) => {
    server.current.answer = { body: { data } };
    const refusal = await thrownBy(getMemoryAudioMetadata({ memory_id: "memory-1" }));
    expect(issuesOf(refusal)).toEqual([field]);
  });
});

describe.each([
  ["getMemoryAudio", getMemoryAudio],
  ["getMemoryAudioMetadata", getMemoryAudioMetadata],
])("%s", (_, ask) => {
  test.each([
    ["no data", {}],
    ["data null", { data: null }],
    ["a list", []],
    ["null", null],
    ["the fields without their envelope", AUDIO],
    ["a page that isn't JSON", "<!doctype html>"],
    ["nothing", ""],
  ])("refuses an answer of %s", async (_shape, body) => {
    server.current.answer = { body };
    expect(await thrownBy(ask({ memory_id: "memory-1" }))).toBeInstanceOf(ZodError);
  });

  test("gives the request 120 seconds", async () => {
    const given: unknown[] = [];
    getApi().interceptors.request.use((config) => {
      given.push(config.timeout);
      return config;
    });
    server.current.answer = { body: { data: AUDIO } };

    await ask({ memory_id: "memory-1" });

    expect(given).toEqual([120_000]);
    expect(REQUEST_TIMEOUT_MS).toBe(120_000);
  });

  test("throws axios's error when a silent server's time is over", async () => {
    getApi().interceptors.request.use((config) => ({ ...config, timeout: 50 }));

    const error = await thrownBy(ask({ memory_id: "memory-1" }));

    expect(isAxiosError(error) && error.code).toBe("ECONNABORTED");
    expect(server.current.received).toHaveLength(1);
  });
});

function issuesOf(error: unknown): string[] {
  expect(error).toBeInstanceOf(ZodError);
  return (error as ZodError).issues.map((issue) => issue.path.join("."));
}
