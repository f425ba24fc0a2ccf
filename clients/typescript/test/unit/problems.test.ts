import { describe, expect, expectTypeOf, test } from "vitest";

import { getMemoryAudio, isProblem, problemOf, type Problem } from "../../src/index.js";
import { useServer } from "./harness.js";
import { type Answer } from "./server.js";
import { thrownBy } from "../thrown.js";

const NOT_FOUND = {
  type: "about:blank",
  title: "Not Found",
  status: 404,
  detail: "Memory not found",
  code: "MEMORY_NOT_FOUND",
  error: { code: "MEMORY_NOT_FOUND", message: "Memory not found" },
  request_id: "request-1",
};

const server = useServer();

async function failure(): Promise<unknown> {
  return thrownBy(getMemoryAudio({ memory_id: "memory-1" }));
}

describe("a problem", () => {
  test("is what the server said, typed", async () => {
    server.current.answer = problem(NOT_FOUND);

    const error = await failure();

    if (!isProblem(error)) throw error;
    expectTypeOf(error.response.data).toEqualTypeOf<Problem>();
    expect(error.response.data).toEqual(NOT_FOUND);
    expect(problemOf(error)).toEqual(NOT_FOUND);
  });

  test("may have the sentence for error, as other families have, and members of its own", async () => {
    const malformed = {
      ...NOT_FOUND,
      status: 400,
      code: "INVALID_REQUEST",
      error: "limit: at most 100",
      field: "limit",
    };
    server.current.answer = problem(malformed);
    expect(problemOf(await failure())).toEqual(malformed);
  });

  test("brings its headers", async () => {
    server.current.answer = problem({ ...NOT_FOUND, status: 503, code: "UNAVAILABLE" }, "5");
    const error = await failure();
    expect(isProblem(error) && error.response.headers["retry-after"]).toBe("5");
  });
});

describe("no problem", () => {
  test.each([
    ["an error of the gateway's own", { message: "Service Unavailable" }],
    ["a page", "<!doctype html>"],
    ["a problem without its code", { ...NOT_FOUND, code: undefined }],
    ["nothing", ""],
  ])("is %s", async (_, body) => {
    server.current.answer = { status: 503, body };
    const error = await failure();
    expect(isProblem(error)).toBe(false);
    expect(problemOf(error)).toBeUndefined();
  });

  test("is a server that can't be reached", async () => {
    await server.current.stop();
    expect(problemOf(await failure())).toBeUndefined();
  });

  test.each([undefined, null, "text", new Error("another"), { response: { data: NOT_FOUND } }])(
    "is %s",
    (error) => {
      expect(isProblem(error)).toBe(false);
      expect(problemOf(error)).toBeUndefined();
    },
  );
});

function problem(body: { status: number; [member: string]: unknown }, retryAfter?: string): Answer {
  const headers = {
    "content-type": "application/problem+json",
    ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
  };
  return { status: body.status, headers, body };
}
