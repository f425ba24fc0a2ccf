import { afterEach, beforeEach } from "vitest";

import { configureApi } from "../../src/index.js";
import { FakeServer } from "./server.js";

/** Gives each test of a file a server of its own, to which the client is configured. */
export function useServer(): { current: FakeServer } {
  const server = { current: new FakeServer() };
  beforeEach(async () => {
    server.current = new FakeServer();
    await server.current.start();
    configureApi({ baseURL: server.current.url, apiKey: "a-key" });
  });
  afterEach(() => server.current.stop());
  return server;
}
