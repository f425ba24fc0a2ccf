import { describe, expect, test, vi } from "vitest";

import { configureApi, getMemoryAudioMetadata } from "../../src/index.js";
import { useServer } from "./harness.js";
import { FakeServer } from "./server.js";
import { thrownBy } from "../thrown.js";

const OK = { body: { data: { duration_seconds: 1, processing_status: "complete" } } };

const server = useServer();

describe("configureApi", () => {
  test("sends an API key", async () => {
    server.current.answer = OK;
    await getMemoryAudioMetadata({ memory_id: "memory-1" });
    expect(server.current.received[0]?.headers).toMatchObject({ "x-api-key": "a-key" });
    expect(server.current.received[0]?.headers).not.toHaveProperty("authorization");
  });

  test("sends a token", async () => {
    server.current.answer = OK;
    configureApi({ baseURL: server.current.url, token: "a.b.c" });
    await getMemoryAudioMetadata({ memory_id: "memory-1" });
    expect(server.current.received[0]?.headers).toMatchObject({ authorization: "Bearer a.b.c" });
    expect(server.current.received[0]?.headers).not.toHaveProperty("x-api-key");
  });

  test("takes a base URL with a path and a slash at its end", async () => {
    server.current.answer = OK;
    configureApi({ baseURL: `${server.current.url}/stage/`, apiKey: "a-key" });
    await getMemoryAudioMetadata({ memory_id: "memory-1" });
    expect(server.current.received[0]?.url).toBe("/stage/memories/audio-metadata");
  });
});

describe("a key", () => {
  test("does not follow a redirect to another host", async () => {
    const elsewhere = new FakeServer();
    await elsewhere.start();
    elsewhere.answer = OK;
    const headers = { location: `${elsewhere.url}/memories/audio-metadata` };
    server.current.answer = { status: 307, headers, body: "" };

    const error = await thrownBy(getMemoryAudioMetadata({ memory_id: "memory-1" }));

    expect(error).toMatchObject({ status: 307 });
    expect(elsewhere.received).toEqual([]);
    await elsewhere.stop();
  });

  test.each([{ apiKey: "secret-1" }, { token: "secret-1" }])(
    "is not in an error's JSON: %o",
    async (credential) => {
      server.current.answer = { status: 500, body: "" };
      configureApi({ baseURL: server.current.url, ...credential });

      const error = await thrownBy(getMemoryAudioMetadata({ memory_id: "memory-1" }));

      expect(JSON.stringify(error)).toContain("/memories/audio-metadata");
      expect(JSON.stringify(error)).not.toContain("secret-1");
    },
  );
});

test("getApi says what to do before anything is configured", async () => {
  vi.resetModules();
  const fresh = await import("../../src/index.js");
  expect(() => fresh.getApi()).toThrow("configureApi");
});
