import { describe, expect, test } from "vitest";
import { ZodError } from "zod";

import { deleteMemory, getApi, listMemories } from "../../src/index.js";
import { thrownBy } from "../thrown.js";
import { useServer } from "./harness.js";

const MEMORY = {
  memory_id: "session-1",
  start_time: "2026-11-21T09:00:00.000Z",
  end_time: "2026-11-21T09:00:42.500Z",
  duration_seconds: 42.5,
  windows: 2,
  processing_status: "complete",
  transcript: null,
};

const server = useServer();

describe("listMemories", () => {
  test("returns the first page", async () => {
    const page = { memories: [MEMORY], next_cursor: "more" };
    server.current.answer = { body: { data: page } };
    expect(await listMemories()).toEqual(page);
    expect(server.current.received).toMatchObject([{ method: "GET", url: "/memories" }]);
  });

  test("asks for the page after another one of what matches", async () => {
    server.current.answer = { body: { data: { memories: [], next_cursor: null } } };
    await listMemories({ limit: 2, cursor: "a+b/c=", search: '"a phrase" -but' });
    const { searchParams } = new URL(server.current.received[0]?.url ?? "", server.current.url);
    expect(Object.fromEntries(searchParams)).toEqual({
      limit: "2",
      cursor: "a+b/c=",
      search: '"a phrase" -but',
    });
  });

  test("takes null, which the last page has, for no cursor", async () => {
    server.current.answer = { body: { data: { memories: [], next_cursor: null } } };
    await listMemories({ cursor: null });
    expect(server.current.received[0]?.url).toBe("/memories");
  });

  test.each([
    ["no cursor", { memories: [] }],
    [
      "a memory without its id",
      { memories: [{ ...MEMORY, memory_id: undefined }], next_cursor: null },
    ],
    ["a time that is none", { memories: [{ ...MEMORY, start_time: "noon" }], next_cursor: null }],
    [
      "an unknown status",
      { memories: [{ ...MEMORY, processing_status: "done" }], next_cursor: null },
    ],
  ])("refuses an answer with %s", async (_, data) => {
    server.current.answer = { body: { data } };
    expect(await thrownBy(listMemories())).toBeInstanceOf(ZodError);
  });
});

describe("deleteMemory", () => {
  test("says how many windows were removed", async () => {
    server.current.answer = { body: { data: { deleted: 2 } } };
    expect(await deleteMemory({ memory_id: "session-1" })).toEqual({ deleted: 2 });
    expect(server.current.received).toMatchObject([
      { method: "DELETE", url: "/memories/session-1" },
    ]);
  });

  test("keeps an id in its place of the path", async () => {
    server.current.answer = { body: { data: { deleted: 0 } } };
    await deleteMemory({ memory_id: "a/b?c=d#e" });
    expect(server.current.received[0]?.url).toBe("/memories/a%2Fb%3Fc%3Dd%23e");
  });
});

test("both give the request 120 seconds", async () => {
  const given: unknown[] = [];
  getApi().interceptors.request.use((config) => {
    given.push(config.timeout);
    return config;
  });
  server.current.answer = { body: { data: { memories: [], next_cursor: null, deleted: 0 } } };

  await listMemories();
  await deleteMemory({ memory_id: "session-1" });

  expect(given).toEqual([120_000, 120_000]);
});
