import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it arrived. */
export interface Received {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An answer to give; a `body` that isn't text goes out as JSON. */
export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
}

/** A server that gives `answer` to whatever comes and notes it; silent as long as there is none. */
export class FakeServer {
  answer: Answer | undefined;
  readonly received: Received[] = [];

  readonly #server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const pieces = await request.setEncoding("utf8").toArray();
    this.received.push({ method, url, headers, body: pieces.join("") });
    if (this.answer === undefined) return;
    const { status = 200, body } = this.answer;
    response.writeHead(status, { "content-type": "application/json", ...this.answer.headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections(); // the silent ones too
    await new Promise((closed) => this.#server.close(closed));
  }
}
